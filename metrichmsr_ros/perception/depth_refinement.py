"""Bring a depth image into the people's metric scale: one affine correction for the whole image.

``depth_z = scale · prior_z + shift``, fitted robustly to pixels where the prior and a person's
mesh show the same thing: the visible mesh surface for a source that sees people, the floor under
their feet for one that does not. A sensor's measurement passes unchanged.
"""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.perception.affine_field import corrected
from metrichmsr_ros.perception.anchors import (
    Anchors,
    contact_anchors,
    distance_sigmas,
    PERSON_SIGMA,
    surface_anchors,
)
from metrichmsr_ros.structures import DepthImage, DepthMap, People

MIN_ANCHORS = 10
MIN_SPREAD = 0.1  # of the median: with less the shift cannot be told from the scale
SCALE_RANGE = (0.5, 2.0)  # of a metric prior; what asks for more is an error, not a scale
# One sigma of what is known beforehand of a metric prior's shift, as a fraction of the median
# distance.
SHIFT_SIGMA = 0.05
HUBER, TUKEY = 1.5, 4.7  # sigmas
MAX_DISAGREEMENT = 0.2  # median relative error after the fit
ITERATIONS = 10


def unrefined(prior: DepthImage) -> DepthMap:
    """Return the prior as it is: what a sensor has measured is not for people to correct."""
    return DepthMap(prior.depth_z, prior.depth_z, prior.source)


def refine_depth(prior: DepthImage, people: People, mesh: MeshDepth) -> DepthMap:
    """Return the scene's depth in the people's scale.

    Args:
        prior: Depth on the frame's camera, not measured by a sensor.
        people: The people in the frame, as they were cast.
        mesh: Depth of their visible surfaces, (H, W); ``mesh.person`` indexes ``people``.

    Returns:
        The refined map. It is the prior itself (``num_anchors`` 0) with nobody in view and where
        the anchors say nothing sound (a relative prior is then all NaN). Where the prior does not
        see people, they are put in front of it.
    """
    prior_z = prior.depth_z
    if prior.sees_people:
        anchors = surface_anchors(prior_z, mesh, distance_sigmas(people))
    else:
        anchors = contact_anchors(prior, people, mesh)
    fit = fit_affine(anchors, metric=prior.metric, scale_sigma=prior.scale_sigma)
    if fit is not None:
        scale, shift = fit
        depth_z = corrected(prior_z, np.float32(scale), np.float32(shift))
    else:
        scale, shift = 1.0, 0.0
        depth_z = prior_z if prior.metric else np.full_like(prior_z, np.nan)
    if not prior.sees_people:
        depth_z = np.where(mesh.person >= 0, mesh.depth_z, depth_z)
    num_anchors = 0 if fit is None else len(anchors)
    return DepthMap(depth_z, prior_z, prior.source, scale, shift, num_anchors)


def fit_affine(
    anchors: Anchors, *, metric: bool, scale_sigma: float = DepthImage.scale_sigma
) -> tuple[float, float] | None:
    """Fit ``mesh_z ≈ scale · prior_z + shift`` robustly to relative errors.

    However many pixels a person has, they share one error of his distance: a person counts once. A
    metric prior is itself evidence that the scale is 1, so that one person moves it only in part.

    Args:
        anchors: Where both are known.
        metric: Whether the prior is in metres.
        scale_sigma: One sigma of a metric prior's scale, as a fraction.

    Returns:
        Scale and shift (metres), or None for too few anchors, an implausible scale, or a prior
        that no scale and shift reconcile with the people.
    """
    if len(anchors) < MIN_ANCHORS:
        return None
    prior_z, mesh_z = anchors.prior_z, anchors.mesh_z
    unit = float(np.median(mesh_z))
    rows = np.stack([prior_z / mesh_z, unit / mesh_z], axis=1).astype(np.float64)
    low, middle, high = np.percentile(prior_z, (5, 50, 95))
    columns = 2 if high - low > MIN_SPREAD * middle else 1
    rows = rows[:, :columns]
    known = np.diag([scale_sigma**-2, SHIFT_SIGMA**-2])[:columns, :columns] * float(metric)
    solution = _solve_robustly(rows, anchors.share / anchors.sigma**2, known)
    disagreement = np.median(np.abs(rows @ solution - 1.0))
    scale, shift = float(solution[0]), float(solution[1]) * unit if columns == 2 else 0.0
    low, high = SCALE_RANGE if metric else (0.0, np.inf)
    sound = low < scale < high and disagreement < MAX_DISAGREEMENT
    return (scale, shift) if sound else None


def _solve_robustly(rows: np.ndarray, evidence: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return x with ``rows @ x ≈ 1`` and x ≈ (1, 0) as far as it is ``known``, by reweighting.

    Huber's loss finds the right neighbourhood from anywhere; Tukey's then leaves out what is off.
    """
    solution = np.array([1.0, 0.0])[: rows.shape[1]]
    expected = known @ solution
    trust = np.ones(len(rows))
    for k in range(2 * ITERATIONS):
        weighted = rows * (evidence * trust)[:, None]
        solution = np.linalg.solve(weighted.T @ rows + known, weighted.sum(axis=0) + expected)
        error = np.abs(rows @ solution - 1.0) / PERSON_SIGMA
        if k < ITERATIONS:
            trust = np.minimum(1.0, HUBER / np.maximum(error, HUBER))
        else:
            trust = np.maximum(1.0 - (error / TUKEY) ** 2, 1e-6) ** 2
    return solution
