"""The model of BlazePose's world landmarks: fitted to what is known, it finds it again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.pose_bank import PoseBank
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.people.world_landmarks import WorldLandmarks

PEOPLE = 3000
HIPS = [23, 24]


def draws(n=PEOPLE, seed=0):
    return Draws(n, torch.Generator().manual_seed(seed))


@pytest.fixture(scope='module')
def truth():
    points = 0.3 * draws(seed=1).normal(33, 3)
    return points - points[:, HIPS].mean(1, keepdim=True)


@pytest.fixture(scope='module')
def shift():
    return 0.03 * draws(seed=2).normal(33, 2)


@pytest.fixture
def model():
    return WorldLandmarks(
        of_truth=0.8 * torch.eye(99),
        of_shift=0.5 * torch.eye(99)[:, :66],
        offset=torch.linspace(-0.05, 0.05, 99),
        spread=0.02 * torch.eye(99) + 0.01 * torch.ones(99, 99).tril(),
        log_spread=torch.tensor(0.3),
    )


def test_what_was_drawn_is_found_again(model, truth, shift):
    said = model.expect(truth, shift).unflatten(1, (33, 3))
    size = (0.3 * draws(seed=4).normal(1) - 0.3**2).exp()
    noise = size * (draws(seed=3).normal(99) @ model.spread.mT)
    said = said + noise.unflatten(1, (33, 3))
    found = WorldLandmarks.fit(truth, shift, said)
    assert float((found.of_truth - model.of_truth).abs().mean()) < 0.01
    assert float((found.of_shift - model.of_shift).abs().mean()) < 0.05
    assert float((found.offset - model.offset).abs().max()) < 0.01
    covariance, expected = (m.spread @ m.spread.mT for m in (found, model))
    assert float((covariance - expected).norm() / expected.norm()) < 0.15
    assert float(found.log_spread) == pytest.approx(0.3, abs=0.03)


def test_a_few_wild_readings_hardly_matter(model, truth, shift):
    said = model.expect(truth, shift).unflatten(1, (33, 3))
    said = said + 0.02 * draws(seed=3).normal(33, 3)
    said[: PEOPLE // 20] += 2.0
    found = WorldLandmarks.fit(truth, shift, said)
    assert float((found.offset - model.offset).abs().max()) < 0.02


def test_without_a_share_only_the_errors_of_the_image_are_left(model, truth, shift):
    said = model.draw(draws(), truth, shift, torch.zeros(PEOPLE))
    moved = (shift.flatten(1) @ model.of_shift.mT).unflatten(1, (33, 3))
    expected = truth + moved - moved[:, HIPS].mean(1, keepdim=True)
    torch.testing.assert_close(said, expected, atol=1e-5, rtol=0)
    assert float(said[:, HIPS].mean(1).abs().max()) < 1e-6


def test_errors_have_the_fitted_size(model, truth):
    still = torch.zeros(PEOPLE, 33, 2)
    whole = model.draw(draws(), truth, still, torch.ones(PEOPLE))
    half = model.draw(draws(), truth, still, torch.full((PEOPLE,), 0.5))
    torch.testing.assert_close(whole - truth, 2 * (half - truth), atol=1e-5, rtol=0)
    mean = model.expect(truth, still).unflatten(1, (33, 3))
    mean = mean - mean[:, HIPS].mean(1, keepdim=True)
    missed = (whole - mean)[:, 0]  # about the hips, whose own errors are other numbers
    hips = model.spread.unflatten(0, (33, 3))[HIPS].mean(0)
    expected = (model.spread[:3] - hips).square().sum(-1)
    torch.testing.assert_close(missed.var(0), expected, rtol=0.2, atol=0)


def test_too_few_people_are_refused(truth, shift):
    with pytest.raises(ValueError, match='100 people, must be more than 166'):
        WorldLandmarks.fit(truth[:100], shift[:100], truth[:100])


def test_saved_is_what_is_loaded(model, tmp_path, monkeypatch):
    path = tmp_path / 'model.npz'
    model.save(path)
    monkeypatch.setattr('metrichmsr_ros.data.people.world_landmarks._FILE', path)
    for name, value in vars(WorldLandmarks.load()).items():
        assert torch.equal(value, getattr(model, name)), name


def test_sampled_people_are_shown_flatter_and_alike_on_both_sides():
    body = BodyModel.load()
    bank = PoseBank.procedural(600, 5, body=body)
    people = {
        noise: PeopleSampler(replace(SampleConfig(), noise=noise), body=body, bank=bank)
        for noise in (0.0, 1.0)
    }
    clean, noisy = (
        sampler.sample(PEOPLE, torch.Generator().manual_seed(0))[0] for sampler in people.values()
    )
    depth = [float(side.world[:, 15:17, 2].std()) for side in (clean, noisy)]
    assert depth[1] < 0.9 * depth[0]
    error = (noisy.world - clean.world).median(0).values
    left, right = error[[11, 13, 15, 25, 27]], error[[12, 14, 16, 26, 28]]
    assert float((left * torch.tensor([-1.0, 1, 1]) - right).abs().max()) < 0.03
