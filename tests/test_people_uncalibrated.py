from dataclasses import fields, replace

import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.pose_bank import PoseBank
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.people.uncalibrated import assumed_lenses, UncalibratedPeople
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.models.canonical import crop_frame
from metrichmsr_ros.models.evidence import Evidence

CONFIG = SampleConfig(poses=200, distorted=0.0, fisheye=0.0)
PEOPLE = 300


@pytest.fixture(scope='module')
def prepared() -> dict:
    body = BodyModel.load()
    return {'body': body, 'bank': PoseBank.procedural(200, 0, body=body)}


def draw(sampler: PeopleSampler):
    return sampler.sample(PEOPLE, torch.Generator().manual_seed(4))


def test_assumed_camera_is_that_of_no_calibration():
    camera = Camera.uncalibrated(640, 360)
    lens = assumed_lenses(torch.tensor([[640.0, 360.0]]))
    pixels = torch.tensor([[[0.0, 0.0], [639.0, 100.0], [200.0, 359.0]]])
    rays, solved = lens.unproject(pixels)
    assert solved.all()
    expected = torch.from_numpy(camera.unproject(pixels[0].double().numpy())).float()
    torch.testing.assert_close(rays[0], expected, atol=1e-6, rtol=0)


def test_people_are_the_same_and_only_directions_are_not(prepared):
    evidence, target = draw(PeopleSampler(CONFIG, **prepared))
    unknown, same = draw(UncalibratedPeople(CONFIG, **prepared))
    for item in fields(target):
        assert torch.equal(getattr(same, item.name), getattr(target, item.name)), item.name
    changed = {'rays', 'crop_rays', 'ray_map'}
    for item in fields(Evidence):
        equal = torch.equal(getattr(unknown, item.name), getattr(evidence, item.name))
        assert equal == (item.name not in changed), item.name


def test_unknown_camera_leaves_no_trace_of_the_field_of_view(prepared):
    """Without lens and offsets, directions of the true camera times one factor are the assumed."""
    evidence, _ = draw(PeopleSampler(CONFIG, **prepared))
    unknown, _ = draw(UncalibratedPeople(CONFIG, **prepared))
    ratio = crop_frame(unknown.crop_rays).angle / crop_frame(evidence.crop_rays).angle
    assert ratio.log().std() > 0.2
    # Corners and cells stay a square of pixels: all is in the assumed camera's units.
    sides = (unknown.crop_rays.roll(-1, 1) - unknown.crop_rays)[..., :2].norm(dim=-1)
    torch.testing.assert_close(sides, sides[:, :1].expand(-1, 4), atol=0, rtol=2e-3)
    middle = unknown.ray_map.flatten(2).mean(-1)
    torch.testing.assert_close(middle, unknown.crop_rays.mean(1), atol=2e-3, rtol=1e-3)


def test_ray_map_alone_may_know_the_camera(prepared):
    evidence, _ = draw(PeopleSampler(CONFIG, **prepared))
    unknown, _ = draw(UncalibratedPeople(CONFIG, **prepared))
    partly, _ = draw(UncalibratedPeople(CONFIG, exact_ray_map=True, **prepared))
    for name, source in (('ray_map', evidence), ('rays', unknown), ('crop_rays', unknown)):
        assert torch.equal(getattr(partly, name), getattr(source, name)), name


def test_distorted_rays_are_brought_back_to_their_pixels(prepared):
    config = replace(CONFIG, distorted=0.5, fisheye=0.5)
    unknown, _ = draw(UncalibratedPeople(config, **prepared))
    sides = (unknown.crop_rays.roll(-1, 1) - unknown.crop_rays)[..., :2].norm(dim=-1)
    error = (sides / sides[:, :1] - 1).abs().amax(-1)
    assert error.median() < 1e-3
    assert error.quantile(0.9) < 0.05  # corners outside the lens have no pixel
