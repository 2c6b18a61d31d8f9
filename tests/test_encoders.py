from dataclasses import replace

from made_evidence import made_evidence, turned
import pytest
import roma
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.models.blazepose_encoder import BlazePoseEncoder, NUM_PARTS, PART_OF_LANDMARK
from metrichmsr_ros.models.canonical import canonical, turn_from_optical_axis
from metrichmsr_ros.models.evidence import Evidence, RAY_MAP_SIZE


@pytest.fixture(scope='module')
def evidence() -> Evidence:
    return made_evidence(BodyModel.load(), 4)[0]


def test_crop_axes_are_a_frame_and_the_angle_a_side(evidence: Evidence):
    frame = canonical(evidence).frame
    torch.testing.assert_close(frame.axes.mT @ frame.axes, torch.eye(3).expand(4, 3, 3))
    torch.testing.assert_close(torch.linalg.det(frame.axes), torch.ones(4))
    top_left, top_right = evidence.crop_rays[:, 0], evidence.crop_rays[:, 1]
    cosine = torch.nn.functional.cosine_similarity(top_left, top_right, dim=-1)
    torch.testing.assert_close(frame.angle, cosine.arccos(), rtol=0.03, atol=0)


def test_a_crop_square_about_its_axis_has_an_even_ray_map(evidence: Evidence):
    crop = canonical(evidence)
    cells = (torch.arange(RAY_MAP_SIZE) + 0.5) / RAY_MAP_SIZE - 0.5
    grid = torch.stack(torch.meshgrid(cells, cells, indexing='xy'))
    # The angle is a chord, a little less than the side of the tangent plane.
    torch.testing.assert_close(crop.ray_map, grid.expand_as(crop.ray_map), atol=0.05, rtol=0)
    assert crop.seen.all()
    assert crop.plane.abs().max() < 0.8


def test_smallest_turn_takes_the_optical_axis_along():
    directions = torch.nn.functional.normalize(torch.randn(5, 3).abs(), dim=-1)
    R = turn_from_optical_axis(directions)
    torch.testing.assert_close(R[..., 2], directions)
    torch.testing.assert_close(R @ R.mT, torch.eye(3).expand(5, 3, 3), atol=1e-6, rtol=0)
    angle = roma.rotmat_geodesic_distance(R, torch.eye(3).expand(5, 3, 3))
    torch.testing.assert_close(angle, directions[:, 2].arccos(), atol=1e-3, rtol=1e-3)


def test_canonical_evidence_does_not_see_where_the_camera_looks(evidence: Evidence):
    R = roma.rotvec_to_rotmat(torch.tensor([0.1, -0.15, 0.7]))
    before, after = canonical(evidence), canonical(turned(evidence, R))
    torch.testing.assert_close(after.frame.axes, R @ before.frame.axes, atol=1e-5, rtol=0)
    for name in ('plane', 'world', 'ray_map'):
        torch.testing.assert_close(
            getattr(after, name), getattr(before, name), atol=1e-5, rtol=1e-5
        )


def test_world_landmarks_are_turned_to_the_crop(evidence: Evidence):
    crop = canonical(evidence)
    R = turn_from_optical_axis(crop.frame.axes[..., 2])
    in_camera = evidence.world @ R.mT
    torch.testing.assert_close(crop.world, in_camera @ crop.frame.axes, atol=1e-6, rtol=1e-5)


def test_rays_behind_or_far_from_the_crop_are_not_seen(evidence: Evidence):
    rays = evidence.rays.clone()
    rays[0, 0] = torch.tensor([50.0, 0, 1])
    crop = canonical(replace(evidence, rays=rays))
    assert not crop.seen[0, 0]
    assert crop.seen.sum() == crop.seen.numel() - 1
    assert crop.plane.abs().max() <= 3


def test_an_absent_landmark_is_a_learned_token_whatever_it_holds(evidence: Evidence):
    torch.manual_seed(0)
    encoder = BlazePoseEncoder(16, person_tokens=2, person_hidden=32)
    presence = evidence.presence.clone()
    presence[:, 13] = 0  # the only landmark of its part
    part = PART_OF_LANDMARK[13]
    absent = replace(evidence, presence=presence)
    other = replace(absent, world=absent.world.clone(), rays=absent.rays.clone())
    other.world[:, 13] += 5
    other.rays[:, 13, :2] += 0.1
    tokens = encoder(absent, canonical(absent))
    assert tokens.shape == (4, 2 + NUM_PARTS, 16)
    torch.testing.assert_close(tokens, encoder(other, canonical(other)))
    learned = encoder.mix(encoder.missing[13])
    torch.testing.assert_close(tokens[:, 2 + part], learned.expand(4, -1))
    present = encoder(evidence, canonical(evidence))
    assert (present[:, 2 + part] - tokens[:, 2 + part]).abs().max() > 0.01


def test_torso_axes_are_the_body_s(evidence: Evidence):
    world = torch.zeros(3, 33, 3)
    # A shoulder's width and a torso's height, in body axes: x to the left, y up.
    width, height = torch.tensor([0.2, 0, 0]), torch.tensor([0, 0.5, 0])
    world[:, 11], world[:, 12] = height + width, height - width
    world[:, 23], world[:, 24] = width / 2, -width / 2
    R = roma.random_rotmat(3)
    crop = canonical(evidence[:3])
    turned_world = (crop.frame.roll.mT @ R) @ world.mT
    found = canonical(replace(evidence[:3], world=turned_world.mT)).torso
    assert (roma.rotmat_geodesic_distance(found, R) < 0.1).all()


def test_an_unknown_torso_is_upright_and_faces_the_camera(evidence: Evidence):
    crop = canonical(replace(evidence, presence=torch.zeros(4, 33)))
    expected = torch.diag(torch.tensor([1.0, -1, -1])).expand(4, 3, 3)
    torch.testing.assert_close(crop.torso, expected)
    assert (crop.world == 0).all()
