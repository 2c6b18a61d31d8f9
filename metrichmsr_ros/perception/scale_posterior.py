"""What people say of a metric prior's scale and shift, given who they may be.

An estimator takes a child for an adult who is farther away, and never the reverse. So each person
is one of two: as the estimator says, or a child. The answer is the mean over these possibilities,
each as likely as the prior and the other people make it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metrichmsr_ros.perception.anchors import Anchors, LEAST_SIGMA, PERSON_SIGMA

# Of the people who are taken for adults, and the log of their true over their estimated distance.
# From projected people: of those shorter than 1.5 m that was -0.22 ± 0.12 (docs/experiments.md).
CHILDREN, CHILD_RATIO, CHILD_SIGMA = 0.08, -0.25, 0.12
BEND_SIGMA = 0.04  # of the prior's own bends, where a person stands
MISREAD = 1e-3  # density of a person who is anywhere
_LEAST_Z = 0.05  # metres: what lies nearer, or behind the camera, is as unlikely
_LEAST_SCALE = 1e-3
_MOST_SHIFT = 4.0  # people's distances: a larger sigma of the shift says no less
_CELLS = (33, 17)  # of the ratio at the people's depth, and of the shift
_REACH = (4.0, 3.0)  # sigmas of what is known beforehand, to either side
_MARGIN = 1.0  # beyond the largest of the people's log ratios
_LEVELS = 3  # grids, each about what the one before found


class _Witnesses(NamedTuple):
    """P people: the prior's and their own depth, one sigma of its log, chance of a child; (P,)."""

    prior_z: np.ndarray
    mesh_z: np.ndarray
    sigma: np.ndarray
    child: np.ndarray


def mean_correction(
    anchors: Anchors, *, scale_sigma: float, shift_sigma: float
) -> tuple[float, float]:
    """Return the scale and the shift (metres) to be expected of a metric prior.

    They are the means of the scale's logarithm and of the shift. Who agrees with the prior brings
    it nearer nevertheless, alone by 1 to 2 %, as he may be a child.

    Args:
        anchors: Of people, at least one.
        scale_sigma: One sigma of the scale's logarithm beforehand, above 0 and finite.
        shift_sigma: Of the shift, metres; inf = nothing is known of it.
    """
    people = _witnesses(anchors)
    typical = float(np.median(people.prior_z))
    slope = min(shift_sigma / typical, _MOST_SHIFT)
    largest = np.abs(np.log(people.mesh_z / people.prior_z)).max()
    reach = np.array([_REACH[0] * np.hypot(scale_sigma, slope), _REACH[1]])
    reach[0] = min(reach[0], largest + _MARGIN)
    middle = np.zeros(2)
    along, across = (np.linspace(-1, 1, cells) for cells in _CELLS)
    for _ in range(_LEVELS):
        ratio = (middle[0] + reach[0] * along)[:, None]
        shift = (middle[1] + reach[1] * across)[None]
        scale = np.maximum(np.exp(ratio) - slope * shift, _LEAST_SCALE)
        log_scale = np.log(scale)
        # What is known is a density of log scale and shift; the grid is one of ratio and shift.
        before = -0.5 * (log_scale / scale_sigma) ** 2 - 0.5 * shift**2 + ratio - log_scale
        weight = before + _log_likelihood(people, scale, slope * typical * shift)
        weight = np.where(scale > _LEAST_SCALE, np.exp(weight - weight.max()), 0.0)
        weight /= weight.sum()
        middle = np.array([(weight * ratio).sum(), (weight * shift).sum()])
        off = (ratio - middle[0]) ** 2, (shift - middle[1]) ** 2
        spread = np.sqrt([(weight * square).sum() for square in off])
        cell = 2 * reach / (np.array(_CELLS) - 1)
        reach = np.minimum(reach, np.maximum(4 * spread, 1.5 * cell))
    return float(np.exp((weight * log_scale).sum())), float(slope * typical * middle[1])


def _witnesses(anchors: Anchors) -> _Witnesses:
    found = []
    for person in np.unique(anchors.person):
        own = anchors.select(anchors.person == person)
        mesh_z = float(np.median(own.mesh_z))
        found.append((mesh_z * np.median(own.prior_z / own.mesh_z), mesh_z, own.sigma[0]))
    prior_z, mesh_z, sigma = np.array(found, np.float64).T
    # An estimator alone is not as sure as LEAST_SIGMA: who is was measured, by a sensor or on a
    # floor, and is not taken for somebody else.
    child = np.interp(sigma, (LEAST_SIGMA, PERSON_SIGMA), (0.0, CHILDREN))
    return _Witnesses(prior_z, mesh_z, sigma, child)


def _log_likelihood(people: _Witnesses, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return the log density of all people, (R, B).

    Args:
        people: P people.
        scale: (R, B).
        shift: (1, B), metres.
    """
    depth_z = scale[..., None] * people.prior_z + shift[..., None]
    ratio = np.log(np.maximum(depth_z, _LEAST_Z) / people.mesh_z)
    sigma = np.hypot(people.sigma, BEND_SIGMA)
    adult = (1 - people.child) * _normal(ratio, sigma)
    child = people.child * _normal(ratio - CHILD_RATIO, np.hypot(sigma, CHILD_SIGMA))
    return np.log(adult + child + MISREAD).sum(axis=-1)


def _normal(error: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * (error / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
