"""Running a method on an index, with a stand-in for the landmark networks."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.landmarks import LANDMARK_NAMES
from metrichmsr_ros.data.index import read_index
from metrichmsr_ros.data.predictions import write_predictions
from metrichmsr_ros.infer import check_images, infer, landmark_finder
from metrichmsr_ros.models.methods import build_method
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.models.network_config import MetricHMRConfig
from metrichmsr_ros.models.network_estimator import NetworkEstimator
from metrichmsr_ros.perception.blazepose.assets import AssetError, find_assets
from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker
from metrichmsr_ros.perception.detection import detections_from_boxes
from metrichmsr_ros.structures import Frame, Landmarks

WIDTH, HEIGHT = 160, 120
REAL_INDEX = Path(__file__).parents[2] / 'shared' / 'data' / 'real' / 'index.json'


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture
def index(tmp_path):
    K = [[150.0, 0, 80], [0, 150, 60], [0, 0, 1]]
    images = []
    for name in ('one', 'nobody'):
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        box = {'bbox_xyxy': [60, 20, 100, 110]}
        people = [box] if name == 'one' else []
        size = {'width': WIDTH, 'height': HEIGHT}
        images.append({'file': f'{name}.png', **size, 'K': K, 'people': people})
    path = tmp_path / 'index.json'
    path.write_text(json.dumps({'schema': 1, 'images': images}))
    return read_index(path)


def standing(body: BodyModel):
    """Return a finder that sees one standing person in every image whose index has one."""
    import torch

    rest = body.blazepose(body.rest_vertices(torch.zeros(1, 10))).numpy()
    world = rest * np.array([1.0, -1, -1], np.float32)

    def find(image, frame):
        count = len(image.people)
        points = np.repeat(world, count, axis=0)
        pixels = frame.camera.project(points + np.array([0, 0.3, 4], np.float32))
        low, high = (getattr(pixels, end)(axis=1) for end in ('min', 'max'))
        rois = np.column_stack([(low + high) / 2, np.full(count, 120.0), np.zeros(count)])
        ones = np.ones((count, 33), np.float32)
        return Landmarks(
            image=np.concatenate([pixels, np.zeros((count, 33, 1), np.float32)], axis=2),
            world=points,
            visibility=ones,
            presence=ones,
            scores=np.full(count, 0.75, np.float32),
            boxes=np.concatenate([low, high], axis=1),
            rois=rois.astype(np.float32),
            next_rois=rois.astype(np.float32),
        )

    return find


def run(index, body, **options):
    estimator = build_method('landmark_ik', body)
    return infer(index, estimator=estimator, body=body, find_landmarks=standing(body), **options)


def test_router_pictures(index, body, tmp_path):
    config = MetricHMRConfig(dim=16, expert_hidden=16, person_hidden=16, head_hidden=16)
    estimator = NetworkEstimator(MetricHMR(config, body), body)
    folder = tmp_path / 'router'
    infer(index, estimator=estimator, body=body, find_landmarks=standing(body), router_dir=folder)
    pictures = {path.stem: cv2.imread(str(path)) for path in folder.iterdir()}
    assert set(pictures) == {'one', 'nobody'}
    assert pictures['one'].shape == (HEIGHT, 4 * WIDTH, 3)
    middle = slice(HEIGHT // 2, None)  # below the legend
    assert pictures['one'][middle].any()
    assert not pictures['nobody'][middle].any()


def test_a_method_without_router_has_no_router_pictures(index, body, tmp_path):
    with pytest.raises(ValueError, match="'landmark_ik' has no router"):
        run(index, body, router_dir=tmp_path / 'router')
    assert not (tmp_path / 'router').exists()


def test_file_follows_the_schema(index, body, tmp_path):
    write_predictions(tmp_path / 'out.json', run(index, body))
    document = json.loads((tmp_path / 'out.json').read_text())
    assert document['schema'] == 1
    assert document['method'] == 'landmark_ik'
    assert document['body_model'] == body.name
    assert [image['file'] for image in document['images']] == ['one.png', 'nobody.png']
    assert all(image['seconds'] >= 0 for image in document['images'])
    assert document['images'][1]['people'] == []
    (person,) = document['images'][0]['people']
    assert set(person) == {
        'id', 'score', 'bbox_xyxy', 'pose', 'shape', 'translation', 'joint_names', 'joints',
        'landmarks', 'height', 'pelvis_sigma',
    }  # fmt: skip
    sizes = {'bbox_xyxy': 4, 'pose': 72, 'shape': 10, 'translation': 3, 'joint_names': 24}
    assert {name: len(person[name]) for name in sizes} == sizes
    assert np.shape(person['joints']) == (24, 3)
    assert set(person['landmarks']) == set(LANDMARK_NAMES)
    assert person['score'] == 0.75
    assert 0.05 < person['pelvis_sigma'] < 0.5
    assert 1.5 < person['height'] < 1.9
    hips = [person['landmarks'][f'{side}_hip'] for side in ('left', 'right')]
    np.testing.assert_allclose(np.mean(hips, axis=0), person['landmarks']['pelvis'], atol=1e-4)


def test_predicted_parameters_give_the_predicted_joints(index, body):
    person = run(index, body).images[0].people[0]
    _, joints = body.pose_numpy(person.pose[None], person.shape[None], person.translation[None])
    np.testing.assert_allclose(joints[0], person.joints, atol=1e-4)


def test_depth_is_that_of_the_people_and_unknown_elsewhere(index, body, tmp_path):
    predictions = run(index, body, depth_dir=tmp_path / 'depth')
    seen, nobody = (
        np.load(tmp_path / 'depth' / f'{name}.npz')['depth_z'] for name in ('one', 'nobody')
    )
    assert seen.shape == nobody.shape == (HEIGHT, WIDTH)
    assert seen.dtype == np.float32
    assert np.isnan(nobody).all()
    pelvis = predictions.images[0].people[0].joints[0]
    column, row = index[0].camera.project(pelvis).round().astype(int)
    assert seen[row, column] == pytest.approx(pelvis[2], abs=0.2)
    assert np.isnan(seen[0, 0])


def test_with_true_boxes_each_prediction_keeps_its_box(index, body):
    one, nobody = run(index, body, true_boxes=True).images
    np.testing.assert_array_equal(one.people[0].box, index[0].people[0].box)
    assert nobody.people == ()


@pytest.mark.parametrize(('true_boxes', 'looks'), [(True, 6), (False, 5)])
def test_a_true_box_is_looked_at_once_more(monkeypatch, index, body, true_boxes, looks):
    # A box says neither how the person is turned nor how far padded it is: one look more.
    class Network(BlazePoseLandmarker):
        def __init__(self):
            pass

        def read(self, image, rois, *, passes, mirrored):
            self.passes = passes
            assert mirrored
            return standing(body)(index[1], frame)

    class Detector:
        def __init__(self, assets, *, budget_ms):
            pass

        def detect(self, frame):
            return detections_from_boxes(np.array([[60.0, 20, 100, 110]]))

    network = Network()
    monkeypatch.setattr('metrichmsr_ros.infer.BlazePoseLandmarker', lambda _: network)
    monkeypatch.setattr('metrichmsr_ros.infer.BlazePoseDetector', Detector)
    frame = Frame(index[0].read_image(), index[0].camera, 0)
    landmark_finder(true_boxes=true_boxes)(index[0], frame)
    assert network.passes == looks


def test_images_that_would_share_a_depth_file_are_refused(index, body, tmp_path):
    twice = (index[0], index[0])
    with pytest.raises(ValueError, match=r'share the depth file one\.npz'):
        run(twice, body, depth_dir=tmp_path / 'depth')


def test_every_image_is_checked_before_a_run(index):
    check_images(index)
    index[1].path.unlink()
    with pytest.raises(ValueError, match=r'nobody\.png is missing'):
        check_images(index)


def test_corrupt_image_is_refused_by_name(index, body):
    index[1].path.write_bytes(b'\xff\xd8 half a photograph')
    with pytest.raises(ValueError, match=r'nobody\.png is not a readable image'):
        run(index, body)


def test_unknown_method_names_the_known_ones(body):
    with pytest.raises(ValueError, match="unknown method 'magic'; there is metrichmr"):
        build_method('magic', body)


@pytest.mark.slow
def test_real_photographs_with_true_boxes(body):
    if not REAL_INDEX.exists():
        pytest.skip('the photographs with truth are not on this machine')
    try:
        find_assets()
    except AssetError as error:
        pytest.skip(str(error))
    images = [image for image in read_index(REAL_INDEX) if image.source == 'pose2sim'][::5]
    predictions = infer(
        images,
        estimator=build_method('landmark_ik', body),
        body=body,
        find_landmarks=landmark_finder(true_boxes=True),
    )
    for image, predicted in zip(images, predictions.images, strict=True):
        (person,), (truth,) = predicted.people, image.people
        root = person.landmarks['pelvis']
        distance = np.linalg.norm(truth.joints['pelvis'])
        assert np.linalg.norm(root - truth.joints['pelvis']) < 0.12 * distance
