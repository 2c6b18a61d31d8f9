"""The network with ViTPose; what all sizes share is in test_metric_hmr.py."""

from dataclasses import fields
import json
from pathlib import Path
import sys

from made_images import CAMERA, made_frame, made_images, shaken, TINY, turned_images
from made_predictions import assert_same, turned_people
import numpy as np
import pytest
import roma
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.models.checkpoint import CheckpointError
from metrichmsr_ros.models.methods import build_method
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.models.prediction import Prediction
from metrichmsr_ros.structures import Landmarks


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def network(body: BodyModel) -> MetricHMR:
    torch.manual_seed(0)
    return shaken(MetricHMR(TINY, body))


def test_starts_with_people_who_fill_their_crops(body: BodyModel):
    torch.manual_seed(0)
    found = MetricHMR(TINY, body)(made_images())
    assert len(found) == 3
    assert found.router.shape == (3, 2, 194, 4)
    focal, sides = CAMERA.K[0, 0], torch.tensor([300.0, 200, 700])
    torch.testing.assert_close(found.pelvis[:, 2], 2.2 * focal / sides, rtol=0.4, atol=0)
    upright = found.rotations[:, 0] @ torch.tensor([0.0, 1, 0])
    assert (upright[:, 1] < -0.5).all()  # y points down


@pytest.mark.parametrize('rotvec', [[0.0, 0, 1.5], [0.1, 0, 0], [0.05, -0.05, -0.8]])
def test_turning_the_camera_turns_the_answer(network: MetricHMR, rotvec: list[float]):
    evidence = made_images(2)
    R = roma.rotvec_to_rotmat(torch.tensor(rotvec))
    before, after = network(evidence), network(turned_images(evidence, R))
    assert_same(after, turned_people(before, R), atol=1e-3)


def test_gradients_reach_every_parameter(body: BodyModel):
    torch.manual_seed(0)
    network = MetricHMR(TINY, body)
    found = network(made_images())
    values = [getattr(found, item.name) for item in fields(Prediction)]
    sum((torch.randn_like(value) * value).sum() for value in values).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_saved_network_answers_alike(tmp_path: Path, body: BodyModel, network: MetricHMR):
    network.save_pretrained(tmp_path)
    config = json.loads((tmp_path / 'config.json').read_text())
    assert config['network']['image_encoder'] == 'vitpose'
    again = MetricHMR.from_pretrained(tmp_path, body=body)
    assert again.config == TINY
    assert_same(again(made_images()), network(made_images()), atol=0)


def test_a_checkpoint_without_its_library(
    tmp_path: Path, body: BodyModel, network: MetricHMR, monkeypatch: pytest.MonkeyPatch
):
    network.save_pretrained(tmp_path)
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(CheckpointError, match='pip install'):
        MetricHMR.from_pretrained(tmp_path, body=body)


def test_people_in_boxes(network: MetricHMR):
    frame = made_frame()
    boxes = np.array([[250.0, 120, 390, 360], [100, 100, 200, 400]])
    found = network.infer(frame.image, frame.camera, boxes)
    assert len(found) == 2
    assert not found.pelvis.requires_grad
    pixels = frame.camera.project(found.landmarks.numpy())
    assert np.abs(pixels.mean(axis=1) - [[320, 240], [150, 250]]).max() < 100
    assert len(network.infer(frame.image, frame.camera, boxes[:0])) == 0
    with pytest.raises(ValueError, match=r'image is \(10, 10, 3\): it must be \(480, 640, 3\)'):
        network.infer(np.zeros((10, 10, 3), np.uint8), frame.camera, boxes)


def test_is_an_estimator(tmp_path: Path, body: BodyModel, network: MetricHMR):
    network.save_pretrained(tmp_path)
    estimator = build_method('metrichmr', body, checkpoint=tmp_path)
    rois = np.array([[320, 240, 300, 0.0]], np.float32)
    zeros = np.zeros((1, 33), np.float32)
    landmarks = Landmarks(
        image=np.full((1, 33, 3), np.nan, np.float32), world=np.zeros((1, 33, 3), np.float32),
        visibility=zeros, presence=zeros, scores=np.array([0.8], np.float32),
        boxes=np.zeros((1, 4), np.float32), rois=rois, next_rois=rois,
    )  # fmt: skip
    people = estimator.estimate(made_frame(), landmarks)
    assert len(people) == 1
    assert np.isfinite(people.vertices).all()
    assert len(estimator.estimate(made_frame(), landmarks.select([]))) == 0


def test_landmark_ik_has_no_checkpoint(tmp_path: Path, body: BodyModel):
    with pytest.raises(ValueError, match='landmark_ik has none'):
        build_method('landmark_ik', body, checkpoint=tmp_path)
