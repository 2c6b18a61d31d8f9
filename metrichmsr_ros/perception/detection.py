"""What finds people in a frame: the protocol, and detections of any other detector's boxes."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from metrichmsr_ros.geometry.boxes import check_boxes
from metrichmsr_ros.structures import Detections, Frame

_BOX_ROI_FACTOR = 1.25  # side of the landmark crop over the longer side of a whole person's box


class Detector(Protocol):
    """Finds people who are not known yet."""

    def detect(self, frame: Frame, *, known_boxes: np.ndarray | None = None) -> Detections:
        """Return candidates in ``frame``.

        Args:
            frame: The image to look at.
            known_boxes: Boxes of people who are tracked already, (K, 4), pixels; they need not be
                found again.
        """


def detections_from_boxes(boxes: np.ndarray, scores: np.ndarray | None = None) -> Detections:
    """Make detections of another detector's whole-person boxes.

    The crop is upright about the box; a second pass of the landmark network turns it where the
    person is not.

    Args:
        boxes: x_min, y_min, x_max, y_max, (N, 4), pixels.
        scores: Confidence, (N,), 0..1; 1 where not given.

    Raises:
        ValueError: A box is empty or not finite.
    """
    boxes = check_boxes(boxes)
    scores = np.ones(len(boxes)) if scores is None else np.asarray(scores)
    if scores.shape != (len(boxes),):
        raise ValueError(f'scores have shape {scores.shape}, must be ({len(boxes)},)')
    sides = _BOX_ROI_FACTOR * (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    rois = np.column_stack([centres, sides, np.zeros(len(boxes))])
    return Detections(
        boxes=boxes.astype(np.float32),
        scores=scores.astype(np.float32),
        rois=rois.astype(np.float32),
    )
