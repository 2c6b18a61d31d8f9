"""The real networks: on plain walls, and on photographs of the development data where they are."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.blazepose.assets import AssetError, find_assets
from metrichmsr_ros.perception.blazepose.detector import BlazePoseDetector
from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker
from metrichmsr_ros.perception.blazepose.people import is_new_person, suppress_duplicates
from metrichmsr_ros.structures import Frame

REAL = Path(__file__).parents[2] / 'shared' / 'data' / 'real'
LANDMARKS = {
    'hip': (23, 24), 'knee': (25, 26), 'ankle': (27, 28),
    'shoulder': (11, 12), 'elbow': (13, 14), 'wrist': (15, 16),
}  # fmt: skip


@pytest.fixture(scope='module')
def networks():
    try:
        assets = find_assets()
    except AssetError as error:
        pytest.skip(str(error))
    return BlazePoseDetector(assets, budget_ms=None), BlazePoseLandmarker(assets)


@pytest.fixture(scope='module')
def photographs():
    if not (REAL / 'index.json').is_file():
        pytest.skip('the development photographs are not here')
    entries = json.loads((REAL / 'index.json').read_text())['images']
    return {entry['file']: entry for entry in entries}


def read_people(networks, image):
    detector, landmarker = networks
    height, width = image.shape[:2]
    found = detector.detect(Frame(image, Camera.uncalibrated(width, height), 0))
    landmarks = landmarker.read(image, found.rois, passes=3)
    landmarks = landmarks.select(is_new_person(landmarks, width=width, height=height))
    return landmarks.select(suppress_duplicates(landmarks))


def load(photographs, name):
    entry = photographs[name]
    image = cv2.cvtColor(cv2.imread(str(REAL / name)), cv2.COLOR_BGR2RGB)
    return entry, image


@pytest.mark.parametrize('kind', ['black', 'wall', 'noise'])
def test_nobody_where_there_is_nobody(networks, kind):
    rng = np.random.default_rng(0)
    image = np.zeros((240, 320, 3), np.uint8)
    if kind == 'wall':
        image[:160] = [190, 180, 160]
        image[160:] = [90, 70, 60]
        image[60:170, 40:90] = [60, 40, 30]  # a cupboard
    if kind == 'noise':
        image = rng.integers(0, 256, image.shape, np.uint8)
    assert len(read_people(networks, image)) == 0


@pytest.mark.parametrize('view', ['cam01', 'cam03'])
def test_joints_of_a_known_man(networks, photographs, view):
    errors = []
    for number in ('000', '040'):
        entry, image = load(photographs, f'pose2sim/single_{view}_{number}.jpg')
        person = entry['people'][0]
        x_min, y_min, x_max, y_max = person['bbox_xyxy']
        size = max(x_max - x_min, y_max - y_min)
        people = read_people(networks, image)
        centres = people.image[:, [23, 24], :2].mean(axis=1)
        nearest = np.linalg.norm(centres - [(x_min + x_max) / 2, (y_min + y_max) / 2], axis=1)
        points = people.image[int(nearest.argmin())]
        for name, pair in LANDMARKS.items():
            for side, landmark in zip(('left', 'right'), pair, strict=True):
                joint = np.array([person['joints'][f'{side}_{name}']])
                pixel, _ = cv2.projectPoints(
                    joint, np.zeros(3), np.zeros(3), np.array(entry['K']), np.array(entry['D'])
                )
                errors.append(np.linalg.norm(points[landmark, :2] - pixel[0, 0]) / size)
    assert np.median(errors) < 0.03
    assert np.percentile(errors, 90) < 0.07


def test_a_pedestrian_in_a_wide_image(networks, photographs):
    entry, image = load(photographs, 'kitti/kuixu_000000.png')
    people = read_people(networks, image)
    assert len(people) == 1
    centre = people.image[0, [23, 24], :2].mean(axis=0)
    x_min, y_min, x_max, y_max = entry['people'][0]['bbox_xyxy']
    assert x_min < centre[0] < x_max
    assert y_min < centre[1] < y_max
