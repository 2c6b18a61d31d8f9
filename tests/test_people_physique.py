"""People who are not quite the body model, and views that BlazePose reads badly."""

import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints, PosedPoints
from metrichmsr_ros.body.joints import JOINT_INDEX
from metrichmsr_ros.body.skinning import rotation_matrices
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.physique import draw_growth, draw_marks, grown_height
from metrichmsr_ros.data.people.view import rate_view

COUNT = 400


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


def grown(body: BodyModel) -> tuple[torch.Tensor, PosedPoints]:
    """Return joints at rest and how far the points of some people lie from the model's."""
    draws = Draws(COUNT, torch.Generator().manual_seed(0))
    rest = body.rest_joints(torch.zeros(COUNT, 10))
    growth = draw_growth(draws, rest)
    return rest, PosedPoints(growth, marks(body, draws, growth))


def marks(body: BodyModel, draws: Draws, growth: torch.Tensor) -> torch.Tensor:
    face = body.blazepose(body.v_template)[:11]
    return draw_marks(draws, growth, torch.full((len(growth),), 1.69), face)


def bone(points: torch.Tensor, start: str, end: str) -> torch.Tensor:
    return (points[:, JOINT_INDEX[end]] - points[:, JOINT_INDEX[start]]).norm(dim=-1)


def test_bones_keep_their_directions_and_both_sides_are_alike(body: BodyModel):
    rest, moved = grown(body)
    people = rest + moved.joints
    for kind in (('hip', 'knee'), ('knee', 'ankle'), ('shoulder', 'elbow'), ('elbow', 'wrist')):
        left, right = ([f'{side}_{name}' for name in kind] for side in ('left', 'right'))
        share = bone(people, *left) / bone(rest, *left)
        torch.testing.assert_close(share, bone(people, *right) / bone(rest, *right))
        assert 0.01 < share.std() < 0.06
        between = [points[:, JOINT_INDEX[left[1]]] - points[:, JOINT_INDEX[left[0]]]
                   for points in (people, rest)]  # fmt: skip
        cosine = torch.nn.functional.cosine_similarity(*between, dim=-1)
        torch.testing.assert_close(cosine, torch.ones(COUNT))
    assert (moved.joints[:, 0] == 0).all()


def test_arms_are_longer_than_the_model_s_and_legs_are_not(body: BodyModel):
    rest, moved = grown(body)
    people = rest + moved.joints
    forearm = bone(people, 'left_elbow', 'left_wrist') / bone(rest, 'left_elbow', 'left_wrist')
    shank = bone(people, 'left_knee', 'left_ankle') / bone(rest, 'left_knee', 'left_ankle')
    assert forearm.mean() == pytest.approx(1.05, abs=0.01)
    assert shank.mean() == pytest.approx(1.0, abs=0.01)


def test_height_grows_with_legs_trunk_and_neck(body: BodyModel):
    rest, moved = grown(body)
    height = grown_height(torch.full((COUNT,), 1.69), moved.joints)
    people = rest + moved.joints
    span = (people - rest)[:, JOINT_INDEX['head'], 1] - (people - rest)[:, [7, 8], 1].mean(1)
    torch.testing.assert_close(height - 1.69, span)
    assert 0.01 < height.std() < 0.06


def test_posed_people_keep_the_lengths_of_their_bones(body: BodyModel):
    rest, moved = grown(body)
    generator = torch.Generator().manual_seed(1)
    pose = 0.7 * torch.randn(COUNT, 24, 3, generator=generator)
    joints, _ = BodyPoints(body)(rotation_matrices(pose), torch.zeros(COUNT, 10), moved=moved)
    people = rest + moved.joints
    for start, end in (
        ('left_hip', 'left_knee'),
        ('spine3', 'neck'),
        ('left_elbow', 'left_wrist'),
    ):
        torch.testing.assert_close(bone(joints, start, end), bone(people, start, end))


def test_landmarks_move_with_the_joints_beside_them(body: BodyModel):
    points = BodyPoints(body)
    _, moved = grown(body)
    still = rotation_matrices(torch.zeros(COUNT, 24, 3))
    shape = torch.zeros(COUNT, 10)
    shift = points(still, shape, moved=moved).landmarks - points(still, shape).landmarks
    torch.testing.assert_close(shift, moved.landmarks, atol=1e-5, rtol=0)


def seen_from(turn: list[float]) -> torch.Tensor:
    """Return landmarks of somebody upright, turned about the hips, four metres away."""
    points = torch.zeros(1, 33, 3)
    points[:, 11], points[:, 12] = torch.tensor([0.2, 0.5, 0]), torch.tensor([-0.2, 0.5, 0])
    points[:, 23], points[:, 24] = torch.tensor([0.1, 0, 0]), torch.tensor([-0.1, 0, 0])
    R = rotation_matrices(torch.tensor([turn]))
    return points @ R.mT + torch.tensor([0.0, 0, 4])


def test_views_from_behind_and_above_are_harder():
    inside = torch.arange(33)[None] < 22
    facing = rate_view(seen_from([torch.pi, 0, 0]), inside)
    behind = rate_view(seen_from([0, 0, torch.pi]), inside)
    above = rate_view(seen_from([-torch.pi / 2, 0, 0]), inside)
    assert behind.log_error - facing.log_error == pytest.approx(0.28, abs=0.02)
    assert above.log_error > behind.log_error
    assert facing.lost == behind.lost == 0
    assert above.lost == pytest.approx(0.55, abs=0.02)
    assert above.outside == pytest.approx(1 / 3)
