from dataclasses import replace
import math

from made_floor import (
    CAMERA,
    CASTER,
    FRAME,
    HEIGHT,
    made_anchors,
    make_people,
    make_scene,
    stand,
    truth_with,
)
import numpy as np
import pytest

from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.perception.anchors import LEAST_SIGMA
from metrichmsr_ros.perception.depth_refinement import Expected, fit_affine
from metrichmsr_ros.perception.depth_sources import GroundPlane
from metrichmsr_ros.perception.scene_depth import SceneDepth
from metrichmsr_ros.structures import DepthImage, DepthState

METRIC = Expected(scale_sigma=0.1, shift_sigma=0.15)


def refine_depth(prior, people, mesh):
    """The first frame of a scene."""
    return SceneDepth(GroundPlane(HEIGHT), CASTER).of(FRAME, people, mesh, prior)


def abs_rel(depth_z, truth):
    both = np.isfinite(depth_z) & np.isfinite(truth)
    return np.mean(np.abs(depth_z[both] - truth[both]) / truth[both])


def relative(depth_z):
    return DepthImage(np.asarray(depth_z, np.float32), CAMERA, metric=False, source='fake')


def test_nobody_leaves_a_metric_prior_as_it_is():
    prior, people, mesh = make_scene([])
    out = refine_depth(prior, people, mesh)
    np.testing.assert_array_equal(out.depth_z, prior.depth_z)
    assert (out.scale, out.shift, out.num_anchors, out.source) == (1.0, 0.0, 0, 'ground')
    assert out.state == DepthState.UNANCHORED


def test_nobody_leaves_a_relative_prior_unknown():
    _, people, mesh = make_scene([])
    out = refine_depth(relative(np.ones((240, 320))), people, mesh)
    assert np.isnan(out.depth_z).all()
    assert out.num_anchors == 0


def test_a_sensor_is_never_changed():
    depth_z = np.random.default_rng(0).uniform(1, 5, (240, 320)).astype(np.float32)
    depth_z[10:20, 10:20] = np.nan
    _, people, mesh = make_scene([stand(0, 3.0)])
    sensor = DepthImage(depth_z, CAMERA, measured=True, source='topic')
    out = refine_depth(sensor, people, mesh)
    assert out.depth_z is depth_z
    assert (out.scale, out.shift, out.num_anchors) == (1.0, 0.0, 0)
    assert out.state == DepthState.MEASURED


def test_people_stand_in_front_of_a_right_floor():
    prior, people, mesh = make_scene([stand(-0.5, 3.0), stand(0.8, 4.5)])
    out = refine_depth(prior, people, mesh)
    assert out.scale == pytest.approx(1, abs=0.01)
    assert out.shift == pytest.approx(0, abs=0.03)
    assert out.num_anchors >= 20
    on = mesh.person >= 0
    np.testing.assert_array_equal(out.depth_z[on], mesh.depth_z[on])
    assert np.isnan(out.depth_z[~on & np.isnan(prior.depth_z)]).all()
    assert abs_rel(out.depth_z, truth_with(mesh)) < 0.02
    assert abs_rel(prior.depth_z, truth_with(mesh)) > 0.04


@pytest.mark.parametrize('factor', [0.8, 0.9, 1.1, 1.25])
def test_people_correct_a_wrong_camera_height(factor):
    feet = [stand(-0.8, 2.8), stand(0.6, 4.0), stand(-0.2, 5.5)]
    prior, people, mesh = make_scene(feet, prior_height=factor * HEIGHT)
    out = refine_depth(prior, people, mesh)
    assert abs(out.scale * factor - 1) < 0.4 * abs(factor - 1)
    truth = truth_with(mesh)
    assert abs_rel(out.depth_z, truth) < 0.5 * abs_rel(prior.depth_z, truth)


def test_one_wrong_person_moves_a_metric_prior_only_in_part():
    prior, people, mesh = make_scene([1.2 * stand(0, 3.0)])
    out = refine_depth(prior, people, mesh)
    assert 1.0 < out.scale < 1.17


def test_feet_outside_the_image_say_nothing():
    prior, people, mesh = make_scene([stand(0, 0.9)])
    assert (mesh.person >= 0).any()
    out = refine_depth(prior, people, mesh)
    assert out.num_anchors == 0
    assert (out.scale, out.shift) == (1.0, 0.0)
    assert np.isfinite(out.depth_z[mesh.person >= 0]).all()


def test_feet_hidden_by_another_person_say_nothing():
    _, people, mesh = make_scene([stand(0, 3.0), stand(0, 6.0)])
    prior, alone, alone_mesh = make_scene([stand(0, 3.0)])
    both = refine_depth(prior, people, mesh)
    assert both.num_anchors == refine_depth(prior, alone, alone_mesh).num_anchors


@pytest.mark.parametrize(('scale', 'shift'), [(2.5, 0.0), (0.2, 1.5), (5.0, -0.5)])
def test_a_relative_prior_that_sees_people_gets_their_scale(scale, shift):
    _, people, mesh = make_scene([stand(-0.8, 2.5), stand(0.5, 5.0)])
    truth = truth_with(mesh)
    out = refine_depth(relative((truth - shift) / scale), people, mesh)
    assert out.scale == pytest.approx(scale, rel=0.01)
    assert out.shift == pytest.approx(shift, abs=0.03)
    known = np.isfinite(truth)
    np.testing.assert_allclose(out.depth_z[known], truth[known], rtol=0.01)


def test_the_fit_is_robust_against_what_hides_people():
    rng = np.random.default_rng(0)
    mesh_z = np.concatenate([np.full(500, 3.0), np.full(500, 6.0)])
    prior_z = mesh_z / 2 * (1 + 0.01 * rng.standard_normal(1000))
    prior_z[rng.random(1000) < 0.2] *= 0.4
    scale, shift = fit_affine(made_anchors(prior_z, mesh_z, np.arange(1000) // 500), Expected())
    assert scale == pytest.approx(2.0, rel=0.08)
    assert shift == pytest.approx(0.0, abs=0.3)


def test_near_people_in_a_far_scene_may_be_off_by_a_shift():
    """The whole scene is 1.2 m too near: of somebody at 2 m that leaves 0.8."""
    mesh_z = np.linspace(1.8, 2.2, 1000)
    anchors = made_anchors(mesh_z - 1.2, mesh_z, np.zeros(1000, int))
    scene = np.full((64, 64), 15, np.float32)
    network = DepthImage(scene, CAMERA, scale_sigma=0.2, shift_sigma=0.1)
    scale, shift = fit_affine(anchors, Expected.of(network))
    assert scale == pytest.approx(1, abs=0.1)
    assert shift == pytest.approx(1.2, abs=0.15)
    room = replace(network, depth_z=scene / 5)
    scale, shift = fit_affine(anchors, Expected.of(room))
    assert scale > 1.2
    assert shift < 0.9


def test_what_is_expected_of_a_prior():
    scene = np.full((64, 64), np.nan, np.float32)
    scene[:, :40] = 8
    metric = DepthImage(scene, CAMERA, scale_sigma=0.2, shift_sigma=0.1)
    assert Expected.of(metric) == Expected(0.2, pytest.approx(0.8))
    assert Expected.of(replace(metric, metric=False)) == Expected(math.inf, math.inf)
    inverse = replace(metric, metric=False, inverse=True)
    assert Expected.of(inverse) == Expected(math.inf, pytest.approx(0.8))


def test_without_spread_there_is_no_shift():
    prior_z = 2 + 0.02 * np.random.default_rng(0).random(100)
    anchors = made_anchors(prior_z, 1.5 * prior_z, np.zeros(100, int))
    scale, shift = fit_affine(anchors, Expected())
    assert scale == pytest.approx(1.5, rel=1e-3)
    assert shift == 0.0


def test_a_person_counts_once_however_near():
    mesh_z = np.concatenate([np.full(10_000, 2.0), np.full(20, 5.0)])
    person = np.repeat([0, 1], [10_000, 20])
    prior_z = mesh_z / np.repeat([1.1, 0.9], [10_000, 20])
    anchors = replace(made_anchors(prior_z, mesh_z, person), sigma=np.full(10_020, LEAST_SIGMA))
    expected = Expected(scale_sigma=0.1, shift_sigma=1e-3)
    scale, _ = fit_affine(anchors.select(person == 0), expected)
    both, _ = fit_affine(anchors, expected)
    assert scale == pytest.approx(1 + 0.1 * 0.8, abs=0.01)
    assert both == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize('factor', [3.0, 0.3])
def test_an_implausible_scale_of_a_metric_prior_is_not_believed(factor):
    mesh_z = np.linspace(2, 6, 2000)
    person = np.arange(2000) // 1000
    assert fit_affine(made_anchors(mesh_z / factor, mesh_z, person), METRIC) is None
    assert fit_affine(made_anchors(mesh_z / factor, mesh_z, person), Expected()) is not None


def test_a_correction_that_puts_people_behind_the_camera_is_not_believed():
    prior_z = np.linspace(2, 8, 2000)
    anchors = made_anchors(prior_z, 0.15 * prior_z + 0.2, np.arange(2000) // 100)
    assert fit_affine(anchors, Expected(scale_sigma=0.2, shift_sigma=2.0)) is None


def test_too_few_anchors():
    assert fit_affine(made_anchors(np.ones(3), np.ones(3), np.zeros(3, int)), METRIC) is None


def test_outlines_and_unknown_pixels_are_no_anchors():
    _, people, mesh = make_scene([stand(0, 3.0)])
    prior = np.full((240, 320), np.nan)
    prior[mesh.person >= 0] = 1.0
    rows, columns = np.nonzero(mesh.person >= 0)
    prior[rows.min(), :] = prior[:, columns.min()] = 100.0  # bleeding along the outline
    out = refine_depth(relative(prior), people, mesh)
    assert 0 < out.num_anchors < (mesh.person >= 0).sum()
    assert out.scale == pytest.approx(np.nanmedian(mesh.depth_z), rel=0.1)


def test_depth_that_would_become_negative_is_unknown():
    person = np.full((240, 320), -1, np.int16)
    person[50:200, 50:150], person[50:200, 180:280] = 0, 1
    mesh_z = np.where(person == 0, 2.0, np.where(person == 1, 4.0, np.nan)).astype(np.float32)
    prior = np.where(person == 0, 1.0, np.where(person == 1, 1.5, 0.2))
    out = refine_depth(relative(prior), make_people(np.zeros((2, 3))), MeshDepth(mesh_z, person))
    assert (out.scale, out.shift) == pytest.approx((4.0, -2.0), abs=0.01)
    assert np.isnan(out.depth_z[0, 0])
