import pytest
import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.geometry.rotations import aa_to_matrix
from metrichmsr_ros.models.heads import joint_rotations, PoseHead, ShapeHead
from metrichmsr_ros.models.translation import stand_on_rays

FEATURES, COUNT = 24, 5


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture
def scene() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points about a pelvis, their plane coordinates, the angles, and where the pelvis is."""
    torch.manual_seed(0)
    points = torch.randn(COUNT, 33, 3, dtype=torch.float64) * torch.tensor([0.3, 0.6, 0.2])
    angle = torch.tensor([0.05, 0.2, 0.5, 1.0, 1.5], dtype=torch.float64)
    place = torch.randn(COUNT, 3, dtype=torch.float64) * 0.2 + torch.tensor([0, 0, 2.2])
    depth = angle[:, None] * points[..., 2] + place[:, 2:]
    depth = depth.clamp(min=0.3)
    points[..., 2] = (depth - place[:, 2:]) / angle[:, None]
    plane = (points[..., :2] + place[:, None, :2]) / depth[..., None]
    return points, plane, angle, place


def test_points_are_those_of_the_posed_surface(body: BodyModel):
    torch.manual_seed(0)
    pose, shape = 0.6 * torch.randn(3, 24, 3), 2 * torch.randn(3, 10)
    joints, landmarks = BodyPoints(body)(aa_to_matrix(pose), shape)
    posed = body(pose, shape, torch.zeros(3, 3))
    pelvis = posed.joints[:, :1]
    torch.testing.assert_close(joints, posed.joints - pelvis, atol=1e-5, rtol=0)
    expected = body.blazepose(posed.vertices) - pelvis
    torch.testing.assert_close(landmarks, expected, atol=1e-5, rtol=0)


def test_exact_rays_give_the_exact_place(scene):
    points, plane, angle, place = scene
    weights = torch.rand(COUNT, 33, dtype=torch.float64)
    guess = torch.tensor([[3.0, -3, 9]], dtype=torch.float64).expand(COUNT, 3)
    trust = torch.full((COUNT, 3), 1e-12, dtype=torch.float64)
    found = stand_on_rays(points, plane, weights, angle=angle, guess=guess, trust=trust)
    torch.testing.assert_close(found, place, atol=1e-6, rtol=0)


def test_it_minimises_the_sum_of_squares(scene):
    points, plane, angle, _ = scene
    plane = plane + 0.02 * torch.randn_like(plane)
    weights = torch.rand(COUNT, 33, dtype=torch.float64)
    guess, trust = torch.rand(2, COUNT, 3, dtype=torch.float64)
    found = stand_on_rays(points, plane, weights, angle=angle, guess=guess, trust=trust)
    found.requires_grad_(True)
    depth = angle[:, None, None] * points[..., 2:] + found[:, None, 2:]
    missed = points[..., :2] + found[:, None, :2] - plane * depth
    cost = (weights[..., None] * missed**2).sum() + (trust * (found - guess) ** 2).sum()
    (gradient,) = torch.autograd.grad(cost, found)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-9, rtol=0)


def test_unweighted_rays_leave_the_guess(scene):
    points, plane, angle, place = scene
    weights = torch.zeros(COUNT, 33, dtype=torch.float64)
    trust = torch.full((COUNT, 3), 0.01, dtype=torch.float64)
    found = stand_on_rays(points, plane, weights, angle=angle, guess=place, trust=trust)
    torch.testing.assert_close(found, place)


def test_a_wider_crop_does_not_move_the_person(scene):
    points, plane, angle, place = scene
    weights = torch.rand(COUNT, 33, dtype=torch.float64)
    noisy = plane + 0.02 * torch.randn_like(plane)
    none = torch.full((COUNT, 3), 1e-12, dtype=torch.float64)
    narrow = stand_on_rays(points, noisy, weights, angle=angle, guess=place, trust=none)
    wide = stand_on_rays(points, noisy / 1.3, weights, angle=1.3 * angle, guess=place, trust=none)
    torch.testing.assert_close(wide[:, :2], narrow[:, :2])
    torch.testing.assert_close(wide[:, 2] / 1.3, narrow[:, 2])


def test_gradients_of_the_place(scene):
    points, plane, angle, place = (value[:2] for value in scene)
    inputs = [value.clone().requires_grad_(True) for value in (points, plane)]
    weights = torch.rand(2, 33, dtype=torch.float64, requires_grad=True)
    trust = torch.full((2, 3), 0.1, dtype=torch.float64)
    torch.autograd.gradcheck(
        lambda p, r, w: stand_on_rays(p, r, w, angle=angle, guess=place, trust=trust),
        (*inputs, weights),
    )


def test_heads_start_at_the_rest_pose_turned_like_the_torso():
    torch.manual_seed(0)
    features, torso = torch.randn(3, FEATURES), aa_to_matrix(torch.randn(3, 3))
    columns = PoseHead(FEATURES)(features, None)
    rotations = joint_rotations(columns, torso)
    identity = torch.eye(3)
    torch.testing.assert_close(
        rotations.mT @ rotations, identity.expand_as(rotations), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(rotations[:, 0], torso, atol=0.3, rtol=0)
    torch.testing.assert_close(rotations[:, 1:], identity.expand(3, 23, 3, 3), atol=0.3, rtol=0)
    assert ShapeHead(FEATURES)(features).abs().max() < 0.2


def test_a_pose_is_corrected_by_little_at_first():
    torch.manual_seed(0)
    before = torch.randn(3, 24, 6)
    after = PoseHead(FEATURES)(torch.randn(3, FEATURES), before)
    assert 0 < (after - before).abs().max() < 0.3
