"""The correction of a depth prior over time: smooth, bounded, remembered, and given up.

A correction s, b is averaged as it is, both with one gain: what is averaged then is the corrected
depth s · z + b itself. All time steps are differences of stamps. docs/temporal.md has the reasons.

Letters: h, w cells of the field; a field is an array (2, h, w) of s and b (metres) here.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import cv2
import numpy as np

from metrichmsr_ros.perception.affine_field import AffineField
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import DepthImage, DepthState

GLOBAL_TIME, LOCAL_TIME = 1.0, 0.5  # s in which 63 % of a new correction are taken over
LOCAL_FADE = 2.0  # s in which 63 % of what differs from place to place are forgotten
MAX_RATE = 0.2  # per second, of the logarithm of corrected depth
MIN_DEPTH = 0.1  # m; what a correction puts nearer counts as this in rates
LOOK = 64  # columns, about, that are looked at of a prior
MIN_PIXELS = 50
IDENTITY = np.array([1.0, 0.0])[:, None, None]


@dataclass(frozen=True)
class Correction:
    """How a prior is to be corrected now.

    Attributes:
        field: None where nothing is known of a relative prior.
        state: ANCHORED, REMEMBERED or UNANCHORED.
        anchor_age: Time since the last anchors, seconds, NaN where there never were any.
    """

    field: AffineField | None
    state: DepthState
    anchor_age: float


@dataclass(frozen=True)
class _Fit:
    """A prior and what its own anchors asked for.

    Attributes:
        stamp: Of the prior, nanoseconds.
        look: Some of its pixels, always the same, (n, m).
        mean: Mean scale and shift.
    """

    stamp: int
    look: np.ndarray
    mean: tuple[float, float]


class FieldMemory:
    """Keeps the correction of one source's priors. Not thread-safe.

    Args:
        hold: Time for which a correction is held after its last anchors, seconds.

    Raises:
        ValueError: If ``hold`` is negative or not finite.
    """

    def __init__(self, hold: float = 10.0) -> None:
        if not (math.isfinite(hold) and hold >= 0):
            raise ValueError(f'hold is {hold}: it must be at least 0 s')
        self._hold = hold
        self.reset()

    def reset(self) -> None:
        """Forget everything, as before the first prior."""
        self._belief: np.ndarray | None = None  # the averaged correction
        self._shown: np.ndarray | None = None  # what was returned last: follows at a bounded rate
        self._stamp: int | None = None
        self._anchored: int | None = None
        self._fit: _Fit | None = None
        self._source = ''

    def update(
        self, stamp: int, prior: DepthImage, field: AffineField | None, *, prior_stamp: int
    ) -> Correction:
        """Return the correction of ``prior`` at ``stamp``.

        Args:
            stamp: Time of the frame that is published, integer nanoseconds. Where it does not go
                on, or the source is another, everything starts anew.
            prior: The prior; may be the one of the call before.
            field: What the prior's own anchors ask for, None where they say nothing sound.
            prior_stamp: Time that the prior shows, integer nanoseconds.
        """
        if prior.source != self._source or (self._stamp is not None and stamp <= self._stamp):
            self.reset()
        step = 0.0 if self._stamp is None else (stamp - self._stamp) / NS_PER_S
        self._stamp, self._source = stamp, prior.source
        look = _look(prior.depth_z)
        if field is not None:
            self._follow_prior(_Fit(prior_stamp, look, field.mean))
            self._anchored = prior_stamp
        elif self._fit is not None and self._fit.stamp != prior_stamp:
            self._fit = None  # only neighbours are compared
        age = math.nan if self._anchored is None else (stamp - self._anchored) / NS_PER_S
        state = self._believe(field, step, age)
        target = IDENTITY if self._belief is None and prior.metric else self._belief
        if self._shown is None or target is None:
            self._shown = target
        else:
            self._shown = _approach(self._shown, target, look, MAX_RATE * step)
        shown = None if self._shown is None else AffineField(*self._shown.astype(np.float32))
        return Correction(shown, state, age)

    def _believe(self, field: AffineField | None, step: float, age: float) -> DepthState:
        """Take over what a new field says, or forget."""
        if field is not None:
            asked = np.stack([field.scale, field.shift]).astype(np.float64)
            old = asked if self._belief is None else _on_grid(self._belief, asked)
            overall, local = _parts(asked - old)
            overall, local = _gain(step, GLOBAL_TIME) * overall, _gain(step, LOCAL_TIME) * local
            self._belief = old + overall + local
            return DepthState.ANCHORED
        if self._belief is not None and age <= self._hold:
            self._belief = self._belief - _gain(step, LOCAL_FADE) * _parts(self._belief)[1]
            return DepthState.REMEMBERED
        self._belief = None
        return DepthState.UNANCHORED

    def _follow_prior(self, fit: _Fit) -> None:
        """Take out at once what the prior's own scale jumped by since its last anchored image.

        Two witnesses must agree: the prior's pixels moved, and the people's fit takes that back.
        Of both the smaller counts. When somebody enters, only the fit moves; when the camera
        moves, only the pixels do; in neither case is anything followed here.
        """
        before, self._fit = self._fit, fit
        if before is None or self._belief is None or before.look.shape != fit.look.shape:
            return
        (old_s, old_b), (new_s, new_b) = before.mean, fit.mean
        moved = _median_log(old_s * fit.look + old_b, old_s * before.look + old_b)
        denied = _median_log(old_s * fit.look + old_b, new_s * fit.look + new_b)
        if moved * denied > 0:
            jump = math.copysign(min(abs(moved), abs(denied)), moved)
            self._belief = self._belief * math.exp(-jump)
            self._shown = None if self._shown is None else self._shown * math.exp(-jump)


def _look(depth_z: np.ndarray) -> np.ndarray:
    step = max(1, depth_z.shape[1] // LOOK)
    return depth_z[step // 2 :: step, step // 2 :: step].astype(np.float64)


def _gain(step: float, time: float) -> float:
    return 1.0 - math.exp(-step / time)


def _parts(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean, (2, 1, 1), and what is left, (2, h, w)."""
    mean = field.mean(axis=(1, 2), keepdims=True)
    return mean, field - mean


def _on_grid(field: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return ``field`` on the cells of ``like``."""
    size = like.shape[:0:-1]
    return field if field.shape == like.shape else np.stack([cv2.resize(x, size) for x in field])


def _median_log(numerator: np.ndarray, denominator: np.ndarray) -> float:
    """Return the median of log(numerator / denominator) where both are depths; 0 for too few."""
    known = (numerator > 0) & (denominator > 0)
    if np.count_nonzero(known) < MIN_PIXELS:
        return 0.0
    return float(np.median(np.log(numerator[known] / denominator[known])))


def _approach(shown: np.ndarray, target: np.ndarray, look: np.ndarray, most: float) -> np.ndarray:
    """Return what lies on the way from ``shown`` to ``target``, as far as is allowed per cell.

    Args:
        shown: (2, h, w).
        target: (2, h, w), on any grid.
        look: Pixels of the prior, NaN where unknown.
        most: The greatest change of the logarithm of any corrected depth of ``look``. The change
            of a depth lies between those of the least and the greatest: two are looked at.
    """
    known = look[look > 0]
    if not len(known):
        return shown
    shown = _on_grid(shown, target) if target.size > 2 else shown
    depths = np.array([known.min(), known.max()])[:, None, None]
    old, new = (np.maximum(s * depths + b, MIN_DEPTH) for s, b in (shown, target))
    change = new / old - 1  # along the way it grows evenly
    allowed = np.where(change > 0, math.expm1(most), -math.expm1(-most))
    share = np.minimum(1.0, allowed / np.maximum(np.abs(change), 1e-9)).min(axis=0)
    return shown + share * (target - shown)
