"""The crop's rays are the full image's rays at the source pixels, with NumPy and torch."""

import cv2
import numpy as np
import pytest
import torch

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.ray_map import ray_map, source_pixels
from metrichmsr_ros.perception.blazepose.crops import crop_to_image


def random_camera(rng: np.random.Generator, model: str) -> Camera:
    fx, fy, cx, cy = rng.uniform((400, 400, 250, 180), (900, 900, 390, 300))
    D = {
        'plumb_bob': rng.uniform(-0.05, 0.05, 5),
        'rational_polynomial': rng.uniform(0, 0.08, 8),
        'equidistant': rng.uniform(-0.02, 0.02, 4),
    }[model]
    return Camera(640, 480, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), D, model)


def random_boxes(rng: np.random.Generator, number: int) -> np.ndarray:
    corner = rng.uniform((-60, -60), (500, 380), (number, 2))
    return np.concatenate((corner, corner + rng.uniform(20, 300, (number, 2))), 1)


@pytest.mark.parametrize('model', ['plumb_bob', 'rational_polynomial', 'equidistant'])
def test_crop_rays_equal_full_image_rays(model):
    rng = np.random.default_rng(3)
    for _ in range(5):
        camera, boxes = random_camera(rng, model), random_boxes(rng, 3)
        h, w = (int(n) for n in rng.integers(3, 40, 2))
        rays = ray_map(camera, boxes, resolution=(h, w))
        assert rays.shape == (3, 3, h, w)
        n, i, j = rng.integers((3, h, w))
        x_min, y_min, x_max, y_max = boxes[n]
        source = np.array(
            [x_min + (j + 0.5) * (x_max - x_min) / w, y_min + (i + 0.5) * (y_max - y_min) / h]
        )
        np.testing.assert_allclose(rays[n, :, i, j], camera.unproject(source), atol=1e-12)
        # And the ray's points are imaged there.
        np.testing.assert_allclose(camera.project(3.7 * rays[n, :, i, j]), source, atol=1e-6)


def test_whole_image_at_its_own_resolution_is_pixel_rays():
    camera = random_camera(np.random.default_rng(0), 'plumb_bob')
    rays = ray_map(camera, np.array([[-0.5, -0.5, 639.5, 479.5]]), resolution=(480, 640))
    np.testing.assert_allclose(rays[0].transpose(1, 2, 0), camera.pixel_rays(), atol=1e-6)


def test_equals_the_papers_crop_intrinsics():
    # K' of Eq. 2 with s source pixels per output pixel, moved to integer pixel centres.
    camera = Camera(640, 480, np.array([[610.0, 0, 322.5], [0, 590.0, 236.25], [0, 0, 1]]))
    x_min, y_min, s = 100.0, 40.0, 1.5
    box = np.array([[x_min, y_min, x_min + 64 * s, y_min + 48 * s]])
    crop_K = camera.K / [[s], [s], [1]]
    crop_K[:2, 2] = (camera.K[:2, 2] - (x_min, y_min)) / s - 0.5
    crop = Camera(64, 48, crop_K)
    rays = ray_map(camera, box, resolution=(48, 64))[0].transpose(1, 2, 0)
    np.testing.assert_allclose(rays, crop.pixel_rays(), atol=1e-6)


def test_crops_of_the_image_show_the_source_pixels():
    # An image of its own coordinates: the warped value is where the pixel came from.
    rows, columns = np.mgrid[:480, :640].astype(np.float32)
    box, side, size = np.array([[100.25, 50.5, 420.75, 371.0]]), 320.5, 56
    affine = crop_to_image(np.array([*(box[0, :2] + side / 2), side, 0.0]), size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = [cv2.warpAffine(i, affine, (size, size), flags=flags) for i in (columns, rows)]
    source = source_pixels(box, resolution=(size, size))[0]
    # OpenCV rounds source coordinates to 1/32 pixel.
    np.testing.assert_allclose(np.stack(warped, -1), source, atol=1 / 32)


def test_scaling_the_image_and_the_box_changes_nothing():
    camera = random_camera(np.random.default_rng(1), 'plumb_bob')
    box = np.array([[20.0, 30.0, 220.0, 330.0]])
    half = ray_map(camera.resized(320, 240), (box + 0.5) / 2 - 0.5, resolution=(30, 20))
    np.testing.assert_allclose(half, ray_map(camera, box, resolution=(30, 20)), atol=1e-9)


@pytest.mark.parametrize('model', ['plumb_bob', 'rational_polynomial', 'equidistant'])
def test_torch_agrees_with_numpy(model):
    rng = np.random.default_rng(5)
    camera, boxes = random_camera(rng, model), random_boxes(rng, 2)
    reference = ray_map(camera, boxes, resolution=(14, 11))
    rays = ray_map(camera, torch.from_numpy(boxes), resolution=(14, 11))
    np.testing.assert_allclose(rays.numpy(), reference, atol=1e-9)
    assert (
        ray_map(camera, torch.from_numpy(boxes).float(), resolution=(4, 4)).dtype == torch.float32
    )


def test_gradient_reaches_the_box():
    camera = Camera.uncalibrated(640, 480)
    box = torch.tensor([[10.0, 20.0, 110.0, 220.0]], dtype=torch.float64, requires_grad=True)
    ray_map(camera, box, resolution=(2, 2))[0, 0, 0, 0].backward()
    np.testing.assert_allclose(box.grad.numpy(), [[0.75 / 640, 0, 0.25 / 640, 0]])


def test_nan_where_the_lens_has_no_ray():
    K = np.array([[200.0, 0, 320], [0, 200, 240], [0, 0, 1]])
    camera = Camera(640, 480, K, np.array([-0.4, 0, 0, 0, 0]))
    rays = ray_map(camera, np.array([[-0.5, -0.5, 639.5, 479.5]]), resolution=(48, 64))
    assert np.isnan(rays[0, :, 0, 0]).all()
    assert np.isfinite(rays[0, :, 24, 32]).all()


def test_nobody():
    rays = ray_map(Camera.uncalibrated(640, 480), np.zeros((0, 4)), resolution=(7, 5))
    assert rays.shape == (0, 3, 7, 5)


@pytest.mark.parametrize(
    ('boxes', 'message'),
    [
        (np.zeros(4), r'must be \(N, 4\), got \(4,\)'),
        (np.array([[10.0, 10, 10, 20]]), 'x_max > x_min'),
        (np.array([[10.0, 10, np.nan, 20]]), 'x_max > x_min'),
    ],
)
def test_rejects_bad_boxes(boxes, message):
    for kind in (np.asarray, torch.from_numpy):
        with pytest.raises(ValueError, match=message):
            ray_map(Camera.uncalibrated(640, 480), kind(boxes), resolution=(4, 4))
