"""Walking and standing: feet, seams, limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.joints import pose_joints
from metrichmsr_ros.data.synthetic.motion import Build, Ellipse, Motion, stand, walk
from metrichmsr_ros.data.synthetic.skeleton import solve_leg, turn, X

FRAMES = 96
ANKLES = (7, 8)
BALLS = (10, 11)


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def build(body: BodyModel) -> Build:
    beta = torch.zeros(1, 10)
    return Build.of(body.rest_vertices(beta)[0].numpy(), body.rest_joints(beta)[0].numpy())


@pytest.fixture(scope='module')
def walking(build: Build) -> Motion:
    path = Ellipse((0.1, -3.1), (0.95, 0.7))
    return walk(build, path, steps=10, frames=FRAMES, style=np.ones(4))


def joints_of(motion: Motion, build: Build) -> np.ndarray:
    rotations = Rotation.from_rotvec(motion.pose.reshape(-1, 3)).as_matrix()
    joints, _ = pose_joints(rotations.reshape(-1, 24, 3, 3), build.rest)
    return joints + (motion.pelvis - build.rest[0])[:, None]


def surface_of(motion: Motion, body: BodyModel, every: int) -> np.ndarray:
    rest = body.rest_joints(torch.zeros(1, 10))[0, 0].numpy()
    pose = motion.pose[::every]
    return body.pose_numpy(pose, np.zeros((len(pose), 10)), motion.pelvis[::every] - rest)[0]


def test_lowest_vertex_is_on_the_floor(walking: Motion, body: BodyModel) -> None:
    lowest = surface_of(walking, body, every=3)[:, :, 1].min(1)
    assert np.abs(lowest).max() < 0.02


def test_stance_foot_does_not_slide(walking: Motion, build: Build) -> None:
    joints = joints_of(walking, build)
    speed = np.linalg.norm(np.roll(joints, -1, 0) - joints, axis=-1)
    for ball in BALLS:
        flat = np.abs(joints[:, ball, 1] - build.rest[ball, 1]) < 1e-3
        both = flat & np.roll(flat, -1)
        assert both.mean() > 0.3
        assert np.median(speed[both, ball]) < 1e-3


def test_one_foot_always_stands(walking: Motion, build: Build) -> None:
    joints = joints_of(walking, build)
    assert (joints[:, BALLS, 1] - build.rest[list(BALLS), 1]).min(1).max() < 0.02


@pytest.mark.parametrize('kind', ['walk', 'stand'])
def test_loop_has_no_seam(walking: Motion, build: Build, kind: str) -> None:
    standing = stand(build, (0.0, -3.0), 0.4, frames=FRAMES, style=np.ones(4))
    joints = joints_of(walking if kind == 'walk' else standing, build)
    steps = np.linalg.norm(np.roll(joints, -1, 0) - joints, axis=-1).max(1)
    assert steps[-1] < 1.5 * np.median(steps) + 1e-3


def test_knees_bend_forwards_and_never_lock(walking: Motion, build: Build) -> None:
    joints = joints_of(walking, build)
    facing = Rotation.from_rotvec(walking.pose[:, 0]).apply([0, 0, 1])
    for hip, knee, ankle in ((1, 4, 7), (2, 5, 8)):
        middle = (joints[:, hip] + joints[:, ankle]) / 2
        assert ((joints[:, knee] - middle) * facing).sum(-1).min() > 0


def test_heading_follows_the_path() -> None:
    points, heading = Ellipse((1.0, -3.0), (1.2, 0.5), start=0.3).at(np.linspace(0, 1, 400))
    moved = np.diff(points, axis=0)[:, [0, 2]]
    along = np.stack([np.sin(heading), np.cos(heading)], -1)[:-1]
    cosine = (moved * along).sum(-1) / np.linalg.norm(moved, axis=-1)
    assert cosine.min() > 0.999
    assert np.linalg.norm(moved, axis=-1).std() < 0.02 * np.linalg.norm(moved, axis=-1).mean()


def test_odd_steps_are_refused(build: Build) -> None:
    with pytest.raises(ValueError, match='steps=7'):
        walk(build, Ellipse((0, -3), (1, 1)), steps=7, frames=8, style=np.ones(4))


def test_leg_reaches_its_goal() -> None:
    rng = np.random.default_rng(3)
    thigh, shank = np.array([0.01, -0.4, 0.02]), np.array([0.0, -0.41, -0.03])
    hip = rng.normal(size=(50, 3))
    goal = hip + turn(X, rng.uniform(-0.8, 0.8, 50)) @ [0.05, -0.7, 0.0]
    R_thigh, R_shank = solve_leg(hip, goal, np.tile(X, (50, 1)), thigh=thigh, shank=shank)
    np.testing.assert_allclose(hip + R_thigh @ thigh + R_shank @ shank, goal, atol=1e-9)
    np.testing.assert_allclose(
        R_thigh @ R_thigh.transpose(0, 2, 1), np.tile(np.eye(3), (50, 1, 1)), atol=1e-9
    )
