"""Bring a depth image into the people's metric scale: one affine correction for the whole image.

``depth_z = scale · prior_z + shift``, fitted robustly to pixels where the prior and a person's
mesh show the same thing: the visible mesh surface for a source that sees people, the floor under
their feet for one that does not. A sensor's measurement passes unchanged.
"""

from __future__ import annotations

import cv2
import numpy as np

from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.structures import DepthImage, DepthMap, People

MIN_ANCHORS = 10
MIN_SPREAD = 0.1  # of the median: with less the shift cannot be told from the scale
SCALE_RANGE = (0.5, 2.0)  # of a metric prior; what asks for more is an error, not a scale
# One sigma of what is known beforehand: of a person's distance from one camera, as a fraction, and
# of a metric prior's scale and shift (as a fraction of the median distance).
PERSON_SIGMA = 0.06
SCALE_SIGMA = 0.1
SHIFT_SIGMA = 0.05
HUBER, TUKEY = 1.5, 4.7  # sigmas
MAX_DISAGREEMENT = 0.2  # median relative error after the fit
ITERATIONS = 10
SOLE_THICKNESS = 0.03  # m above the lowest vertex that still count as touching the floor
EDGE_PX = 2  # mesh and person disagree most along the outline


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
        anchors = _surface_anchors(prior_z, mesh)
    else:
        anchors = _contact_anchors(prior, people, mesh)
    fit = fit_affine(*anchors, metric=prior.metric)
    if fit is not None:
        scale, shift = fit
        depth_z = np.float32(scale) * prior_z + np.float32(shift)
        depth_z = np.where(depth_z > 0, depth_z, np.float32(np.nan))
    else:
        scale, shift = 1.0, 0.0
        depth_z = prior_z if prior.metric else np.full_like(prior_z, np.nan)
    if not prior.sees_people:
        depth_z = np.where(mesh.person >= 0, mesh.depth_z, depth_z)
    num_anchors = 0 if fit is None else len(anchors[0])
    return DepthMap(depth_z, prior_z, prior.source, scale, shift, num_anchors)


def fit_affine(
    prior_z: np.ndarray, mesh_z: np.ndarray, person: np.ndarray, *, metric: bool
) -> tuple[float, float] | None:
    """Fit ``mesh_z ≈ scale · prior_z + shift`` robustly to relative errors.

    However many pixels a person has, they share one error of his distance: a person counts once. A
    metric prior is itself evidence that the scale is 1, so that one person moves it only in part.

    Args:
        prior_z: The source's depth at the anchors, (A,), metres if ``metric``.
        mesh_z: The people's depth there, (A,), metres.
        person: Who the anchor belongs to, (A,) integers.
        metric: Whether ``prior_z`` is in metres.

    Returns:
        Scale and shift (metres), or None for too few anchors, an implausible scale, or a prior
        that no scale and shift reconcile with the people.
    """
    if len(prior_z) < MIN_ANCHORS:
        return None
    _, index, counts = np.unique(person, return_inverse=True, return_counts=True)
    evidence = 1.0 / counts[index]
    unit = float(np.median(mesh_z))
    rows = np.stack([prior_z / mesh_z, unit / mesh_z], axis=1).astype(np.float64)
    low, middle, high = np.percentile(prior_z, (5, 50, 95))
    columns = 2 if high - low > MIN_SPREAD * middle else 1
    rows = rows[:, :columns]
    known = np.diag([SCALE_SIGMA**-2, SHIFT_SIGMA**-2])[:columns, :columns] * float(metric)
    solution = _solve_robustly(rows, evidence / PERSON_SIGMA**2, known)
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


def _surface_anchors(prior_z: np.ndarray, mesh: MeshDepth) -> tuple[np.ndarray, ...]:
    """Return prior depth, mesh depth and person, (A,) each, well inside the people's outlines."""
    kernel = np.ones((2 * EDGE_PX + 1, 2 * EDGE_PX + 1), np.uint8)
    person = mesh.person
    inside = (cv2.erode(person, kernel) == person) & (cv2.dilate(person, kernel) == person)
    usable = inside & (person >= 0) & np.isfinite(prior_z) & (prior_z > 0)
    return prior_z[usable], mesh.depth_z[usable], person[usable]


def _contact_anchors(prior: DepthImage, people: People, mesh: MeshDepth) -> tuple[np.ndarray, ...]:
    """Return the floor's depth, the soles' depth and the person, (A,) each, where people stand.

    Only soles inside the image and not behind somebody else count.
    """
    found = [(np.empty(0), np.empty(0), np.empty(0, int))]
    down = _floor_normal(prior)
    for i, vertices in enumerate(people.vertices.astype(np.float64)):
        depth_below = vertices @ down
        soles = vertices[depth_below > depth_below.max() - SOLE_THICKNESS]
        pixels = prior.camera.project(soles)
        in_view = np.isfinite(pixels).all(axis=1)
        soles, (u, v) = soles[in_view], np.rint(pixels[in_view]).astype(int).T
        inside = (u >= 0) & (u < prior.camera.width) & (v >= 0) & (v < prior.camera.height)
        soles, u, v = soles[inside], u[inside], v[inside]
        free = np.isin(mesh.person[v, u], (-1, i)) & np.isfinite(prior.depth_z[v, u])
        prior_z = prior.depth_z[v, u][free]
        found.append((prior_z, soles[free, 2], np.full(len(prior_z), i)))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _floor_normal(prior: DepthImage) -> np.ndarray:
    """Return the unit vector, (3,), that points straight down on the flat floor ``prior``."""
    step = max(1, prior.depth_z.shape[0] // 32)
    points = prior.camera.pixel_rays()[::step, ::step] * prior.depth_z[::step, ::step, None]
    points = points[np.isfinite(points).all(axis=-1)].astype(np.float64)
    normal = np.linalg.lstsq(points, np.ones(len(points)), rcond=None)[0]
    return normal / max(np.linalg.norm(normal), 1e-9)
