"""The unknown shift of a relative network's inverse depth, found from people.

Such a network predicts q = a / z + b. With people at different depths both are known, and 1 / q
becomes depth up to a factor: 1 / (q + c) with c = -b. What is left of it is the affine fit's.
"""

from __future__ import annotations

from dataclasses import replace
import math
from typing import NamedTuple

import numpy as np

from metrichmsr_ros.perception.anchors import Anchors
from metrichmsr_ros.perception.depth_refinement import (
    LOOK,
    MIN_ANCHORS,
    MIN_SPREAD,
    solve_robustly,
    typical_depth,
)
from metrichmsr_ros.perception.field_memory import MAX_RATE
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import DepthImage

# One sigma of b beforehand, over the q of the people in the middle.
OFFSET_SIGMA = 0.3
TIME = 1.0  # s in which 63 % of a new shift are taken over
MAX_DISAGREEMENT = 0.2  # median relative error after the fit
MIN_SHARE = 0.02  # of the image's median of q; where less is left of q, it is the sky


class ShiftFit(NamedTuple):
    """What the people of one image say of the shift.

    Attributes:
        shift: c, in units of 1 / ``prior_z``, such that 1 / (1 / prior_z + c) is depth up to a
            factor.
        share: How much of that is theirs, the rest being what is known beforehand, 0..1: next to
            nothing where all stand at one distance.
    """

    shift: float
    share: float


def fit_disparity_shift(anchors: Anchors) -> ShiftFit | None:
    """Fit the shift of inverse depth.

    Args:
        anchors: Where inverse depth up to factor and shift, as ``prior_z`` = 1 / q, and true depth
            are known.

    Returns:
        None for too few anchors, one depth alone, or people who contradict each other.
    """
    if len(anchors) < MIN_ANCHORS:
        return None
    q = 1.0 / anchors.prior_z.astype(np.float64)
    low, middle, high = np.percentile(q, (5, 50, 95))
    if high - low < MIN_SPREAD * middle:
        return None
    unit = float(np.median(anchors.mesh_z))
    rows = np.stack([anchors.mesh_z * q / (unit * middle), anchors.mesh_z / unit], axis=1)
    evidence, known = anchors.share / anchors.sigma**2, OFFSET_SIGMA**-2
    factor, offset = solve_robustly(rows, evidence, np.diag([0.0, known]))
    disagreement = np.median(np.abs(rows @ (factor, offset) - 1.0))
    if factor <= 0 or disagreement > MAX_DISAGREEMENT:
        return None
    (a, b), (_, c) = rows.T @ (evidence[:, None] * rows)
    told = c - b * b / a  # inverse variance of the offset where the factor is not known
    return ShiftFit(float(offset / factor * middle), float(told / (told + known)))


class DisparityShift:
    """Keeps the shift of one source's images, which moves no depth fast. Not thread-safe."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, as before the first image."""
        self._belief: float | None = None  # the average of what people have told
        self._shown: float | None = None  # what is used: follows at a bounded rate
        self._stamp: int | None = None

    def straighten(self, prior: DepthImage, anchors: Anchors, stamp: int) -> DepthImage:
        """Return a prior that is depth up to a factor, as far as people of all images have told.

        Args:
            prior: Its depth is the inverse of what the network predicts.
            anchors: Of this prior; maybe none.
            stamp: Of the prior, integer nanoseconds.
        """
        step = 0.0 if self._stamp is None else max(stamp - self._stamp, 0) / NS_PER_S
        self._stamp = stamp
        self._believe(fit_disparity_shift(anchors), step)
        target = self._belief or 0.0
        known = prior.depth_z[::LOOK, ::LOOK]
        known = known[known > 0]
        if self._shown is not None and len(known):
            least = 1.0 / float(np.percentile(known, 95))  # what a shift moves most
            room = MAX_RATE * step * max(least + self._shown, MIN_SHARE * least)
            self._shown += float(np.clip(target - self._shown, -room, room))
        elif len(anchors):  # the first depth that is shown at all
            self._shown = target
        return _straightened(prior, self._shown or 0.0)

    def _believe(self, found: ShiftFit | None, step: float) -> None:
        if found is None:
            return
        old = found.shift if self._belief is None else self._belief
        self._belief = old + (1 - math.exp(-step / TIME)) * found.share * (found.shift - old)


def at_prior(anchors: Anchors, prior: DepthImage) -> Anchors:
    """Return the same pixels with what another prior says of them, where it says anything."""
    moved = replace(anchors, prior_z=prior.depth_z[anchors.row, anchors.column])
    return moved.select(np.isfinite(moved.prior_z))


def _straightened(prior: DepthImage, shift: float) -> DepthImage:
    if not shift:
        return prior
    with np.errstate(invalid='ignore', divide='ignore'):
        q = 1.0 / prior.depth_z
        left = q + np.float32(shift)
        least = MIN_SHARE / typical_depth(prior.depth_z)
        depth_z = np.where(left > least, 1.0 / left, np.float32(np.nan))
    return replace(prior, depth_z=depth_z.astype(np.float32))
