"""Videos of fabricated data sets, scored with estimates whose errors are known."""

from __future__ import annotations

import json
from pathlib import Path
import pickle

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.cli import main
from metrichmsr_ros.data.datasets.arrays import DatasetError
from metrichmsr_ros.evaluate_sequences import (
    evaluate_sequences,
    load_bodies,
    read_sequences,
)
from metrichmsr_ros.structures import People, TrackState

FRAMES = 8
K = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]])


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


def fabricate(root: Path) -> str:
    """Write a walk before a moving camera in the layout of EMDB, with pictures of nothing."""
    rng = np.random.default_rng(0)
    turns = Rotation.from_rotvec(0.02 * np.arange(FRAMES)[:, None] * [0.0, 1, 0]).as_matrix()
    T_cam_world = np.tile(np.eye(4), (FRAMES, 1, 1))
    T_cam_world[:, :3, :3] = turns
    T_cam_world[:, :3, 3] = [0.0, 0.0, 4.0]
    upright = np.tile([np.pi, 0, 0], (FRAMES, 1)) + 0.02 * rng.normal(size=(FRAMES, 3))
    walk = np.linspace(0, 0.8, FRAMES)[:, None] * [1.0, 0, 0.3]
    content = {
        'gender': 'female', 'name': 'P0_09_outdoor_walk', 'emdb1': False, 'emdb2': True,
        'n_frames': FRAMES, 'good_frames_mask': np.ones(FRAMES, bool),
        'camera': {'intrinsics': K, 'extrinsics': T_cam_world, 'width': 320, 'height': 240},
        'smpl': {
            'poses_root': upright, 'poses_body': 0.1 * rng.normal(size=(FRAMES, 69)),
            'trans': walk, 'betas': 0.5 * rng.normal(size=10),
        },
        'bboxes': {
            'bboxes': np.full((FRAMES, 4), [60.0, 20, 260, 220]),
            'invalid_idxs': np.array([], int),
        },
    }  # fmt: skip
    folder = root / 'P0' / '09_outdoor_walk'
    (folder / 'images').mkdir(parents=True)
    (folder / 'P0_09_outdoor_walk_data.pkl').write_bytes(pickle.dumps(content))
    for i in range(FRAMES):
        cv2.imwrite(str(folder / 'images' / f'{i:05d}.jpg'), np.zeros((240, 320, 3), np.uint8))
    return f'emdb2:{root}'


class Landmarker:
    """Reads nothing; counts the images."""

    def __init__(self) -> None:
        self.boxes: list[np.ndarray] = []

    def read_boxes(self, image, boxes):
        assert image.shape == (240, 320, 3)
        self.boxes.append(boxes)


class Truth:
    """Knows the truth, scaled about the camera and moved by millimetres."""

    name = 'truth'

    def __init__(self, source: str, body: BodyModel, *, scale: float = 1.0, noise: float = 0.0):
        (sequence,) = read_sequences(source)
        shape = torch.tensor(sequence.shape[None], dtype=torch.float32)
        pelvis = body.rest_joints(shape)[0, 0].double().numpy()
        self.labels, self.body = sequence.in_camera(pelvis), body
        self.scale, self.rng, self.noise, self.next = scale, np.random.default_rng(1), noise, 0

    def estimate(self, frame, landmarks) -> People:
        i, self.next = self.next, self.next + 1
        pose, shape = self.labels.pose[i][None], self.labels.shape[i][None]
        vertices, joints = self.body.pose_numpy(pose, shape, self.labels.translation[i][None])
        shift = self.noise * self.rng.normal(size=3)
        return People(
            ids=('',), states=(TrackState.NEW,), scores=np.ones(1, np.float32),
            boxes=np.array([[0, 0, 1, 1]], np.float32), pose=pose.astype(np.float32),
            shape=shape.astype(np.float32), translation=np.zeros((1, 3), np.float32),
            vertices=(self.scale * vertices + shift).astype(np.float32),
            joints=(self.scale * joints + shift).astype(np.float32),
            pelvis_covariance=np.zeros((1, 3, 3), np.float32),
            heights=self.body.heights(torch.tensor(shape, dtype=torch.float32)).numpy(),
            velocities=np.zeros((1, 3), np.float32), body_model=self.body.name,
        )  # fmt: skip


def scores(root: Path, body: BodyModel, **errors: float) -> dict[str, float]:
    source = fabricate(root)
    landmarker = Landmarker()
    figures = evaluate_sequences(
        read_sequences(source),
        estimator=Truth(source, body, **errors),
        landmarker=landmarker,
        bodies={'female': body},
    )
    assert len(landmarker.boxes) == FRAMES
    np.testing.assert_array_equal(landmarker.boxes[0], [[60, 20, 260, 220]])
    return figures


def test_the_truth_has_no_errors(tmp_path, body):
    figures = scores(tmp_path, body)
    assert set(figures) == {
        'mpjpe_mm', 'pa_mpjpe_mm', 'pve_mm', 'accel_m_s2', 'g_mpjpe_mm', 'root_error_percent',
        'height_mm', 'wa_mpjpe_mm', 'w_mpjpe_mm', 'rte_percent', 'erve_mm', 'jitter',
        'foot_sliding_mm',
    }  # fmt: skip
    for name in set(figures) - {'jitter', 'foot_sliding_mm'}:
        assert figures[name] == pytest.approx(0, abs=0.05), name
    assert figures['jitter'] > 0  # the truth's own


def test_a_wrong_scale_shows_in_the_metric_figures(tmp_path, body):
    figures = scores(tmp_path, body, scale=1.3)
    assert figures['root_error_percent'] == pytest.approx(30, abs=0.1)
    assert figures['pa_mpjpe_mm'] == pytest.approx(0, abs=0.05)
    assert figures['mpjpe_mm'] > 80
    assert figures['g_mpjpe_mm'] > 1000
    assert figures['rte_percent'] > 2
    assert figures['erve_mm'] > 10


def test_a_trembling_place_shows_over_time(tmp_path, body):
    figures = scores(tmp_path, body, noise=0.05)
    assert figures['mpjpe_mm'] == pytest.approx(0, abs=0.05)
    assert figures['accel_m_s2'] == pytest.approx(0, abs=0.2)
    assert figures['g_mpjpe_mm'] == pytest.approx(80, abs=30)
    assert figures['erve_mm'] > 50
    assert figures['jitter'] > 1000


def test_what_is_missing_is_named(tmp_path, body):
    source = fabricate(tmp_path)
    with pytest.raises(ValueError, match="begins with 3dpw:, emdb1:, emdb2:, got 'rich:x'"):
        read_sequences('rich:x')
    with pytest.raises(ValueError, match='holds no SMPL_MALE, SMPL_FEMALE or SMPL_NEUTRAL'):
        load_bodies(tmp_path)
    arguments = {'estimator': Truth(source, body), 'landmarker': Landmarker()}
    with pytest.raises(DatasetError, match="no body for gender 'female'"):
        evaluate_sequences(read_sequences(source), bodies={'male': body}, **arguments)
    next(tmp_path.glob('P0/*/images/00000.jpg')).unlink()
    with pytest.raises(DatasetError, match=r'00000\.jpg: not a readable image'):
        evaluate_sequences(read_sequences(source), bodies={'female': body}, **arguments)


def test_by_command(tmp_path, body, capsys, monkeypatch):
    source = fabricate(tmp_path / 'emdb')
    module = 'metrichmsr_ros.perception.blazepose.landmarker.BlazePoseLandmarker'
    monkeypatch.setattr(module, lambda _: Landmarker())
    monkeypatch.setattr(
        'metrichmsr_ros.evaluate_sequences.load_bodies', lambda _: {'female': body}
    )
    truth = Truth(source, body)
    monkeypatch.setattr('metrichmsr_ros.models.methods.build_method', lambda *_, **__: truth)
    command = ['evaluate', source, '--method', 'metrichmr']
    assert main(command) == 2
    assert 'needs --method and --smpl' in capsys.readouterr().err
    report = tmp_path / 'report.json'
    assert main([*command, '--smpl', str(tmp_path), '--json', str(report)]) == 0
    assert 'rte_percent' in capsys.readouterr().out
    assert json.loads(report.read_text())['mpjpe_mm'] < 0.1
