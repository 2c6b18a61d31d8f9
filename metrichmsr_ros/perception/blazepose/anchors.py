"""BlazePose's detector output: anchors, decoding, and merging of what overlaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from metrichmsr_ros.geometry.boxes import box_iou
from metrichmsr_ros.perception.blazepose.crops import rois_from_axes

INPUT_SIZE = 224
NUM_ANCHORS = 2254
NUM_VALUES = 12  # box centre and size, then four points
_GRIDS = ((28, 2), (14, 2), (7, 6))  # cells along a side, anchors in each cell
_POSITIONS = [0, 2, 3, 4, 5]  # pairs of values that are places; pair 1 is the box's size
_SAME_HEAD_IOU = 0.3
_SAME_HIP_DISTANCE = 0.3  # of the circle's radius
_SAME_SIZE_RATIO = 1.6
_BODY_OVER_CIRCLE = 0.9  # height of a standing person's box over the circle's diameter
_WIDTH_OVER_HEIGHT = 0.4


def anchor_centres() -> np.ndarray:
    """Return the anchors' centres in the network's order, (2254, 2), 0..1 of the input.

    All anchors have the size of the whole input, so a centre is all there is to one.
    """
    centres = []
    for cells, repeats in _GRIDS:
        y, x = np.mgrid[:cells, :cells].reshape(2, -1)
        centres.append(np.repeat((np.column_stack([x, y]) + 0.5) / cells, repeats, axis=0))
    return np.concatenate(centres)


@dataclass(frozen=True)
class Candidates:
    """People that the detector may have seen.

    Attributes:
        scores: (N,), 0..1.
        faces: Box of the head, centre and size, (N, 4), pixels.
        points: Mid-hip, point of the person's circle along the body axis, mid-shoulder, and that
            of the upper body, (N, 4, 2), pixels.
    """

    scores: np.ndarray
    faces: np.ndarray
    points: np.ndarray

    def select(self, index: np.ndarray) -> Candidates:
        """Return the candidates at ``index``, integers or a boolean mask."""
        return Candidates(self.scores[index], self.faces[index], self.points[index])

    @property
    def radii(self) -> np.ndarray:
        """Radius of the circle about the mid-hip that holds the person, (N,), pixels."""
        return np.linalg.norm(self.points[:, 1] - self.points[:, 0], axis=-1)

    def boxes(self) -> np.ndarray:
        """Whole-person boxes: the circle's extent along the body axis, (N, 4), pixels."""
        hips = self.points[:, 0]
        along = (self.points[:, 1] - hips) * _BODY_OVER_CIRCLE
        across = along[:, ::-1] * _WIDTH_OVER_HEIGHT
        reach = np.maximum(np.abs(along), np.abs(across))
        return np.concatenate([hips - reach, hips + reach], axis=-1)

    def rois(self, *, factor: float) -> np.ndarray:
        """Crops for the landmark network, (N, 4) float32."""
        return rois_from_axes(self.points[:, 0], self.points[:, 1], factor=factor)


def concatenate(candidates: list[Candidates]) -> Candidates:
    """Join the candidates of several tiles; at least one entry."""
    return Candidates(
        np.concatenate([item.scores for item in candidates]),
        np.concatenate([item.faces for item in candidates]),
        np.concatenate([item.points for item in candidates]),
    )


def decode(
    values: np.ndarray, logits: np.ndarray, centres: np.ndarray, *, min_score: float
) -> Candidates:
    """Read the network's outputs.

    Args:
        values: (2254, 12), pixels of the 224x224 input, relative to the anchor.
        logits: (2254,).
        centres: ``anchor_centres()``.
        min_score: Candidates below it are left out.

    Returns:
        Candidates in pixels of the input, counted from its corner.
    """
    scores = expit(logits)
    kept = scores >= min_score
    pairs = values[kept].astype(np.float64).reshape(-1, NUM_VALUES // 2, 2)
    pairs[:, _POSITIONS] += INPUT_SIZE * centres[kept, None]
    return Candidates(scores[kept], pairs[:, :2].reshape(-1, 4), pairs[:, 2:])


def merge(candidates: Candidates) -> Candidates:
    """Weighted non-maximum suppression: one candidate for each person, best first.

    Two are the same person when their heads overlap, or when their mid-hips are close for their
    size and the sizes are alike; a person is the mean of its candidates, weighted by score.
    """
    centres, sizes = candidates.faces[:, :2], candidates.faces[:, 2:]
    heads = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=-1)
    same = box_iou(heads, heads) > _SAME_HEAD_IOU
    radii = np.maximum(candidates.radii, 1e-6)
    hips = candidates.points[:, 0]
    apart = np.linalg.norm(hips[:, None] - hips[None], axis=-1) / np.minimum.outer(radii, radii)
    alike = np.maximum.outer(radii, radii) < _SAME_SIZE_RATIO * np.minimum.outer(radii, radii)
    same |= alike & (apart < _SAME_HIP_DISTANCE)
    merged = []
    left = np.ones(len(candidates.scores), bool)
    for best in np.argsort(-candidates.scores, kind='stable'):
        if not left[best]:
            continue
        group = left & (same[best] | (np.arange(len(left)) == best))
        left &= ~group
        part = candidates.select(group)
        weights = part.scores / part.scores.sum()
        merged.append(
            Candidates(
                candidates.scores[[best]],
                np.einsum('n,nc->c', weights, part.faces)[None],
                np.einsum('n,npc->pc', weights, part.points)[None],
            )
        )
    return concatenate(merged) if merged else candidates
