"""Depth by people without learning: each baseline undoes what it can describe, and no more."""

import numpy as np
import pytest

from metrichmsr_ros.data.depth.corruption import PriorErrors, spoil_depth
from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.perception.affine_field import AffineField
from metrichmsr_ros.perception.anchors import LEAST_SIGMA, surface_anchors
from metrichmsr_ros.perception.depth_baselines import median_scale, smooth_affine
from metrichmsr_ros.perception.depth_refinement import Expected, fit_affine

HEIGHT, WIDTH = 240, 320
METRIC = Expected(scale_sigma=0.1, shift_sigma=0.15)
SIGMAS = np.full(3, 0.06)  # of three people's distances


@pytest.fixture
def room():
    """A floor and a wall, with three people before them: depth, and their own."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    depth_z = np.minimum(1.4 * 200 / np.maximum(rows - 100, 1), 7.0).astype(np.float32)
    mesh_z = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    person = np.full((HEIGHT, WIDTH), -1, np.int16)
    for i, (left, top, z) in enumerate(((30, 40, 2.2), (150, 70, 3.5), (260, 60, 2.8))):
        body = (columns >= left) & (columns < left + 36) & (rows >= top) & (rows < top + 120)
        mesh_z[body], person[body] = z + 0.001 * (rows[body] - top), i
    depth_z = np.where(person >= 0, mesh_z, depth_z)
    return depth_z, MeshDepth(mesh_z, person)


def abs_rel(depth_z, truth):
    return float(np.nanmean(np.abs(depth_z / truth - 1)))


def test_one_factor_is_undone_by_the_median(room):
    depth_z, mesh = room
    field = median_scale(surface_anchors(depth_z / 1.3, mesh, SIGMAS))
    np.testing.assert_allclose(field.apply(depth_z / 1.3), depth_z, rtol=1e-4)


def test_factor_and_shift_are_undone_by_the_global_fit(room):
    depth_z, mesh = room
    prior = (depth_z - 0.6) / 1.4
    anchors = surface_anchors(prior, mesh, SIGMAS)
    field = AffineField.constant(*fit_affine(anchors, Expected()))
    np.testing.assert_allclose(field.apply(prior), depth_z, rtol=1e-3)
    assert abs_rel(median_scale(anchors).apply(prior), depth_z) > 0.05


def test_a_slope_is_undone_by_the_smooth_field(room):
    depth_z, mesh = room
    prior = depth_z * np.linspace(0.8, 1.2, WIDTH, dtype=np.float32)
    anchors = surface_anchors(prior, mesh, SIGMAS)
    best = AffineField.constant(*fit_affine(anchors, METRIC))
    errors = {
        'prior': abs_rel(prior, depth_z),
        'global': abs_rel(best.apply(prior), depth_z),
        'smooth': abs_rel(smooth_affine(anchors, prior.shape, METRIC).apply(prior), depth_z),
    }
    assert errors['smooth'] < 0.6 * errors['global'] <= 0.6 * errors['prior'] + 0.01


def test_a_true_prior_stays(room):
    depth_z, mesh = room
    field = smooth_affine(surface_anchors(depth_z, mesh, SIGMAS), depth_z.shape, METRIC)
    # One of the people may be a child, and the mean over factors and shifts is not their middle.
    np.testing.assert_allclose(field.apply(depth_z), depth_z, rtol=1.5e-3)


def test_a_true_prior_stays_as_it_is_beside_people_whose_size_is_known(room):
    depth_z, mesh = room
    anchors = surface_anchors(depth_z, mesh, np.full(3, LEAST_SIGMA))
    field = smooth_affine(anchors, depth_z.shape, Expected(scale_sigma=0.1, shift_sigma=0.03))
    np.testing.assert_allclose(field.apply(depth_z), depth_z, rtol=1e-3)


def test_a_person_who_is_elsewhere_does_not_bend_the_field(room):
    depth_z, mesh = room
    wrong = MeshDepth(np.where(mesh.person == 1, 1.5 * mesh.depth_z, mesh.depth_z), mesh.person)
    field = smooth_affine(surface_anchors(depth_z, wrong, SIGMAS), depth_z.shape, METRIC)
    assert abs_rel(field.apply(depth_z), depth_z) < 0.08


def test_without_anchors_nothing_is_said(room):
    depth_z, mesh = room
    nobody = MeshDepth(np.full_like(mesh.depth_z, np.nan), np.full_like(mesh.person, -1))
    anchors = surface_anchors(depth_z, nobody, SIGMAS)
    assert median_scale(anchors) is None
    assert fit_affine(anchors, METRIC) is None
    assert smooth_affine(anchors, depth_z.shape, METRIC) is None


def test_what_is_unknown_or_falls_behind_the_camera_is_unknown():
    depth_z = np.array([[1.0, np.nan], [3.0, 0.2]], np.float32)
    corrected = AffineField.constant(1.0, -0.5).apply(depth_z)
    np.testing.assert_allclose(corrected, [[0.5, np.nan], [2.5, np.nan]])


def test_errors_have_the_sizes_that_are_asked_for(room):
    depth_z, _ = room
    only = {item: 0.0 for item in ('shift', 'warp', 'tilt', 'flattening', 'blur_px', 'glass')}
    logs = [
        np.log(spoil_depth(depth_z, np.random.default_rng(i), PriorErrors(**only)) / depth_z)
        for i in range(300)
    ]
    assert max(float(np.ptp(log)) for log in logs) < 1e-5
    assert np.std([log.mean() for log in logs]) == pytest.approx(0.2, rel=0.1)
    whole = [spoil_depth(depth_z, np.random.default_rng(i)) for i in range(50)]
    assert 0.12 < np.mean([abs_rel(prior, depth_z) for prior in whole]) < 0.25


def test_the_same_generator_spoils_alike_and_unknown_stays(room):
    depth_z, _ = room
    depth_z = depth_z.copy()
    depth_z[:20], depth_z[20:30] = np.nan, 0.0
    first, second = (spoil_depth(depth_z, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.isnan(first[:30]).all()
    assert np.isfinite(first[30:]).mean() > 0.99


def test_blur_takes_nothing_from_unknown_pixels():
    depth_z = np.full((60, 80), 2.0, np.float32)
    depth_z[:, 40:] = np.nan
    only = {item: 0.0 for item in ('scale', 'shift', 'warp', 'tilt', 'flattening', 'glass')}
    prior = spoil_depth(depth_z, np.random.default_rng(0), PriorErrors(**only, blur_px=40.0))
    np.testing.assert_allclose(prior[:, :40], 2.0, rtol=1e-5)


@pytest.mark.parametrize(('field', 'value'), [('scale', -0.1), ('warp_cells', 1)])
def test_impossible_errors_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        PriorErrors(**{field: value})


def test_depth_of_which_nothing_is_known_is_refused():
    with pytest.raises(ValueError, match='nothing of the depth is known'):
        spoil_depth(np.full((4, 4), np.nan), np.random.default_rng(0))
