"""Rendered people as photographs would show them: nearer to the truth by one share of a person."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.body.joints import JOINT_INDEX
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.noise import CLEAREST
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.rendered.clearer import clearer, READ_HEIGHT
from metrichmsr_ros.models.canonical import canonical

PEOPLE = 64


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def exact(body):
    """People whom BlazePose reads without an error, but as somebody of another size."""
    config = SampleConfig(poses=200, physique=0.0, noise=0.0)
    sampler = PeopleSampler(config, body=body)
    evidence, target = sampler.sample(PEOPLE, torch.Generator().manual_seed(0))
    size = (READ_HEIGHT / target.height)[:, None, None]
    return replace(evidence, world=size * evidence.world), target


def draw(evidence, target, body, **options):
    generator = torch.Generator().manual_seed(1)
    return drawn_by(generator, evidence, target, body, **options)[0]


def drawn_by(generator, evidence, target, body, **options):
    face = body.blazepose(body.v_template)[:11]
    draws = Draws(len(target), generator)
    return clearer(draws, evidence, target, points=BodyPoints(body), face=face, **options)


def test_what_is_right_stays_but_for_its_size(exact, body):
    evidence, target = exact
    known = evidence.presence > 0
    moved = draw(evidence, target, body, physique=0.0)
    assert (moved.rays - evidence.rays).abs().max() < 1e-4
    assert (moved.relative_depth - evidence.relative_depth)[known].abs().max() < 1e-4
    # One factor for all of a person: to 1.60 m but for 6 %.
    before, after = (canonical(side).world for side in (evidence, moved))
    size = (before * after).sum((1, 2)) / before.square().sum((1, 2))
    assert (after - size[:, None, None] * before).abs().max() < 2e-3
    height = size * READ_HEIGHT
    assert height.mean() == pytest.approx(1.60, abs=0.04)
    assert 0.04 * 1.6 < height.std() < 0.08 * 1.6


def test_errors_of_a_person_shrink_by_one_share_and_its_root(exact, body):
    evidence, target = exact
    generator = torch.Generator().manual_seed(2)
    shift = 0.02 * torch.randn(evidence.rays[..., :2].shape, generator=generator)
    error = 0.1 * torch.randn(evidence.world.shape, generator=generator)
    wrong = replace(
        evidence,
        rays=evidence.rays + torch.nn.functional.pad(shift, (0, 1)),
        world=evidence.world + error,
        relative_depth=evidence.relative_depth + error[..., 2],
    )
    moved, right = (draw(side, target, body, physique=0.0) for side in (wrong, evidence))
    ahead = (target.landmarks[..., 2] > 0.3)[..., None]
    share = ((moved.rays - right.rays)[..., :2] / shift * ahead).sum((1, 2)) / (
        2 * ahead.sum((1, 2))
    )
    spread = ((moved.rays - right.rays)[..., :2] - share[:, None, None] * shift) * ahead
    assert spread.abs().max() < 1e-3
    assert share.min() >= CLEAREST - 1e-3
    assert share.max() <= 1 + 1e-3
    assert share.max() - share.min() > 0.5
    known = evidence.presence > 0
    depth = (moved.relative_depth - right.relative_depth) / error[..., 2]
    assert (depth - share.sqrt()[:, None])[known].abs().max() < 2e-2
    world = (moved.world - right.world)[known].norm(dim=-1)
    kept = (share.sqrt()[:, None].expand_as(known))[known] * error[known].norm(dim=-1)
    assert 0.8 < (world / kept).median() < 1.1


def test_unknown_landmarks_stay_unknown(exact, body):
    evidence, target = exact
    presence = evidence.presence.clone()
    presence[:, 5] = 0
    moved = draw(replace(evidence, presence=presence), target, body)
    assert not moved.world[:, 5].any()
    assert not moved.relative_depth[:, 5].any()
    assert torch.isfinite(moved.rays).all()


def test_marks_move_in_metres_and_not_in_angles(exact, body):
    evidence, target = exact
    generator = torch.Generator().manual_seed(1)
    drawn = [drawn_by(generator, evidence, target, body) for _ in range(40)]
    # Beside where the person's own landmarks are, at their own depth.
    off = torch.stack([(e.rays - t.landmarks / t.landmarks[..., 2:])[..., :2] for e, t in drawn])
    metres = off.std(0).norm(dim=-1) * target.landmarks[..., 2]
    ahead = target.landmarks[..., 2] > 0.5
    near, far = target.pelvis[:, 2] < 2.5, target.pelvis[:, 2] > 4
    for some in (near, far):
        medians = torch.stack([metres[some, i][ahead[some, i]].median() for i in range(33)])
        assert ((medians > 0.008) & (medians < 0.05)).all()
        # Hips lie higher or lower along the trunk.
        assert medians[[23, 24]].min() > 1.2 * medians[[11, 12, 13, 14, 25, 26]].max()


def test_people_have_bones_of_their_own(exact, body):
    evidence, target = exact
    generator = torch.Generator().manual_seed(1)
    drawn = [drawn_by(generator, evidence, target, body)[1] for _ in range(60)]

    def bone(side, start, end):
        joints = side.joints
        return (joints[:, JOINT_INDEX[end]] - joints[:, JOINT_INDEX[start]]).norm(dim=-1)

    for start, end, mean, spread in (
        ('left_shoulder', 'left_elbow', 0.05, 0.03),
        ('right_knee', 'right_ankle', 0.0, 0.042),
    ):
        ratio = torch.stack([bone(side, start, end) for side in drawn]) / bone(target, start, end)
        assert ratio.log().mean() == pytest.approx(mean, abs=0.01)
        assert ratio.log().std() == pytest.approx(spread, rel=0.15)
    heights = torch.stack([side.height for side in drawn])
    assert (heights.std(0) > 0.005).all()
    assert (heights.mean(0) / target.height - 1).abs().mean() < 0.01
    for side in drawn:
        assert torch.equal(side.pelvis, target.pelvis)
        assert torch.equal(side.shape, target.shape)


def test_without_physique_the_truth_stays(exact, body):
    evidence, target = exact
    generator = torch.Generator().manual_seed(1)
    _, same = drawn_by(generator, evidence, target, body, physique=0.0)
    for name, value in vars(same).items():
        assert torch.allclose(value.float(), getattr(target, name).float(), atol=1e-5), name
