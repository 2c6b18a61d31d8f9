from pathlib import Path

import numpy as np
import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.models import checkpoint
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.methods import build_method
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.models.network_config import MetricHMRConfig
from metrichmsr_ros.models.network_estimator import NAME, NetworkEstimator, SHIPPED
from metrichmsr_ros.perception.blazepose.assets import (
    AssetError,
    best_landmark_network,
    find_assets,
    LANDMARK_NETWORKS,
)
from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.detection import detections_from_boxes
from metrichmsr_ros.perception.pipeline import build_pipeline
from metrichmsr_ros.structures import Frame, Landmarks, TrackState

CAMERA = Camera.from_fov(640, 480, 1.0)
FRAME = Frame(np.zeros((480, 640, 3), np.uint8), CAMERA, 0)


@pytest.fixture(scope='module')
def estimator() -> NetworkEstimator:
    torch.manual_seed(0)
    body = BodyModel.load()
    config = MetricHMRConfig(dim=32, expert_hidden=16, person_hidden=32, head_hidden=32)
    return NetworkEstimator(MetricHMR(config, body), body)


@pytest.fixture(scope='module')
def landmarks(estimator: NetworkEstimator) -> Landmarks:
    """Landmarks of an adult in the rest pose, facing the camera, at 3 and at 6 m."""
    body = estimator.body
    points = body.blazepose(body.rest_vertices(torch.zeros(1, 10)))[0].numpy()
    points = points * [1, -1, -1]
    people = points + np.array([[[0.2, 0, 3.0]], [[-0.8, 0, 6.0]]])
    pixels = CAMERA.project(people)
    hips = people[:, 23:25].mean(axis=1, keepdims=True)
    middle = (pixels.min(axis=1) + pixels.max(axis=1)) / 2
    side = 2.2 * CAMERA.K[0, 0] / hips[:, 0, 2:]
    depth = (people - hips)[..., 2:] / 2.2 * side[:, None]
    ones = np.ones((2, 33), np.float32)
    rois = np.column_stack([middle, side, np.zeros(2)]).astype(np.float32)
    return Landmarks(
        image=np.concatenate([pixels, depth], axis=-1).astype(np.float32),
        world=(people - hips).astype(np.float32), visibility=ones, presence=ones,
        scores=np.array([0.9, 0.7], np.float32), boxes=np.zeros((2, 4), np.float32),
        rois=rois, next_rois=rois,
    )  # fmt: skip


def test_estimates_people(estimator: NetworkEstimator, landmarks: Landmarks):
    people = estimator.estimate(FRAME, landmarks)
    assert len(people) == 2
    assert people.ids == ('', '')
    assert people.states == (TrackState.NEW,) * 2
    assert np.isnan(people.velocities).all()
    assert people.body_model == estimator.body.name
    confidence = estimator.predict(FRAME, landmarks).confidence.numpy()
    np.testing.assert_allclose(people.scores, landmarks.scores * confidence, rtol=1e-6)
    assert ((confidence > 0) & (confidence < 1)).all()
    # Untrained, the network knows the mean person, and where this one is by the rays.
    np.testing.assert_allclose(people.pelvis[:, 2], [3, 6], rtol=0.15)
    vertices, joints = estimator.body.pose_numpy(people.pose, people.shape, people.translation)
    np.testing.assert_allclose(people.vertices, vertices, atol=1e-5)
    np.testing.assert_allclose(people.joints, joints, atol=1e-5)
    for name in ('scores', 'boxes', 'pose', 'shape', 'pelvis_covariance', 'heights'):
        value = getattr(people, name)
        assert value.dtype == np.float32, name
        assert np.isfinite(value).all(), name
    assert (np.linalg.eigvalsh(people.pelvis_covariance) > 0).all()


def test_image_boxes_hold_the_surfaces(estimator: NetworkEstimator, landmarks: Landmarks):
    people = estimator.estimate(FRAME, landmarks)
    pixels = CAMERA.project(people.vertices)
    np.testing.assert_allclose(people.boxes[:, :2], pixels.min(axis=1), atol=1e-3)
    np.testing.assert_allclose(people.boxes[:, 2:], pixels.max(axis=1), atol=1e-3)


def test_nobody(estimator: NetworkEstimator, landmarks: Landmarks):
    people = estimator.estimate(FRAME, landmarks.select([]))
    assert len(people) == 0
    assert people.vertices.shape == (0, estimator.body.num_vertices, 3)


def test_gates_of_landmarks_sum_to_one_and_are_alike_in_global_blocks(
    estimator: NetworkEstimator, landmarks: Landmarks
):
    gates = estimator.landmark_gates(FRAME, landmarks)
    assert gates.shape == (2, 4, 33, 4)
    np.testing.assert_allclose(gates.sum(axis=-1), 1, rtol=1e-5)
    assert np.ptp(gates[:, :2], axis=2).max() > 1e-4
    assert np.ptp(gates[:, 2:], axis=2).max() < 1e-6
    assert estimator.landmark_gates(FRAME, landmarks.select([])).shape == (0, 4, 33, 4)


def test_a_network_without_routed_experts_has_no_gates(landmarks: Landmarks):
    body = BodyModel.load()
    config = MetricHMRConfig(
        dim=16, expert_hidden=16, person_hidden=16, head_hidden=16, routed_experts=0
    )
    dense = NetworkEstimator(MetricHMR(config, body), body)
    with pytest.raises(ValueError, match='with 0 routed experts'):
        dense.landmark_gates(FRAME, landmarks)


def test_is_a_method_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, estimator: NetworkEstimator
):
    monkeypatch.setattr(checkpoint, 'CHECKPOINTS', tmp_path)
    with pytest.raises(ValueError, match=r"no checkpoint at 'blazepose'.*ships: none does"):
        build_method(NAME, estimator.body)
    estimator.network.save_pretrained(tmp_path / 'blazepose')
    assert build_method(NAME, estimator.body).name == NAME == 'metrichmr'


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def test_each_landmark_network_has_weights_of_its_own():
    body = BodyModel.load()
    own = {name: MetricHMR.from_pretrained(SHIPPED[name], body=body) for name in LANDMARK_NETWORKS}
    assert not torch.equal(weights(own['full']), weights(own['heavy']))
    for name, network in own.items():
        estimator = build_method(NAME, body, landmark_network=name)
        assert torch.equal(weights(estimator.network), weights(network))
        chosen = build_method(NAME, body, checkpoint='blazepose', landmark_network=name)
        assert torch.equal(weights(chosen.network), weights(own['full']))
        folder = checkpoint.find_checkpoint(SHIPPED[name])
        assert sum(file.stat().st_size for file in folder.iterdir()) < 20e6


@pytest.mark.parametrize('name', LANDMARK_NETWORKS)
def test_pipelines_take_the_weights_of_their_landmark_network(name: str):
    try:
        find_assets(landmark_network=name)
    except AssetError as error:
        pytest.skip(str(error))
    pipeline = build_pipeline(PipelineConfig(device='cpu', landmark_network=name))
    expected = MetricHMR.from_pretrained(SHIPPED[name], body=pipeline.body)
    assert torch.equal(weights(pipeline._estimator.network), weights(expected))


@pytest.mark.parametrize('name', [None, 'full'])
def test_people_in_boxes_are_read_by_blazepose(estimator: NetworkEstimator, name: str | None):
    boxes = np.array([[200.0, 100, 300, 400], [350, 80, 470, 420]])
    found = estimator.network.infer(FRAME.image, CAMERA, boxes, landmark_network=name)
    assets = find_assets(landmark_network=name or best_landmark_network())
    landmarks = BlazePoseLandmarker(assets).read(
        FRAME.image, detections_from_boxes(boxes).rois, passes=6, mirrored=True
    )
    with torch.no_grad():
        expected = estimator.network(Evidence.from_landmarks(FRAME, landmarks))
    torch.testing.assert_close(found.joints, expected.joints)
    assert len(estimator.network.infer(FRAME.image, CAMERA, boxes[:0])) == 0


def test_another_body_gets_the_pose_the_pelvis_and_the_height(
    estimator: NetworkEstimator, landmarks: Landmarks, tmp_path: Path
):
    estimator.network.save_pretrained(tmp_path)
    other = BodyModel.load()
    other.name = 'SMPL_NEUTRAL'
    other.shapedirs.neg_()
    other.joint_shapedirs.neg_()
    people = NetworkEstimator.from_pretrained(tmp_path, body=other).estimate(FRAME, landmarks)
    own = estimator.estimate(FRAME, landmarks)
    assert people.body_model == 'SMPL_NEUTRAL'
    np.testing.assert_allclose(people.pose, own.pose, atol=1e-6)
    np.testing.assert_allclose(people.joints[:, 0], own.joints[:, 0], atol=1e-5)
    np.testing.assert_allclose(people.heights, own.heights, atol=0.002)
    np.testing.assert_allclose(people.shape, -own.shape, atol=0.02)
    np.testing.assert_allclose(people.vertices, own.vertices, atol=0.005)
