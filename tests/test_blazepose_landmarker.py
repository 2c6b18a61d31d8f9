from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

from metrichmsr_ros.perception.blazepose import landmarker as module
from metrichmsr_ros.perception.blazepose.assets import AssetPaths
from metrichmsr_ros.perception.blazepose.crops import crop_to_image
from metrichmsr_ros.perception.blazepose.landmarker import (
    BlazePoseLandmarker,
    decode_landmarks,
    refine_by_heatmap,
)

PATHS = AssetPaths(Path('detector'), Path('landmarker'))


class WhiteSpotNetwork:
    """Stands in for the landmark network: all points lie where the crop is white."""

    def __init__(self, path, *, num_threads):
        self.crops = []

    def require(self, input_shape, output_shapes):
        assert input_shape == (1, 256, 256, 3)
        assert output_shapes[0] == (1, 195)

    def __call__(self, tensor):
        assert 0 <= tensor.min() <= tensor.max() <= 1
        self.crops.append(tensor[0])
        weight = tensor[0, :, :, 0]
        y, x = np.mgrid[:256, :256] + 0.5
        points = np.zeros((39, 5), np.float32)
        points[:, 0] = (weight * x).sum() / weight.sum()
        points[:, 1] = (weight * y).sum() / weight.sum()
        points[34, 1] -= 80  # the circle's point is above the hips
        heatmap = np.full((1, 64, 64, 39), -9, np.float32)
        world = np.tile(np.array([0, -1, 0.5], np.float32), (39, 1))
        return (
            points.reshape(1, 195),
            np.array([[0.75]], np.float32),
            np.zeros((1, 256, 256, 1), np.float32),
            heatmap,
            world.reshape(1, 117),
        )


@pytest.fixture
def landmarker(monkeypatch):
    monkeypatch.setattr(module, 'LiteRtNetwork', WhiteSpotNetwork)
    return BlazePoseLandmarker(PATHS)


def spot_image(x, y, *, width=640, height=480, half=6):
    image = np.zeros((height, width, 3), np.uint8)
    image[y - half : y + half + 1, x - half : x + half + 1] = 255
    return image


@pytest.mark.parametrize('angle', [0, 0.7, np.pi / 2, -2.5])
@pytest.mark.parametrize('side', [150, 256, 700])
@pytest.mark.parametrize('spot', [(320, 240), (15, 12), (630, 470)])
def test_points_come_back_to_image_pixels(landmarker, spot, side, angle):
    rois = np.array([[spot[0] + 0.15 * side, spot[1] - 0.2 * side, side, angle]])
    landmarks = landmarker.read(spot_image(*spot), rois)
    expected = np.tile(spot, (33, 1))
    np.testing.assert_allclose(landmarks.image[0, :, :2], expected, atol=0.1 + 0.002 * side)
    assert landmarks.next_rois[0, 2] == pytest.approx(2 * 1.25 * 80 * side / 256, rel=1e-4)
    np.testing.assert_allclose(
        np.exp(1j * landmarks.next_rois[0, 3]), np.exp(1j * angle), atol=1e-5
    )
    np.testing.assert_allclose(
        landmarks.world[0, 0], [np.sin(angle), -np.cos(angle), 0.5], atol=1e-6
    )


def test_two_passes_read_the_crop_that_the_first_suggests(landmarker):
    rois = np.array([[300, 250, 400, 0.3]])
    image = spot_image(320, 240)
    first = landmarker.read(image, rois)
    both = landmarker.read(image, rois, passes=2)
    np.testing.assert_allclose(both.rois, first.next_rois)
    np.testing.assert_allclose(both.next_rois[0, :2], [320, 240], atol=0.5)
    assert len(landmarker._network.crops) == 3


class LopsidedNetwork(WhiteSpotNetwork):
    """Errs by 8 pixels to the right, and takes what is left for a left hand."""

    def __call__(self, tensor):
        points, score, mask, heatmap, world = super().__call__(tensor)
        points = points.reshape(39, 5)
        points[:, 0] += 8
        points[15, 0] -= 40  # left wrist
        world = world.reshape(39, 3)
        world[15, 0], world[16, 0] = -0.4, 0.3
        return points.reshape(1, 195), score, mask, heatmap, world.reshape(1, 117)


def test_the_mirror_takes_off_what_is_lopsided(landmarker, monkeypatch):
    monkeypatch.setattr(module, 'LiteRtNetwork', LopsidedNetwork)
    lopsided, rois = BlazePoseLandmarker(PATHS), np.array([[320, 240, 256, 0.0]])
    image = spot_image(330, 250)
    plain = lopsided.read(image, rois)
    both = lopsided.read(image, rois, mirrored=True)
    true = landmarker.read(image, rois)
    # Of one reading each: in the mirror left is right, and so is the error.
    assert len(lopsided._network.crops) == 3
    nose, left, right = 0, 15, 16
    np.testing.assert_allclose(plain.image[0, nose] - true.image[0, nose], [8, 0, 0], atol=0.01)
    np.testing.assert_allclose(both.image[0, nose], true.image[0, nose], atol=0.01)
    np.testing.assert_allclose(both.image[0, left, 0] - true.image[0, left, 0], -20, atol=0.01)
    np.testing.assert_allclose(both.image[0, right, 0] - true.image[0, right, 0], 20, atol=0.01)
    np.testing.assert_allclose(both.world[0, [left, right], 0], [-0.35, 0.35], atol=1e-6)
    np.testing.assert_allclose(both.world[0, :, 1:], true.world[0, :, 1:], atol=1e-6)
    np.testing.assert_allclose(both.scores, plain.scores)


def test_nobody_to_read(landmarker):
    landmarks = landmarker.read(spot_image(320, 240), np.zeros((0, 4)), passes=2)
    assert landmarks.image.shape == landmarks.world.shape == (0, 33, 3)
    assert landmarks.boxes.shape == landmarks.next_rois.shape == (0, 4)
    assert not landmarker._network.crops


def test_everything_is_float32_and_one_row_a_person(landmarker):
    landmarks = landmarker.read(spot_image(320, 240), np.array([[320, 240, 200, 0]] * 3))
    assert len(landmarks) == 3
    for name in vars(landmarks):
        values = getattr(landmarks, name)
        assert values.dtype == np.float32, name
        assert len(values) == 3, name
    np.testing.assert_allclose(landmarks.scores, 0.75)


def test_bad_input_is_refused(landmarker):
    image, rois = spot_image(320, 240), np.array([[320, 240, 200, 0]])
    with pytest.raises(ValueError, match='must be uint8'):
        landmarker.read(image[..., 0], rois)
    with pytest.raises(ValueError, match='rois'):
        landmarker.read(image, rois * [1, 1, -1, 1])
    with pytest.raises(ValueError, match='passes is 0'):
        landmarker.read(image, rois, passes=0)


def blob(x, y, *, peak=0.9, spread=1.0):
    rows, columns = np.mgrid[:64, :64]
    return logit(
        peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2)) + 1e-12
    ).astype(np.float32)


def test_heatmap_moves_points_to_its_mass():
    heatmap = np.repeat(blob(20, 31)[..., None], 39, axis=2)
    points = np.tile([[4 * 21.3, 4 * 30.2]], (39, 1))
    refined, peaks = refine_by_heatmap(points, heatmap)
    np.testing.assert_allclose(refined, np.tile([80, 124], (39, 1)), atol=0.3)
    np.testing.assert_allclose(peaks, 0.9, atol=1e-5)


def test_unsure_heatmap_moves_nothing():
    heatmap = np.repeat(blob(20, 31, peak=0.4)[..., None], 39, axis=2)
    points = np.tile([[4 * 21.3, 4 * 30.2]], (39, 1))
    refined, peaks = refine_by_heatmap(points, heatmap)
    np.testing.assert_array_equal(refined, points)
    np.testing.assert_allclose(peaks, 0.4, atol=1e-5)


def test_heatmap_at_the_border_and_points_outside():
    heatmap = np.repeat(blob(0, 63)[..., None], 39, axis=2)
    points = np.tile([[1.0, 253.0]], (39, 1))
    points[1] = [-1, 253]
    points[2] = [1, 256]
    refined, peaks = refine_by_heatmap(points, heatmap)
    assert 0 <= refined[0, 0] < 4
    assert 248 < refined[0, 1] <= 252
    np.testing.assert_allclose(peaks[:3], [0.9, 0, 0], atol=1e-5)
    np.testing.assert_array_equal(refined[1:3], points[1:3])


def test_decode_values():
    points = np.zeros((1, 39, 5))
    points[0, :, :2] = 128
    points[0, 0] = [128 + 64, 128, 32, 2, -2]
    points[0, 1] = [300, 128, 0, 0, 0]  # outside the crop
    points[0, 34, :2] = [128, 48]
    roi = np.array([[100, 50, 512, np.pi / 2]])
    peaks = np.full((1, 39), 0.6)
    landmarks = decode_landmarks(points, peaks, np.zeros((1, 39, 3)), np.array([0.5]), roi)
    np.testing.assert_allclose(landmarks.image[0, 0], [100, 50 + 128, 64], atol=1e-4)
    np.testing.assert_allclose(landmarks.boxes, [[100, 50, 100, 178]], atol=1e-4)
    np.testing.assert_allclose(landmarks.presence[0, :2], [1 / (1 + np.exp(2)), 0.5], rtol=1e-6)
    np.testing.assert_allclose(landmarks.visibility[0, :2], [0.6, 0.5], rtol=1e-6)
    np.testing.assert_allclose(landmarks.next_rois, [[100, 50, 400, np.pi / 2]], rtol=1e-6)
    corner = crop_to_image(roi[0], 256) @ [127.5 + 64, 127.5, 1]
    np.testing.assert_allclose(landmarks.image[0, 0, :2], corner, atol=1e-4)
