"""Distortion models against OpenCV, their limits, and the solver's robustness."""

import cv2
import numpy as np
import pytest
import torch

from metrichmsr_ros.geometry.distortion import (
    CameraError,
    check_coefficients,
    distort,
    radius_limit,
    undistort,
)

MODELS = {
    'plumb_bob': (-0.31, 0.12, 0.0012, -0.0008, -0.03),
    'rational_polynomial': (0.62, 0.21, 0.0005, -0.0004, 0.011, 0.97, 0.31, 0.035),
    'equidistant': (0.06, -0.021, 0.012, -0.003),
}
EYE = np.eye(3)


def disc(radius: float, number: int = 4000) -> np.ndarray:
    rng = np.random.default_rng(0)
    r, angle = radius * np.sqrt(rng.random(number)), rng.uniform(0, 2 * np.pi, number)
    return np.stack((r * np.cos(angle), r * np.sin(angle)), -1)


def opencv_distort(model: str, D: tuple[float, ...], xy: np.ndarray) -> np.ndarray:
    if model == 'equidistant':
        return cv2.fisheye.distortPoints(xy[None], EYE, np.array(D))[0]
    points = np.concatenate((xy, np.ones_like(xy[:, :1])), -1)
    return cv2.projectPoints(points, np.zeros(3), np.zeros(3), EYE, np.array(D))[0][:, 0]


@pytest.mark.parametrize('model', MODELS)
def test_distort_equals_opencv(model):
    xy = disc(0.7)
    result = distort(model, MODELS[model], xy)
    np.testing.assert_allclose(result, opencv_distort(model, MODELS[model], xy), atol=1e-12)


@pytest.mark.parametrize('model', MODELS)
def test_undistort_equals_opencv(model):
    D = MODELS[model]
    xy = distort(model, D, disc(0.6))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-14)
    if model == 'equidistant':
        reference = cv2.fisheye.undistortPoints(xy[None], EYE, np.array(D), criteria=criteria)[0]
    else:
        reference = cv2.undistortPointsIter(xy, EYE, np.array(D), None, None, criteria)[:, 0]
    np.testing.assert_allclose(undistort(model, D, xy), reference, atol=1e-9)


def random_models() -> list[tuple[str, tuple[float, ...]]]:
    rng = np.random.default_rng(1)
    models = []
    for _ in range(40):
        k1, k2, k3 = rng.uniform((-0.45, -0.2, -0.1), (0.4, 0.3, 0.1))
        p1, p2 = rng.uniform(-0.002, 0.002, 2)
        models.append(('plumb_bob', (k1, k2, p1, p2, k3)))
        rest = rng.uniform((-0.2, -0.1, -0.02), (0.9, 0.4, 0.05))
        models.append(('rational_polynomial', (k1, k2, p1, p2, k3, *rest)))
        models.append(('equidistant', tuple(rng.uniform(-0.05, 0.05, 4))))
    return models


def test_undistort_inverts_distort_nearly_up_to_the_limit():
    for model, D in random_models():
        xy = disc(min(0.95 * radius_limit(model, D), 1.8), 500)
        np.testing.assert_allclose(
            undistort(model, D, distort(model, D, xy)), xy, atol=2e-6, err_msg=f'{model} {D}'
        )


def test_undistort_never_returns_a_wrong_branch():
    for model, D in random_models():
        target = disc(5.0, 500)
        xy = undistort(model, D, target)
        valid = ~np.isnan(xy).any(-1)
        radius = np.hypot(*xy[valid].T)
        assert (radius <= radius_limit(model, D) * (1 + 1e-8)).all()
        image = distort(model, D, xy[valid] * (1 - 1e-12))
        np.testing.assert_allclose(image, target[valid], atol=1e-6)


def test_limit_is_where_the_image_folds_back():
    # r (1 - r²/3) has its maximum 2/3 at r = 1.
    D = (-1 / 3, 0.0, 0.0, 0.0, 0.0)
    assert radius_limit('plumb_bob', D) == pytest.approx(1.0)
    xy = np.array([[0.999, 0.0], [1.001, 0.0], [3.0, 0.0]])
    assert np.isnan(distort('plumb_bob', D, xy)).any(-1).tolist() == [False, True, True]
    # On the distorted side, nothing is imaged beyond 2/3.
    distorted = np.array([[0.0, 0.66], [0.0, 0.67], [0.3, 0.9]])
    assert np.isnan(undistort('plumb_bob', D, distorted)).any(-1).tolist() == [False, True, True]


def test_limit_of_a_rational_pole():
    # The denominator 1 - r² vanishes at 1; the numerator grows, so nothing folds before.
    assert radius_limit('rational_polynomial', (0, 0, 0, 0, 0, -1.0, 0, 0)) == pytest.approx(1.0)


def test_monotonic_models_reach_the_widest_ray():
    assert radius_limit('plumb_bob', (0.1, 0.02, 0, 0, 0.0)) == 1e3
    assert radius_limit('equidistant', (0.0, 0, 0, 0)) == pytest.approx(1e3)


def test_ideal_equidistant_is_the_angle():
    theta = np.array([0.0, 0.3, 1.2, 1.5])
    xy = np.stack((np.tan(theta), 0 * theta), -1)
    D = (0.0, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(distort('equidistant', D, xy)[:, 0], theta, atol=1e-12)
    np.testing.assert_allclose(undistort('equidistant', D, distort('equidistant', D, xy)), xy)
    # 1.58 rad is behind the camera: no ray with z = 1 goes there.
    assert np.isnan(undistort('equidistant', D, np.array([[1.58, 0.0]]))).all()


@pytest.mark.parametrize('model', MODELS)
def test_torch_agrees_with_numpy(model):
    xy = disc(1.5, 300)
    for function in (distort, undistort):
        reference = function(model, MODELS[model], xy)
        result = function(model, MODELS[model], torch.from_numpy(xy))
        np.testing.assert_allclose(result.numpy(), reference, atol=1e-9)
        single = function(model, MODELS[model], torch.from_numpy(xy).float())
        assert single.dtype == torch.float32
        both = np.isfinite(reference) & np.isfinite(single.numpy())
        np.testing.assert_allclose(single.numpy()[both], reference[both], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('model', MODELS)
def test_gradcheck(model):
    xy = torch.tensor([[0.0, 0.0], [0.2, -0.1], [-0.4, 0.3]], dtype=torch.float64)
    xy.requires_grad_()
    for function in (distort, undistort):
        assert torch.autograd.gradcheck(lambda p, f=function: f(model, MODELS[model], p), xy)


def test_gradient_is_finite_beside_a_nan():
    D = (-1 / 3, 0.0, 0.0, 0.0, 0.0)
    xy = torch.tensor([[0.2, 0.1], [5.0, 5.0]], dtype=torch.float64, requires_grad=True)
    for function in (distort, undistort):
        (gradient,) = torch.autograd.grad(function('plumb_bob', D, xy)[0].sum(), xy)
        assert torch.isfinite(gradient[0]).all()


def test_nan_in_is_nan_out():
    xy = np.array([[np.nan, 0.1], [0.1, 0.1]])
    for model, D in MODELS.items():
        for function in (distort, undistort):
            assert np.isnan(function(model, D, xy)).all(-1).tolist() == [True, False]


@pytest.mark.parametrize('model', MODELS)
def test_empty_input(model):
    assert undistort(model, MODELS[model], np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    ('model', 'D', 'expected'),
    [
        ('plumb_bob', [], [0, 0, 0, 0, 0]),
        ('plumb_bob', [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4, 0]),
        ('equidistant', [0.1, 0.2, 0.3, 0.4, 0.0], [0.1, 0.2, 0.3, 0.4]),
        ('rational_polynomial', [0.1] * 8 + [0.0] * 6, [0.1] * 8),
    ],
)
def test_check_coefficients(model, D, expected):
    assert check_coefficients(model, D).tolist() == expected


@pytest.mark.parametrize(
    ('model', 'D', 'message'),
    [
        ('thin_prism', [], "'thin_prism' is not one of plumb_bob"),
        ('plumb_bob', [0.1, 0.2], 'plumb_bob has 5 distortion coefficients, got 2'),
        ('equidistant', [0.1] * 5, 'equidistant has 4 distortion coefficients, got 5'),
        ('rational_polynomial', [0.1] * 5, 'has 8 distortion coefficients, got 5'),
        ('plumb_bob', [0.1, 0, 0, 0, np.nan], 'must be finite'),
        ('plumb_bob', [0, -1e300, 0, 0, 0], r'within ±1e\+06'),
    ],
)
def test_rejects_bad_coefficients(model, D, message):
    with pytest.raises(CameraError, match=message):
        check_coefficients(model, D)


def test_rejects_lists():
    with pytest.raises(TypeError, match='expected a NumPy array or a torch tensor, got list'):
        distort('plumb_bob', (0.1, 0, 0, 0, 0), [[0.0, 0.0]])
