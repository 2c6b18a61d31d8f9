"""The camera against OpenCV, NaN where a lens does not see, caching and value semantics."""

import cv2
import numpy as np
import pytest
import torch

from metrichmsr_ros.geometry.camera import Camera, CameraError

K = np.array([[610.0, 0, 322.5], [0, 590.0, 236.25], [0, 0, 1]])
D = {
    'plumb_bob': [-0.31, 0.12, 0.0012, -0.0008, -0.03],
    'rational_polynomial': [0.62, 0.21, 0.0005, -0.0004, 0.011, 0.97, 0.31, 0.035],
    'equidistant': [0.06, -0.021, 0.012, -0.003],
}


def camera(model: str = 'plumb_bob') -> Camera:
    return Camera(640, 480, K, np.array(D[model]), model)


def points(number: int = 1000) -> np.ndarray:
    rng = np.random.default_rng(0)
    slopes = rng.uniform((-0.55, -0.42), (0.55, 0.42), (number, 2))
    return np.concatenate((slopes, np.ones((number, 1))), 1) * rng.uniform(0.5, 9, (number, 1))


@pytest.mark.parametrize('model', D)
def test_project_equals_opencv(model):
    p, zero, d = points(), np.zeros(3), np.array(D[model])
    if model == 'equidistant':
        reference = cv2.fisheye.projectPoints(p[None], zero, zero, K, d)[0][0]
    else:
        reference = cv2.projectPoints(p, zero, zero, K, d)[0][:, 0]
    np.testing.assert_allclose(camera(model).project(p), reference, atol=1e-9)


@pytest.mark.parametrize('model', D)
def test_unproject_inverts_project(model):
    p = points()
    rays = camera(model).unproject(camera(model).project(p))
    np.testing.assert_allclose(rays, p / p[:, 2:], atol=1e-9)


def test_pinhole_values():
    pinhole = Camera(640, 480, K)
    assert not pinhole.has_distortion
    np.testing.assert_allclose(pinhole.project(np.array([[1.0, -0.5, 2.0]])), [[627.5, 88.75]])
    np.testing.assert_allclose(pinhole.unproject(np.array([627.5, 88.75])), [0.5, -0.25, 1])


@pytest.mark.parametrize('model', D)
def test_torch_agrees_with_numpy_and_is_differentiable(model):
    p = points(50)
    tensor = torch.from_numpy(p).requires_grad_()
    pixels = camera(model).project(tensor)
    np.testing.assert_allclose(pixels.detach().numpy(), camera(model).project(p), atol=1e-9)
    rays = camera(model).unproject(pixels)
    np.testing.assert_allclose(rays.detach().numpy(), p / p[:, 2:], atol=1e-9)
    (gradient,) = torch.autograd.grad(pixels.sum(), tensor)
    step = 1e-6 * np.array([1.0, 0, 0])
    numeric = (camera(model).project(p + step) - camera(model).project(p - step)).sum(1) / 2e-6
    np.testing.assert_allclose(gradient[:, 0].numpy(), numeric, rtol=1e-5, atol=1e-4)
    assert camera(model).project(tensor.float()).dtype == torch.float32


def test_dtypes_and_shapes():
    lens = camera()
    assert lens.project(np.ones((2, 3, 3), np.float32)).dtype == np.float32
    assert lens.project(np.array([[0, 0, 1]])).dtype == np.float64
    assert lens.unproject(np.ones((2, 3, 2))).shape == (2, 3, 3)
    for model in D:
        assert camera(model).unproject(np.ones(2)).shape == (3,)
        assert camera(model).project(np.ones(3)).shape == (2,)
    assert lens.project(np.zeros((0, 3))).shape == (0, 2)
    assert torch.equal(
        lens.project(torch.tensor([[0, 0, 1]])), torch.tensor([[322.5, 236.25]]).double()
    )


@pytest.mark.parametrize('model', D)
def test_points_not_in_front_are_nan(model):
    behind = np.array([[0.1, 0.1, -1.0], [0.1, 0.1, 0.0], [np.nan, 0, 1], [0.1, 0.1, 1.0]])
    nan = np.isnan(camera(model).project(behind))
    assert nan.any(-1).tolist() == [True, True, True, False]


def test_points_beyond_the_lens_do_not_wrap_into_the_image():
    lens = Camera(640, 480, K, np.array([-0.4, 0, 0, 0, 0]))
    outside = np.array([[1.45, 0.1, 1.0]])  # OpenCV folds this to 0.22, well inside the image
    folded = cv2.projectPoints(outside, np.zeros(3), np.zeros(3), K, lens.D)[0][0, 0]
    assert 0 < folded[0] < 640
    assert np.isnan(lens.project(outside)).all()
    # r (1 - 0.4 r²) peaks at 0.6086: a pixel farther out than that has no ray.
    far = np.array([[322.5 + 610 * 0.60, 236.25], [322.5 + 610 * 0.62, 236.25]])
    assert np.isnan(lens.unproject(far)).any(-1).tolist() == [False, True]


def test_pixel_rays_are_cached_by_value_and_read_only():
    rays = camera().pixel_rays()
    assert rays.shape == (480, 640, 3)
    assert rays.dtype == np.float32
    assert camera().pixel_rays() is rays
    with pytest.raises(ValueError, match='read-only'):
        rays[0, 0, 0] = 1
    pixel = np.array([123.0, 45.0])
    np.testing.assert_allclose(rays[45, 123], camera().unproject(pixel), atol=1e-6)


def test_equality_is_by_value():
    assert camera() == camera()
    assert hash(camera()) == hash(camera())
    assert camera() != camera().rectified()
    assert camera() != Camera(640, 480, K + np.diag([1e-9, 0, 0]), np.array(D['plumb_bob']))
    assert Camera(8, 8, K) != Camera(8, 8, K, calibrated=False)
    assert Camera(8, 8, K, np.array([-0.0] * 5)) == Camera(8, 8, K)
    assert camera() != 'camera'


def test_does_not_share_the_callers_arrays():
    matrix = K.copy()
    lens = Camera(640, 480, matrix)
    matrix[0, 0] = 1
    assert lens.K[0, 0] == 610
    with pytest.raises(ValueError, match='read-only'):
        lens.K[0, 0] = 1


def test_uncalibrated():
    guess = Camera.uncalibrated(640, 480)
    assert guess.K.tolist() == [[640, 0, 319.5], [0, 640, 239.5], [0, 0, 1]]
    assert not guess.calibrated
    assert Camera.uncalibrated(480, 640).K[0, 0] == 640
    assert not guess.resized(320, 240).calibrated
    assert not guess.rectified().calibrated


def test_from_fov_reaches_the_image_border():
    lens = Camera.from_fov(640, 480, np.pi / 2)
    np.testing.assert_allclose(lens.unproject(np.array([-0.5, 239.5])), [-1, 0, 1], atol=1e-12)
    assert lens.calibrated
    with pytest.raises(CameraError, match='between 0 and pi radians, got 70'):
        Camera.from_fov(640, 480, 70)


def test_resized_sees_the_same_points_as_cv2_resize():
    lens, p = camera(), points()
    pixels, half = lens.project(p), lens.resized(320, 240).project(p)
    np.testing.assert_allclose(half, (pixels + 0.5) / 2 - 0.5, atol=1e-9)
    # A blob that straddles 2x2 pixels lands on the one pixel that replaces them.
    image = np.zeros((480, 640), np.float32)
    image[100:102, 200:202] = 1
    small = cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)
    assert small[50, 100] == 1
    ray = lens.unproject(np.array([200.5, 100.5]))
    np.testing.assert_allclose(lens.resized(320, 240).project(ray), [100, 50], atol=1e-9)


@pytest.mark.parametrize('model', D)
def test_rectify_maps_equal_opencv(model):
    lens = camera(model)
    maps = lens.rectify_maps()
    undistort = cv2.fisheye if model == 'equidistant' else cv2
    reference = undistort.initUndistortRectifyMap(
        K, np.array(D[model]), np.eye(3), K, (640, 480), cv2.CV_32FC1
    )
    for ours, theirs in zip(maps, reference, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
    assert lens.rectify_maps() is maps
    assert not lens.rectified().has_distortion


def test_rectify_maps_mark_what_the_lens_does_not_see():
    lens = Camera(640, 480, np.array([[200.0, 0, 320], [0, 200, 240], [0, 0, 1]]), [-0.4, 0, 0, 0])
    x, _ = lens.rectify_maps()
    assert x[0, 0] == np.float32(-1e4)
    image = np.full((480, 640), 7, np.uint8)
    assert cv2.remap(image, *lens.rectify_maps(), cv2.INTER_NEAREST)[0, 0] == 0


@pytest.mark.parametrize('size', [(0, 480), (640, -1), (640.5, 480), (np.nan, 480), ('640', 480)])
def test_rejects_bad_sizes(size):
    with pytest.raises(CameraError, match='must have a positive width and height'):
        Camera(*size, K)


def test_rejects_a_matrix_of_another_shape():
    with pytest.raises(CameraError, match=r'K must be 3x3, got shape \(3, 4\)'):
        Camera(640, 480, np.eye(3, 4))


@pytest.mark.parametrize(
    ('fx', 'fy', 'cx', 'rule'),
    [
        (1e-300, 500, 320, 'within 1/1000 to 1000 times the longer side of the image, 640 px'),
        (500, 1e300, 320, r'got fx = 500, fy = 1e\+300'),
        (500, 500, 1e9, r'principal point must be within 1000 times .* got cx = 1e\+09'),
        (500, 500, -1e300, 'principal point'),
    ],
)
def test_rejects_what_no_lens_has(fx, fy, cx, rule):
    with pytest.raises(CameraError, match=rule):
        Camera(640, 480, np.array([[fx, 0, cx], [0, fy, 240], [0, 0, 1]]))


@pytest.mark.parametrize('degrees', [0.1, 1, 179, 179.7])
def test_narrow_and_wide_lenses_are_cameras(degrees):
    rays = Camera.from_fov(64, 48, np.deg2rad(degrees)).pixel_rays()
    assert np.isfinite(rays).all()
    assert np.ptp(rays[..., 0]) > 0
