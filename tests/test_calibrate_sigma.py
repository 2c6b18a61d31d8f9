"""Sigmas that are wrong by a factor are put right, and nothing else moves."""

from dataclasses import replace

import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import generator_of
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.models.metric_hmr import MetricHMR

PEOPLE = 400


@pytest.fixture(scope='module')
def script(load_script):
    return load_script('calibrate_sigma')


@pytest.fixture
def network():
    return MetricHMR.from_pretrained('blazepose', body=BodyModel.load())


@pytest.fixture(scope='module')
def people():
    sampler = PeopleSampler(SampleConfig(poses=300), body=BodyModel.load())
    return sampler.sample(PEOPLE, generator_of(5))


@torch.inference_mode()
def test_errors_of_known_size_are_within_sigma_as_often_as_it_says(script, network, people):
    evidence, target = people
    said = network(evidence)
    # Truth beside the answer by twice sigma along the ray and by half of it across.
    noise = torch.randn(PEOPLE, 3, generator=generator_of(6)) * torch.tensor([2.0, 0.5, 0.5])
    offset = (said.pelvis_axes @ (noise * said.pelvis_log_sigma.exp())[..., None])[..., 0]
    true = replace(target, pelvis=said.pelvis + offset)
    factors = script.calibrate(network, [(evidence, true), (evidence[:50], true[:50])])
    assert factors['along'] == pytest.approx(2.0, rel=0.2)
    assert factors['across'] == pytest.approx(0.5, rel=0.2)
    after = network(evidence)
    torch.testing.assert_close(after.pelvis, said.pelvis)
    torch.testing.assert_close(after.confidence_logit, said.confidence_logit)
    scaled = (after.pelvis_log_sigma - said.pelvis_log_sigma).exp()
    torch.testing.assert_close(
        scaled.median(0).values, torch.tensor([factors['along'], *2 * [factors['across']]]),
        rtol=0.05, atol=0.0,
    )  # fmt: skip


def test_sets_weigh_alike_whatever_their_numbers(script):
    few, many = torch.full((10, 1), 5.0), torch.linspace(0, 1, 1000)[:, None]
    # Half of the weight lies below 1, so 68 % is reached among the few.
    assert script._quantile([few, many]) == 5
    assert script._quantile([many, many]) == pytest.approx(0.6827, abs=2e-3)
