import numpy as np
from scipy.spatial.transform import Rotation

from metrichmsr_ros.geometry.turns import smallest_turn, turn_in_image, unit
from metrichmsr_ros.perception.blazepose.crops import crop_to_image


def test_smallest_turn():
    rng = np.random.default_rng(2)
    a, b = unit(rng.normal(size=(50, 3))), unit(rng.normal(size=(50, 3)))
    b[:3] = -a[:3]
    R = smallest_turn(a, b)
    np.testing.assert_allclose((R @ a[..., None])[..., 0], b, atol=1e-9)
    np.testing.assert_allclose(R @ np.swapaxes(R, 1, 2), np.tile(np.eye(3), (50, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(R), 1, atol=1e-9)
    angle = np.arccos((a * b).sum(axis=1).clip(-1, 1))
    np.testing.assert_allclose(Rotation.from_matrix(R).magnitude(), angle, atol=1e-6)


def test_turn_in_image_goes_from_crop_axes_to_image_axes():
    up = np.array([[[0.0, -1.0, 3.0]]])
    np.testing.assert_allclose(turn_in_image(up, [np.pi / 2]), [[[1, 0, 3]]], atol=1e-12)
    rng = np.random.default_rng(3)
    angles, points = rng.uniform(-3, 3, 5), rng.normal(size=(5, 7, 3))
    np.testing.assert_allclose(
        turn_in_image(turn_in_image(points, angles), -angles), points, atol=1e-12
    )
    for angle, before, after in zip(angles, points, turn_in_image(points, angles), strict=True):
        linear = crop_to_image(np.array([0, 0, 256, angle]), 256)[:, :2]
        np.testing.assert_allclose(before[:, :2] @ linear.T, after[:, :2], atol=1e-12)
