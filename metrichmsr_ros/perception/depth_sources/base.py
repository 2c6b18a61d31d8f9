"""The protocol of everything that can say how far the scene is."""

from __future__ import annotations

from typing import Protocol

from metrichmsr_ros.structures import DepthImage, Frame


class DepthSource(Protocol):
    """Depth of a frame, pixel for pixel."""

    def depth(self, frame: Frame) -> DepthImage | None:
        """Return depth on the frame's own camera and size, or None where nothing is known."""
        ...
