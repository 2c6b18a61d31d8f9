"""Metrics on cases that can be solved by hand."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metrichmsr_ros import metrics
from metrichmsr_ros.geometry.camera import Camera

CAMERA = Camera.from_fov(640, 480, 1.0)


@pytest.fixture
def joints() -> np.ndarray:
    return np.random.default_rng(0).normal([0.0, 0.0, 4.0], 0.4, (12, 3))


def test_match_boxes_takes_the_best_pair_first():
    true = np.array([[0, 0, 10, 10], [6, 0, 16, 10]], float)
    # The first prediction overlaps both; its better partner is the second person.
    predicted = np.array([[5, 0, 15, 10], [0, 0, 10, 9], [50, 50, 60, 60]], float)
    assert metrics.match_boxes(predicted, true) == [(1, 0), (0, 1)]


def test_match_boxes_is_one_to_one_and_keeps_the_threshold():
    true = np.array([[0, 0, 10, 10]], float)
    twins = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], float)
    assert metrics.match_boxes(twins, true) == [(0, 0)]
    third = np.array([[0, 0, 3, 10]], float)  # IoU exactly 0.3
    assert metrics.match_boxes(third, true) == [(0, 0)]
    assert metrics.match_boxes(third, true, min_iou=0.31) == []


@pytest.mark.parametrize(('num_predicted', 'num_true'), [(0, 0), (0, 2), (2, 0)])
def test_match_boxes_of_nobody(num_predicted, num_true):
    box = [0.0, 0.0, 1.0, 1.0]
    assert metrics.match_boxes([box] * num_predicted, [box] * num_true) == []


def test_root_of_prefers_the_mid_hip():
    hips = {'left_hip': [1.0, 0, 4], 'right_hip': [-1.0, 2, 4], 'pelvis': [9.0, 9, 9]}
    np.testing.assert_allclose(metrics.root_of(hips), [0, 1, 4])
    np.testing.assert_allclose(
        metrics.root_of({'pelvis': [1.0, 2, 3], 'left_hip': [0, 0, 0]}), [1, 2, 3]
    )
    assert metrics.root_of({'left_hip': [0.0, 0, 0]}) is None


def test_root_error_splits_off_the_depth():
    error = metrics.root_error([3.0, 0, 4.4], [3.0, 0.3, 4.0])
    assert error.distance == pytest.approx(0.5)
    assert error.percent == pytest.approx(100 * 0.5 / math.sqrt(9 + 0.09 + 16))
    assert error.depth == pytest.approx(0.4)
    assert error.depth_percent == pytest.approx(10.0)


def test_joint_errors_in_millimetres(joints):
    moved = joints + np.array([0.03, 0.0, 0.04])
    assert metrics.g_mpjpe(moved, joints) == pytest.approx(50.0)
    aligned = metrics.mpjpe(
        moved, joints, predicted_root=joints[0] + np.array([0.03, 0.0, 0.04]), true_root=joints[0]
    )
    assert aligned == pytest.approx(0.0, abs=1e-9)
    assert math.isnan(metrics.g_mpjpe(joints[:0], joints[:0]))


def test_only_procrustes_forgives_scale_and_turn(joints):
    R = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()
    turned = 1.3 * joints @ R.T + [0.5, 0.2, -0.1]
    assert metrics.pa_mpjpe(turned, joints) == pytest.approx(0.0, abs=1e-8)
    roots = {'predicted_root': turned[0], 'true_root': joints[0]}
    assert metrics.mpjpe(turned, joints, **roots) > 100


def test_procrustes_does_not_mirror(joints):
    assert metrics.pa_mpjpe(joints * [-1, 1, 1], joints) > 50


def test_procrustes_of_three_points_is_unknown(joints):
    assert math.isnan(metrics.pa_mpjpe(joints[:3], joints[:3]))


def test_reprojection_ignores_distance_but_not_direction():
    points = np.array([[0.1, 0.2, 2.0], [-0.3, 0.1, 3.0]])
    assert metrics.reprojection_error(2 * points, points, camera=CAMERA) == pytest.approx(0)
    one_degree = points + np.array([[0.02, 0, 0], [0.03, 0, 0]])  # 0.01 of the depth each
    expected = 0.01 * CAMERA.K[0, 0]
    assert metrics.reprojection_error(one_degree, points, camera=CAMERA) == pytest.approx(expected)


def test_reprojection_leaves_out_what_is_behind():
    points = np.array([[0.0, 0, 2], [0, 0, -1]])
    moved = points + np.array([0.02, 0, 0])
    expected = 0.01 * CAMERA.K[0, 0]
    assert metrics.reprojection_error(moved, points, camera=CAMERA) == pytest.approx(expected)
    assert math.isnan(metrics.reprojection_error(moved[1:], points[1:], camera=CAMERA))


def test_surface_depth_error_uses_the_mask():
    mesh = np.full((4, 4), np.nan)
    mesh[:, :2], mesh[0, 3] = 2.0, 9.0
    mask = np.zeros((4, 4), bool)
    mask[:, 1:3] = True
    assert metrics.surface_depth_error(mesh, 1.9, mask=mask) == pytest.approx(0.1)
    assert metrics.surface_depth_error(mesh, 1.9) == pytest.approx(0.1)
    assert math.isnan(metrics.surface_depth_error(mesh, 1.9, mask=np.zeros((4, 4), bool)))


def test_depth_errors_by_hand():
    true = np.array([[1.0, 2.0], [4.0, np.nan]])
    predicted = np.array([[1.1, 3.0], [np.nan, 5.0]])
    errors = metrics.depth_errors(predicted, true)
    assert errors.abs_rel == pytest.approx((0.1 + 0.5) / 2)
    assert errors.mae == pytest.approx((0.1 + 1.0) / 2)
    assert errors.delta1 == pytest.approx(0.5)
    assert errors.coverage == pytest.approx(2 / 3)
    assert errors.pixels == 2


def test_depth_errors_on_a_region_and_on_nothing():
    true = np.array([[1.0, 2.0]])
    predicted = np.array([[1.0, np.nan]])
    left = metrics.depth_errors(predicted, true, mask=np.array([[True, False]]))
    assert (left.abs_rel, left.coverage, left.pixels) == (0.0, 1.0, 1)
    right = metrics.depth_errors(predicted, true, mask=np.array([[False, True]]))
    assert math.isnan(right.mae)
    assert (right.coverage, right.pixels) == (0.0, 0)
    assert math.isnan(metrics.depth_errors(predicted, true * np.nan).coverage)


def test_cross_view_disagreement():
    R = Rotation.from_rotvec([0.0, 1.0, 0.0]).as_matrix()
    t = np.array([0.1, 0.2, 3.0])
    point = np.array([0.5, 1.0, 2.0])
    back = metrics.world_point(R @ point + t, R_world_to_cam=R, t_world_to_cam=t)
    np.testing.assert_allclose(back, point)
    line = np.array([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0]])
    assert metrics.cross_view_disagreement(line) == pytest.approx((1 + 2 + 1) / 3)
    assert math.isnan(metrics.cross_view_disagreement(line[:1]))
