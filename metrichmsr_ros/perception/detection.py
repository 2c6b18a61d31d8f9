"""What finds people in a frame: the protocol, and box geometry that every detector needs."""

from __future__ import annotations

from typing import Protocol

import numpy as np

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


def check_boxes(boxes: np.ndarray) -> np.ndarray:
    """Return ``boxes`` as (N, 4) float64, or raise a ``ValueError`` with the rule they break."""
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f'boxes have shape {boxes.shape}, must be (N, 4)')
    if not np.isfinite(boxes).all() or (boxes[:, 2:] <= boxes[:, :2]).any():
        raise ValueError(
            f'boxes {boxes.tolist()} must be finite with x_min < x_max, y_min < y_max'
        )
    return boxes


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union of every pair, (N, M), of boxes (N, 4) and (M, 4)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return shared / np.maximum(union, np.finfo(np.float32).tiny)


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
