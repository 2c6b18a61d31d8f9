"""Sampled people: the evidence is the truth where nothing disturbs it, and noise is noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.body.skinning import rotation_matrices
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.crops import frame_places, to_crop, to_image
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.noise import depth_gain, occlude
from metrichmsr_ros.data.people.pose_bank import PoseBank
from metrichmsr_ros.data.people.sample import PeopleSampler, sample_batch
from metrichmsr_ros.models.canonical import crop_frame
from metrichmsr_ros.models.evidence import cells, crop_pixels

CONFIG = SampleConfig(poses=500)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def bank(body: BodyModel) -> PoseBank:
    return PoseBank.procedural(500, 0, body=body)


def draw(body, bank, config=CONFIG, n=300, seed=0):
    return PeopleSampler(config, body=body, bank=bank).sample(n, generator(seed))


@pytest.fixture(scope='module')
def noisy(body, bank):
    return draw(body, bank)


@pytest.fixture(scope='module')
def clean(body, bank):
    return draw(body, bank, replace(CONFIG, noise=0.0))


def test_shapes_and_finite(noisy):
    evidence, target = noisy
    for values in (*vars(evidence).values(), *vars(target).values()):
        assert len(values) == 300
        assert bool(torch.isfinite(values.float()).all())
    assert evidence.rays.shape == (300, 33, 3)
    assert evidence.ray_map.shape == (300, 3, 8, 8)
    for name in ('visibility', 'presence', 'score'):
        assert 0 <= float(getattr(evidence, name).min())
        assert float(getattr(evidence, name).max()) <= 1


def test_same_seed_same_people(body, bank, noisy):
    again = draw(body, bank)
    other = draw(body, bank, seed=1)
    for mine, its in zip(noisy, again, strict=True):
        for name, values in vars(mine).items():
            assert torch.equal(values, getattr(its, name)), name
    assert not torch.equal(noisy[0].rays, other[0].rays)


def test_without_noise_rays_pass_through_the_landmarks(clean):
    evidence, target = clean
    seen = target.valid2d & (evidence.presence > 0)
    assert float(seen[target.valid2d].float().mean()) > 0.999
    expected = target.landmarks / target.landmarks[..., 2:]
    assert float((evidence.rays - expected).abs().amax(-1)[seen].max()) < 3e-3
    assert float((evidence.rays - expected).abs().amax(-1)[seen].median()) < 1e-5


def test_without_noise_world_is_the_body_turned_to_the_crop(clean):
    evidence, target = clean
    points = target.landmarks - target.landmarks[:, [23, 24]].mean(1, keepdim=True)
    lengths = (points[:, 11] - points[:, 25]).norm(dim=-1)
    torch.testing.assert_close(
        (evidence.world[:, 11] - evidence.world[:, 25]).norm(dim=-1), lengths, atol=1e-5, rtol=0
    )
    # Depth along the crop's axis, in the axes of the world landmarks.
    along = (points @ crop_frame(evidence.crop_rays).axes)[..., 2]
    known = evidence.presence > 0  # a lens does not have every ray
    torch.testing.assert_close(evidence.world[..., 2][known], along[known], atol=1e-4, rtol=0)
    width = (evidence.crop_rays[:, 1] - evidence.crop_rays[:, 0]).norm(dim=-1)
    width = width * target.landmarks[:, [23, 24], 2].mean(1).clamp(min=0.35)
    expected = depth_gain() * along / width[:, None]
    depth = evidence.relative_depth
    torch.testing.assert_close(depth[known], expected[known], atol=1e-3, rtol=1e-3)


def test_truth_agrees_with_the_body(body, bank):
    _, target = draw(body, bank, replace(CONFIG, physique=0.0))
    torch.testing.assert_close(target.joints[:, 0], target.pelvis)
    torch.testing.assert_close(target.height, body.heights(target.shape))
    joints, landmarks = BodyPoints(body)(target.rotations, target.shape)
    torch.testing.assert_close(joints + target.pelvis[:, None], target.joints, atol=1e-4, rtol=0)
    landmarks = landmarks + target.pelvis[:, None]
    torch.testing.assert_close(landmarks, target.landmarks, atol=1e-4, rtol=0)
    R = target.rotations
    eye = torch.eye(3).expand_as(R)
    torch.testing.assert_close(R @ R.transpose(-1, -2), eye, atol=1e-5, rtol=0)
    assert float(torch.linalg.det(R).min()) > 0.99


def test_points_are_skinning(body, bank):
    pose, shape = bank.poses[:6], torch.randn(6, 10, generator=generator())
    output = body(pose, shape, torch.zeros(6, 3))
    pelvis = output.joints[:, :1]
    joints, landmarks = BodyPoints(body)(rotation_matrices(pose), shape)
    torch.testing.assert_close(joints, output.joints - pelvis, atol=1e-5, rtol=0)
    expected = body.blazepose(output.vertices) - pelvis
    torch.testing.assert_close(landmarks, expected, atol=2e-5, rtol=0)


def test_people_stand_within_the_ranges(body, bank):
    config = replace(CONFIG, children=0.0)
    _, target = draw(body, bank, config, n=1000)
    assert 1.6 < float(target.height.median()) < 1.8
    assert 0.05 < float(target.height.std()) < 0.2
    distance = target.pelvis.norm(dim=-1)
    assert float(distance.max()) < 1.1 * config.distance[1] + 2
    assert float(distance.min()) > 0.3
    assert float(target.pelvis[:, 2].min()) > 0
    assert int(target.valid2d.sum(-1).min()) >= config.min_inside
    whole = float(target.valid2d.all(-1).float().mean())
    assert 0.3 < whole < 0.8
    # Up in the camera is nearly -y, except for high cameras and people who lie.
    assert float((target.joints[:, 15, 1] < target.joints[:, 0, 1]).float().mean()) > 0.85
    # Faces, backs and sides are alike.
    forward = target.rotations[:, 0, :, 2]
    assert abs(float((forward[:, 2] < 0).float().mean()) - 0.5) < 0.1


def test_the_farthest_are_not_short(body, bank):
    config = replace(CONFIG, children=0.5, distance=(0.7, 6.0), apparent_height=(0.05, 1.7))
    evidence, target = draw(body, bank, config, n=2000)
    angle = crop_frame(evidence.crop_rays).angle
    small = angle < angle.quantile(0.2)
    assert abs(target.height[small].mean() / target.height[~small].mean() - 1) < 0.03


def test_children(body, bank):
    _, target = draw(body, bank, replace(CONFIG, children=1.0))
    assert float(target.height.median()) < 1.5
    assert 0.85 < float(target.height.min())


def test_doubtful_landmarks_err_more(body, bank):
    config = replace(CONFIG, fov=(35.0, 50.0), distorted=0.0, fisheye=0.0)
    evidence, target = draw(body, bank, config, n=2000)
    true = target.landmarks[..., :2] / target.landmarks[..., 2:]
    side = (evidence.crop_rays[:, 1] - evidence.crop_rays[:, 0]).norm(dim=-1)
    error = (evidence.rays[..., :2] - true).norm(dim=-1) / side[:, None]
    clear = target.valid2d & (evidence.visibility > 0.7)
    blurred = target.valid2d & (evidence.visibility < 0.3)
    assert 0.005 < float(error[clear].median()) < 0.02
    assert float(error[blurred].median()) > 2 * float(error[clear].median())
    assert float(error[~target.valid2d].median()) > 3 * float(error[clear].median())
    # The visibility is wrong at times, and heavy tails exist.
    assert float((evidence.visibility[target.valid2d] < 0.3).float().mean()) > 0.02
    assert float(error[clear].quantile(0.99)) > 3 * float(error[clear].median())


def test_noise_grows_with_its_factor(body, bank):
    medians = []
    for noise in (0.0, 0.5, 1.0):
        evidence, target = draw(body, bank, replace(CONFIG, noise=noise), n=500)
        true = target.landmarks[..., :2] / target.landmarks[..., 2:]
        medians.append(float((evidence.rays[..., :2] - true).norm(dim=-1).median()))
    assert medians[0] < 1e-5 < medians[1] < medians[2]


def test_crops_are_those_of_the_evidence():
    rois = torch.tensor([[320.0, 200.0, 300.0, 0.4], [10.0, 20.0, 80.0, -2.0]])
    places = frame_places(rois)
    expected = crop_pixels(rois.double().numpy(), cells(8))
    np.testing.assert_allclose(to_image(rois, places)[:, 4:].numpy(), expected, atol=1e-3)
    back = to_crop(rois, to_image(rois, places))
    torch.testing.assert_close(back, places.expand_as(back), atol=1e-5, rtol=0)


def test_sample_batch_and_its_errors():
    evidence, target = sample_batch(5, generator(), CONFIG)
    assert len(evidence) == len(target) == len(target[:5]) == 5
    assert target.to('cpu').pelvis.dtype == torch.float32
    with pytest.raises(ValueError, match='n=0'):
        sample_batch(0, generator(), CONFIG)


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('fov', (120.0, 35.0)), ('fov', (35.0, 179.0)), ('children', 1.5), ('noise', -1.0),
        ('distance', (0.0, 5.0)), ('poses', 0), ('fisheye', 0.9), ('min_inside', 40),
    ],
)  # fmt: skip
def test_bad_configuration(field, value):
    with pytest.raises(ValueError, match=field):
        SampleConfig(**{field: value})


def test_the_trunk_hides_what_is_behind_it():
    places = torch.zeros(2000, 33, 2)
    places[:, [11, 12], 1], places[:, [23, 24], 1] = -0.2, 0.0
    places[:, 15] = torch.tensor([0.01, -0.1])
    places[:, 16] = torch.tensor([0.4, -0.1])
    depth = torch.zeros(2000, 33)
    depth[:, [15, 16]] = 0.1
    depth[:, 13], places[:, 13] = -0.1, places[:, 15]
    hidden = occlude(Draws(2000, generator()), places, depth).float().mean(0)
    assert hidden[15] == 1  # behind
    assert hidden[16] < 0.4  # behind, but beside
    assert hidden[13] < 0.4  # before
    assert hidden[0] > 0.005  # things hide everything at times
