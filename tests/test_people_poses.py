"""Procedural poses: reproducible, within joint limits, mirrored and mixed rightly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.body.joints import JOINT_INDEX
from metrichmsr_ros.body.skinning import rotation_matrices
from metrichmsr_ros.data.people.pose_bank import BODY_PARTS, mirror, MIRRORED, PoseBank
from metrichmsr_ros.data.people.procedural import procedural_poses


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def bank(body) -> PoseBank:
    return PoseBank.procedural(3000, 7, body=body)


@pytest.fixture(scope='module')
def posed(body, bank):
    return BodyPoints(body)(rotation_matrices(bank.poses), torch.zeros(len(bank), 10))


def bend(joints, a, b, c):
    """Angle between the bones a-b and b-c, degrees."""
    first, second = (joints[:, JOINT_INDEX[b]] - joints[:, JOINT_INDEX[a]],
                     joints[:, JOINT_INDEX[c]] - joints[:, JOINT_INDEX[b]])  # fmt: skip
    cosine = torch.nn.functional.cosine_similarity(first, second, dim=-1)
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))


def test_reproducible(body):
    first, again = (procedural_poses(60, body, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (60, 24, 3)
    assert first.dtype == np.float32
    assert not np.array_equal(first, procedural_poses(60, body, seed=6))
    with pytest.raises(ValueError, match='n=0'):
        procedural_poses(0, body, seed=0)


@pytest.mark.parametrize('side', ['left', 'right'])
def test_joint_limits(bank, posed, side):
    R = rotation_matrices(bank.poses)
    elbow = bend(posed.joints, f'{side}_shoulder', f'{side}_elbow', f'{side}_wrist')
    knee = bend(posed.joints, f'{side}_hip', f'{side}_knee', f'{side}_ankle')
    assert float(elbow.max()) < 155
    assert float(knee.max()) < 160
    # A knee bends backwards only: the shank's front turns about the body's left.
    assert float(R[:, JOINT_INDEX[f'{side}_knee'], 2, 1].min()) > -0.1
    # An elbow bends its forearm to the front of the upper arm only: no hinge is overstretched.
    sign = 1.0 if side == 'left' else -1.0
    forearm = R[:, JOINT_INDEX[f'{side}_elbow']] @ torch.tensor([sign, 0.0, 0.0])
    assert float(forearm[:, 2].min()) > -0.2


def test_diverse(posed):
    joints, landmarks = posed
    hips_to_head = joints[:, JOINT_INDEX['head']] - joints[:, 0]
    upright = hips_to_head[:, 1] / hips_to_head.norm(dim=-1)
    assert 0.6 < float((upright > 0.85).float().mean()) < 0.95
    assert float((upright < 0.3).float().mean()) > 0.03
    height = landmarks[..., 1].amax(-1) - landmarks[..., 1].amin(-1)
    assert float(height.quantile(0.1)) < 1.1
    assert float(height.quantile(0.9)) > 1.45
    above = joints[:, [20, 21], 1] > joints[:, [16, 17], 1]
    assert 0.05 < float(above.float().mean()) < 0.4


def test_few_hands_are_inside_the_trunk(posed):
    joints = posed.joints
    low, high = joints[:, 3:4], joints[:, 9:10]
    axis = high - low
    wrists = joints[:, [20, 21]]
    along = (((wrists - low) * axis).sum(-1) / (axis * axis).sum(-1)).clamp(0, 1)
    gap = (wrists - low - along[..., None] * axis).norm(dim=-1)
    assert float((gap < 0.07).float().mean()) < 0.02


def test_mirror(body, bank):
    pose = bank.poses[:50]
    assert torch.equal(mirror(mirror(pose)), pose)
    points, shape = BodyPoints(body), torch.zeros(50, 10)
    ours = points(rotation_matrices(pose), shape).joints
    theirs = points(rotation_matrices(mirror(pose)), shape).joints
    flipped = ours[:, list(MIRRORED)] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(theirs, flipped, atol=1e-3, rtol=0)  # the body is hardly askew


def members(part: int) -> list[int]:
    return [joint for joint in range(24) if BODY_PARTS[joint] == part]


def test_draw_mixes_legs_trunk_and_arms(bank):
    generator = torch.Generator().manual_seed(0)
    drawn = bank.draw(40, generator, mixed=1.0, mirrored=0.0)
    assert members(0) == [0, 1, 2, 4, 5, 7, 8, 10, 11]
    assert members(1) == [3, 6, 9, 12, 15]
    assert members(2) == [13, 16, 18, 20, 22]
    sources = []
    for part in range(4):
        joints = members(part)
        distances = (drawn[:, None, joints] - bank.poses[None, :, joints]).abs().amax((-1, -2))
        assert float(distances.amin(-1).max()) == 0
        sources.append(distances.argmin(-1))
    assert (sources[0] != sources[1]).float().mean() > 0.9
    assert (sources[2] != sources[3]).float().mean() > 0.9
    plain = bank.draw(40, generator, mixed=0.0, mirrored=0.0)
    whole = (plain[:, None] - bank.poses[None]).abs().amax((-1, -2)).amin(-1)
    assert float(whole.max()) == 0


def test_draw_blends_parts_of_two_poses_and_keeps_the_root():
    low, high = torch.zeros(24, 3), torch.full((24, 3), 0.8)
    pair = PoseBank(torch.stack([low, high]))
    drawn = pair.draw(400, torch.Generator().manual_seed(0), mixed=0.0, mirrored=0.0, blended=1.0)
    assert drawn[:, 0].unique().tolist() == pytest.approx([0.0, 0.8])
    for part in range(4):
        joints = [joint for joint in members(part) if joint]
        values = drawn[:, joints]
        torch.testing.assert_close(values, values[:, :1, :1].expand_as(values))
        between = (values[:, 0, 0] > 0.05) & (values[:, 0, 0] < 0.75)
        assert 0.3 < float(between.float().mean()) < 0.6  # of half the draws both are the same


def test_bank(bank):
    assert len(bank.joined(bank)) == 2 * len(bank)
    with pytest.raises(ValueError, match='24, 3'):
        PoseBank(torch.zeros(4, 22, 3))
    with pytest.raises(ValueError, match='finite'):
        PoseBank(torch.full((1, 24, 3), torch.nan))
