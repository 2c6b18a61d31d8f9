"""What can be done without learning: corrections of a depth prior by the people in view.

Baselines of the depth refiner, beside ``GlobalAffine``. Each takes the same anchors and returns
the correction, or None where the anchors say nothing sound.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import block_diag, coo_array, csc_array, eye_array
from scipy.sparse.linalg import spsolve

from metrichmsr_ros.perception.affine_field import AffineField
from metrichmsr_ros.perception.anchors import Anchors
from metrichmsr_ros.perception.depth_refinement import Expected, fit_affine, MIN_ANCHORS

CELL_PX = 20
# Beforehand, s and b (over the typical depth) about the global fit are taken for a random field of
# this sigma that loses its memory over this share of the image's longer side. The bends of a prior
# are smooth in the image, whatever stands before what.
FIELD_SIGMA, FIELD_LENGTH = 0.10, 0.5
OUTLIER = 0.25  # relative error after the global fit beyond which an anchor is not of the surface


def median_scale(anchors: Anchors) -> AffineField | None:
    """Return one factor: the median over the anchors of mesh over prior."""
    if len(anchors) < MIN_ANCHORS:
        return None
    return AffineField.constant(float(np.median(anchors.mesh_z / anchors.prior_z)))


def smooth_affine(
    anchors: Anchors, shape: tuple[int, ...], expected: Expected
) -> AffineField | None:
    """Return a smooth field about the global fit, by sparse weighted least squares.

    Args:
        anchors: Where prior and people are both known.
        shape: Height and width of the prior.
        expected: What is known of the prior beforehand.
    """
    fit = fit_affine(anchors, expected)
    if fit is None:
        return None
    grid = tuple(max(2, round(side / CELL_PX)) for side in shape)
    unit = float(np.median(anchors.prior_z))
    rows, values = _observations(anchors, fit, unit=unit, shape=shape, grid=grid)
    stiff, cells = _stiffness(grid), grid[0] * grid[1]
    x = spsolve(csc_array(rows.T @ rows + block_diag([stiff, stiff])), rows.T @ values)
    scale = fit[0] * (1 + x[:cells])
    shift = fit[1] + fit[0] * unit * x[cells:]
    return AffineField(*(part.reshape(grid).astype(np.float32) for part in (scale, shift)))


def _observations(
    anchors: Anchors,
    fit: tuple[float, float],
    *,
    unit: float,
    shape: tuple[int, ...],
    grid: tuple[int, ...],
) -> tuple[csc_array, np.ndarray]:
    """Return weighted equations in (δs, δb) of all cells, one per anchor.

    With δs = s / s₀ - 1 and δb = (b - b₀) / (s₀ · unit), the relative error of an anchor is
    (s₀ z + b₀) / m - 1 + s₀ z / m · δs + s₀ unit / m · δb.
    """
    scale, shift = fit
    missed = 1 - (scale * anchors.prior_z + shift) / anchors.mesh_z
    kept = np.abs(missed) < OUTLIER
    anchors, missed = anchors.select(kept), missed[kept]
    prior_z, mesh_z = anchors.prior_z, anchors.mesh_z
    row = anchors.row * grid[0] // shape[0]
    cell = row * grid[1] + anchors.column * grid[1] // shape[1]
    weight = np.sqrt(anchors.share) / anchors.sigma
    entries = np.arange(len(cell))
    rows = coo_array(
        (
            np.concatenate([weight * scale * prior_z / mesh_z, weight * scale * unit / mesh_z]),
            (np.tile(entries, 2), np.concatenate([cell, cell + grid[0] * grid[1]])),
        ),
        shape=(len(cell), 2 * grid[0] * grid[1]),
    )
    return csc_array(rows), weight * missed


def _stiffness(grid: tuple[int, ...]) -> csc_array:
    """Return the inverse covariance of the field, (cells, cells): τ · (Laplacian + 1 / length²).

    Its variance is log(1 + 8 length²) / (4 π τ), far from the borders.
    """
    number = np.arange(grid[0] * grid[1]).reshape(grid)
    across = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()])
    down = np.stack([number[:-1].ravel(), number[1:].ravel()])
    first, second = np.concatenate([across, down], axis=1)
    edges, ones = np.arange(len(first)), np.ones(len(first))
    entries = np.concatenate([ones, -ones])
    places = np.tile(edges, 2), np.concatenate([first, second])
    steps = csc_array(coo_array((entries, places), shape=(len(edges), number.size)))
    length = FIELD_LENGTH * max(grid)
    weight = np.log(1 + 8 * length**2) / (4 * np.pi * FIELD_SIGMA**2)
    return weight * (steps.T @ steps + eye_array(number.size) / length**2)
