"""The protocol of everything that can say how far the scene is."""

from __future__ import annotations

from typing import Protocol

from metrichmsr_ros.structures import DepthImage, Frame

NETWORK_SCALE_SIGMA = 0.2  # of a metric network's scale: the paper's prior has an AbsRel of 0.18
NETWORK_SHIFT_SIGMA = 0.1  # of a shift, over the median depth of the scene


class DepthSource(Protocol):
    """Depth of a frame, pixel for pixel."""

    def depth(self, frame: Frame) -> DepthImage | None:
        """Return depth on the frame's own camera and size, or None where nothing is known."""
        ...
