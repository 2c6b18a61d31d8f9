"""Translations, and turns with them, of points on rays."""

import numpy as np
from scipy.spatial.transform import Rotation

from metrichmsr_ros.models.ray_placement import place_on_rays
from metrichmsr_ros.models.ray_translation import translation_from_rays


def test_translation_solves_exact_rays():
    rng = np.random.default_rng(1)
    points, t = rng.normal(0, 0.5, (3, 20, 3)), np.array([[0.3, -0.2, 4], [2.0, 1, 3], [0, 0, 9]])
    rays = points + t[:, None]
    solved = translation_from_rays(points, rays / rays[..., 2:], np.ones((3, 20)))
    np.testing.assert_allclose(solved, t, atol=1e-6)


def test_translation_stays_before_the_camera():
    rng = np.random.default_rng(1)
    points = rng.normal(0, 0.5, (1, 20, 3))
    mirrored = points * [-1, -1, 1] + [0, 0, 4.0]
    solved = translation_from_rays(points, mirrored, np.ones((1, 20)))
    assert solved[0, 2] > 0.1


def test_placement_finds_turn_and_translation():
    rng = np.random.default_rng(1)
    points, t = rng.normal(0, 0.5, (2, 40, 3)), np.array([[0.3, -0.2, 4], [2.0, 1, 5]])
    R = Rotation.from_rotvec([[0.1, -0.05, 0.12], [-0.1, 0.1, 0.0]]).as_matrix()
    placed = points @ np.swapaxes(R, 1, 2) + t[:, None]
    placement = place_on_rays(points, placed / placed[..., 2:], np.ones((2, 40)))
    # The prior holds the turn back by a little.
    np.testing.assert_allclose(placement.R, R, atol=0.02)
    np.testing.assert_allclose(placement.translation, t, rtol=0.01, atol=0.02)
    assert (np.linalg.eigvalsh(placement.covariance) > 0).all()


def test_errors_of_the_pose_do_not_send_people_away():
    rng = np.random.default_rng(3)
    body, t = rng.normal(0, [0.2, 0.45, 0.15], (400, 13, 3)), np.array([0.3, -0.2, 4.0])
    rays = (body + t) / (body + t)[..., 2:]
    seen = rays + rng.normal(0, 0.01 / t[2], rays.shape) * [1, 1, 0]
    posed = body + rng.normal(0, 0.04, body.shape)
    placement = place_on_rays(posed, seen, np.ones(body.shape[:2]))
    assert abs(placement.translation[:, 2].mean() / t[2] - 1.0) < 0.006


def test_placement_survives_missing_rays_and_no_trust():
    rng = np.random.default_rng(1)
    points, t = rng.normal(0, 0.5, (1, 20, 3)), np.array([[0.3, -0.2, 4]])
    rays = (points + t) / (points + t)[..., 2:]
    rays[:, :8] = np.nan
    for trust in (1.0, 0.0):
        placement = place_on_rays(points, rays, np.full((1, 20), trust))
        np.testing.assert_allclose(placement.translation, t, atol=1e-4)
    nothing = place_on_rays(points, np.full((1, 20, 3), np.nan), np.ones((1, 20)))
    assert np.isfinite(nothing.translation).all()
    assert np.isfinite(nothing.R).all()
