"""What corrects a depth prior, and the simplest that does: one affine fit for the whole image.

``depth_z = scale · prior_z + shift``, fitted robustly to pixels where the prior and a person's
mesh show the same thing (``anchors.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Protocol

import numpy as np

from metrichmsr_ros.perception.affine_field import AffineField
from metrichmsr_ros.perception.anchors import Anchors
from metrichmsr_ros.perception.scale_posterior import mean_correction
from metrichmsr_ros.structures import DepthImage, Frame, People

MIN_ANCHORS = 10
MIN_SPREAD = 0.1  # of the median: with less the shift cannot be told from the scale
SCALE_RANGE = (1 / 3, 3.0)  # of a metric prior; what asks for more is an error, not a scale
# One sigma of what is left of an anchor's error: the person's own, and the prior's bends.
RESIDUAL_SIGMA = 0.09
HUBER, TUKEY = 1.5, 4.7  # sigmas
MAX_DISAGREEMENT = 0.35  # median relative error after the fit
MAX_BEHIND = 0.05  # of the anchors, behind the camera after the fit
ITERATIONS = 10
LEAST_SHIFT_SIGMA = 1e-3  # over the people's median distance
LOOK = 8  # every which pixel is enough for a median


@dataclass(frozen=True)
class Expected:
    """What is known of a prior's scale and shift beforehand, one sigma of each; inf = nothing.

    Attributes:
        scale_sigma: A fraction.
        shift_sigma: In the prior's unit.
    """

    scale_sigma: float = math.inf
    shift_sigma: float = math.inf

    @classmethod
    def of(cls, prior: DepthImage) -> Expected:
        """Return what the prior's source says of itself."""
        if not (prior.metric or prior.inverse):
            return cls()
        scale_sigma = prior.scale_sigma if prior.metric else math.inf
        return cls.of_scene(prior.depth_z, scale_sigma, prior.shift_sigma)

    @classmethod
    def of_scene(cls, prior_z: np.ndarray, scale_sigma: float, shift_sigma: float) -> Expected:
        """Return it for ``prior_z``, (H, W), given the shift's sigma over the scene's median."""
        return cls(scale_sigma, shift_sigma * typical_depth(prior_z))


def typical_depth(depth_z: np.ndarray) -> float:
    """Return the median of a depth image, (H, W), where it is known; 1 where it is not at all."""
    known = depth_z[::LOOK, ::LOOK]
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else 1.0


class FieldEstimator(Protocol):
    """Says how a prior must be corrected to agree with its anchors. Keeps nothing in mind."""

    def estimate(
        self, frame: Frame, prior: DepthImage, anchors: Anchors, people: People
    ) -> AffineField | None:
        """Return the correction of ``prior``, None where the anchors say nothing sound.

        Args:
            frame: The frame that the prior shows, with its image and camera.
            prior: Depth on that frame's camera; where unknown, NaN.
            anchors: Where the true depth is known too, maybe none; ``anchors.person`` indexes
                ``people``, except for what a sensor says.
            people: Who was seen in that frame, with ``pelvis_covariance``.
        """
        ...


class GlobalAffine:
    """One factor and one shift for the whole image."""

    def estimate(
        self, frame: Frame, prior: DepthImage, anchors: Anchors, people: People
    ) -> AffineField | None:
        """Return what :func:`fit_affine` fits."""
        fit = fit_affine(anchors, Expected.of(prior))
        return None if fit is None else AffineField.constant(*fit)


def fit_affine(anchors: Anchors, expected: Expected) -> tuple[float, float] | None:
    """Find one factor and one shift: ``mesh_z ≈ scale · prior_z + shift``.

    However many pixels a person has, they share one error of his distance: a person counts once. A
    metric prior is itself evidence that the scale is 1, so that one person moves it only in part.
    A shift is known relative to the whole scene: where that is far, near people may be far off.

    Args:
        anchors: Where both are known.
        expected: What is known beforehand; a prior whose scale is known counts as metric.

    Returns:
        Scale and shift (metres), or None for too few anchors, an implausible scale, or a prior
        that no scale and shift reconcile with the people.
    """
    if len(anchors) < MIN_ANCHORS:
        return None
    metric = math.isfinite(expected.scale_sigma)
    if metric and (anchors.person >= 0).all():
        scale, shift = mean_correction(
            anchors, scale_sigma=expected.scale_sigma, shift_sigma=expected.shift_sigma
        )
    else:  # a sensor knows better than who the people may be
        scale, shift = _least_squares(anchors, expected)
    moved = scale * anchors.prior_z + shift
    disagreement = np.median(np.abs(moved / anchors.mesh_z - 1.0))
    low, high = SCALE_RANGE if metric else (0.0, np.inf)
    sound = low < scale < high and disagreement < MAX_DISAGREEMENT
    sound &= np.mean(moved <= 0) < MAX_BEHIND
    return (scale, shift) if sound else None


def _least_squares(anchors: Anchors, expected: Expected) -> tuple[float, float]:
    """Return scale and shift (metres) of the least relative errors, robustly."""
    prior_z, mesh_z = anchors.prior_z, anchors.mesh_z
    unit = float(np.median(mesh_z))
    rows = np.stack([prior_z / mesh_z, unit / mesh_z], axis=1).astype(np.float64)
    low, middle, high = np.percentile(prior_z, (5, 50, 95))
    columns = 2 if high - low > MIN_SPREAD * middle else 1
    rows = rows[:, :columns]
    metric = math.isfinite(expected.scale_sigma)
    metres = 1.0 if metric else float(np.median(mesh_z / prior_z))
    shift_sigma = max(metres * expected.shift_sigma / unit, LEAST_SHIFT_SIGMA)
    known = np.diag([expected.scale_sigma**-2, shift_sigma**-2])[:columns, :columns]
    solution = solve_robustly(rows, anchors.share / anchors.sigma**2, known)
    return float(solution[0]), float(solution[1]) * unit if columns == 2 else 0.0


def solve_robustly(rows: np.ndarray, evidence: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return x with ``rows @ x ≈ 1`` and x ≈ (1, 0) as far as it is ``known``, by reweighting.

    Huber's loss finds the right neighbourhood from anywhere; Tukey's then leaves out what is off.

    Args:
        rows: (A, 1) or (A, 2), so scaled that an error of a row is a relative error of depth.
        evidence: What each row counts, (A,).
        known: Inverse covariance of what is known of x beforehand, (1, 1) or (2, 2).
    """
    solution = np.array([1.0, 0.0])[: rows.shape[1]]
    expected = known @ solution
    trust = np.ones(len(rows))
    for k in range(2 * ITERATIONS):
        weighted = rows * (evidence * trust)[:, None]
        solution = np.linalg.solve(weighted.T @ rows + known, weighted.sum(axis=0) + expected)
        error = np.abs(rows @ solution - 1.0) / RESIDUAL_SIGMA
        if k < ITERATIONS:
            trust = np.minimum(1.0, HUBER / np.maximum(error, HUBER))
        else:
            trust = np.maximum(1.0 - (error / TUKEY) ** 2, 1e-6) ** 2
    return solution
