from pathlib import Path

import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.blazepose import detector as module
from metrichmsr_ros.perception.blazepose.anchors import anchor_centres, NUM_ANCHORS, NUM_VALUES
from metrichmsr_ros.perception.blazepose.assets import AssetError, AssetPaths
from metrichmsr_ros.perception.blazepose.detector import BlazePoseDetector
from metrichmsr_ros.structures import Frame

PATHS = AssetPaths(Path('detector'), Path('landmarker'))
RADIUS = 30.0  # of the person that the stand-in sees, pixels of the input


class WhiteSpotNetwork:
    """Stands in for the detector: a person has the mid-hip where the input is white."""

    def __init__(self, path, *, num_threads):
        self.calls = 0

    def require(self, input_shape, output_shapes):
        assert input_shape == (1, 224, 224, 3)
        assert output_shapes == ((1, NUM_ANCHORS, NUM_VALUES), (1, NUM_ANCHORS, 1))

    def __call__(self, tensor):
        self.calls += 1
        assert tensor.dtype == np.float32
        assert -1 <= tensor.min() <= tensor.max() <= 1
        values = np.zeros((1, NUM_ANCHORS, NUM_VALUES), np.float32)
        logits = np.full((1, NUM_ANCHORS, 1), -9, np.float32)
        weight = (tensor[0, :, :, 0] + 1) / 2
        if weight.max() > 0.5:
            y, x = np.mgrid[:224, :224] + 0.5
            hips = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
            up = np.array([0, -RADIUS])
            places = [hips + up, [6, 6], hips, hips + up, hips + up / 2, hips + up]
            values[0, 0] = np.ravel(places)
            values.reshape(1, NUM_ANCHORS, 6, 2)[0, 0, [0, 2, 3, 4, 5]] -= (
                224 * anchor_centres()[0]
            )
            logits[0, 0] = 3
        return values, logits


@pytest.fixture
def make_detector(monkeypatch):
    monkeypatch.setattr(module, 'LiteRtNetwork', WhiteSpotNetwork)
    return lambda **options: BlazePoseDetector(PATHS, **options)


def frame(width, height, *, spot=None):
    image = np.zeros((height, width, 3), np.uint8)
    if spot is not None:
        x, y, half = spot
        image[y - half : y + half + 1, x - half : x + half + 1] = 255
    return Frame(image=image, camera=Camera.uncalibrated(width, height), stamp=0)


@pytest.mark.parametrize(('width', 'height'), [(640, 480), (480, 640), (224, 224), (1280, 400)])
@pytest.mark.parametrize('place', [(0.5, 0.5), (0.1, 0.9), (0.85, 0.2)])
def test_places_in_every_tile_come_back_to_the_image(make_detector, width, height, place):
    x, y = round(place[0] * width), round(place[1] * height)
    detector = make_detector(budget_ms=None)
    for tile in module.all_tiles(width, height):
        seen = detector._look(frame(width, height, spot=(x, y, 7)).image, tile)
        inside = (
            tile.x + 8 <= x < tile.x + tile.side - 8 and tile.y + 8 <= y < tile.y + tile.side - 8
        )
        if inside:
            pixel = tile.side / 224
            np.testing.assert_allclose(seen.points[0, 0], [x, y], atol=max(pixel, 1) / 2)
            np.testing.assert_allclose(seen.radii, RADIUS * pixel, rtol=1e-5)


def test_readings_of_several_tiles_are_one_person(make_detector):
    found = make_detector(budget_ms=None).detect(frame(224, 224, spot=(110, 120, 6)))
    np.testing.assert_allclose(found.rois[:, :2], [[110, 120]] * len(found), atol=1)
    sizes = np.sort(found.rois[:, 2])
    assert (sizes[1:] >= 1.5 * sizes[:-1]).all(), 'alike ones should have been merged'
    assert found.boxes.dtype == found.rois.dtype == found.scores.dtype == np.float32


def test_an_empty_image_has_nobody(make_detector):
    found = make_detector(budget_ms=None).detect(frame(320, 240))
    assert found.boxes.shape == found.rois.shape == (0, 4)
    assert found.scores.shape == (0,)


def test_known_people_are_not_found_again(make_detector):
    detector = make_detector(budget_ms=None)
    seen = frame(320, 240, spot=(160, 120, 6))
    found = detector.detect(seen)
    assert len(found)
    assert len(detector.detect(seen, known_boxes=found.boxes)) == 0
    assert len(detector.detect(seen, known_boxes=found.boxes + 300)) == len(found)
    assert len(detector.detect(seen, known_boxes=np.zeros((0, 4)))) == len(found)
    assert len(detector.detect(frame(320, 240), known_boxes=found.boxes)) == 0


def test_budget_limits_the_tiles_of_a_frame(make_detector, monkeypatch):
    detector = make_detector(budget_ms=10)
    monkeypatch.setattr(
        'metrichmsr_ros.perception.tiles.time.perf_counter',
        lambda: 0.004 * detector._network.calls,
    )
    detector.detect(frame(640, 480))
    assert detector._network.calls == 2


def test_bad_arguments_are_refused(make_detector):
    with pytest.raises(ValueError, match='min_score'):
        make_detector(min_score=1.0)
    with pytest.raises(ValueError, match='budget_ms'):
        make_detector(budget_ms=0)
    grey = Frame(image=np.zeros((4, 4), np.uint8), camera=Camera.uncalibrated(4, 4), stamp=0)
    with pytest.raises(ValueError, match='must be uint8'):
        make_detector().detect(grey)


def test_missing_file_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(AssetError, match=r'blazepose\.assets'):
        BlazePoseDetector()
