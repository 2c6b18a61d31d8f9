"""The model of BlazePose's world landmarks: fitted to what is known, it finds it again."""

from __future__ import annotations

import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.pose_bank import PoseBank
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.people.view import View
from metrichmsr_ros.data.people.world_landmarks import WorldLandmarks
from metrichmsr_ros.models.canonical import crop_frame

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


@pytest.fixture(scope='module')
def view():
    outside, log_error = draws(seed=5).uniform(0.0, 1.0, 2).unbind(-1)
    return View(log_error, torch.zeros(PEOPLE), outside)


@pytest.fixture
def model():
    return WorldLandmarks(
        of_truth=0.8 * torch.eye(99),
        of_shift=0.5 * torch.eye(99)[:, :66],
        offset=torch.linspace(-0.05, 0.05, 99),
        spread=0.02 * torch.eye(99) + 0.01 * torch.ones(99, 99).tril(),
        of_view=torch.tensor([0.8, 0.4]),
        log_factor=torch.tensor(-0.7),
        log_spread=torch.tensor(0.3),
    )


def test_what_was_drawn_is_found_again(model, truth, shift, view):
    said = model.expect(truth, shift).unflatten(1, (33, 3))
    log_size = -0.7 + 0.8 * view.outside + 0.4 * view.log_error + 0.3 * draws(seed=4).normal()
    size = log_size.exp()[:, None]
    noise = size * (draws(seed=3).normal(99) @ model.spread.mT)
    said = said + noise.unflatten(1, (33, 3))
    found = WorldLandmarks.fit(truth, shift, view, said)
    assert float((found.of_truth - model.of_truth).abs().mean()) < 0.01
    assert float((found.of_shift - model.of_shift).abs().mean()) < 0.05
    assert float((found.offset - model.offset).abs().max()) < 0.01
    scale = size.median() ** 2  # goes into the spread
    covariance, expected = found.spread @ found.spread.mT, scale * model.spread @ model.spread.mT
    assert float((covariance - expected).norm() / expected.norm()) < 0.2
    assert float(found.log_factor) == pytest.approx(-0.7 - 0.5 * float(scale.log()), abs=0.05)
    torch.testing.assert_close(found.of_view, model.of_view, atol=0.05, rtol=0)
    assert float(found.log_spread) == pytest.approx(0.3, abs=0.03)


def test_a_few_wild_readings_hardly_matter(model, truth, shift, view):
    said = model.expect(truth, shift).unflatten(1, (33, 3))
    said = said + 0.02 * draws(seed=3).normal(33, 3)
    wild = PEOPLE // 20
    said[:wild] = said[:wild] + draws(wild, seed=4).normal(33, 3)
    found = WorldLandmarks.fit(truth, shift, view, said)
    assert float((found.offset - model.offset).abs().max()) < 0.005
    typical = found.log_factor.exp() * found.spread.square().sum(-1).sqrt()
    assert float(typical.median()) == pytest.approx(0.02, rel=0.3)  # 0.22 with them


def test_without_a_share_only_the_errors_of_the_image_are_left(model, truth, shift, view):
    said = model.draw(draws(), truth, shift, view, torch.zeros(PEOPLE))
    moved = (shift.flatten(1) @ model.of_shift.mT).unflatten(1, (33, 3))
    expected = truth + moved - moved[:, HIPS].mean(1, keepdim=True)
    torch.testing.assert_close(said, expected, atol=1e-5, rtol=0)
    assert float(said[:, HIPS].mean(1).abs().max()) < 1e-6


def test_errors_have_the_fitted_size(model, truth, view):
    still = torch.zeros(PEOPLE, 33, 2)
    whole = model.draw(draws(), truth, still, view, torch.ones(PEOPLE))
    half = model.draw(draws(), truth, still, view, torch.full((PEOPLE,), 0.5))
    torch.testing.assert_close(whole - truth, 2 * (half - truth), atol=1e-5, rtol=0)
    mean = model.expect(truth, still).unflatten(1, (33, 3))
    mean = mean - mean[:, HIPS].mean(1, keepdim=True)
    log_k = model.log_factor + 0.8 * view.outside + 0.4 * view.log_error
    size = (log_k + 0.3**2).exp()  # root mean square of a log-normal variable
    # About the hips, whose own errors are other numbers.
    missed = (whole - mean)[:, 0] / size[:, None]
    hips = model.spread.unflatten(0, (33, 3))[HIPS].mean(0)
    expected = (model.spread[:3] - hips).square().sum(-1)
    torch.testing.assert_close(missed.var(0), expected, rtol=0.2, atol=0)


def test_too_few_people_are_refused(truth, shift):
    view = View(*torch.zeros(3, 100))
    with pytest.raises(ValueError, match='100 people, must be more than 166'):
        WorldLandmarks.fit(truth[:100], shift[:100], view, truth[:100])


def test_saved_is_what_is_loaded(model, tmp_path, monkeypatch):
    path = tmp_path / 'model.npz'
    model.save(path)
    monkeypatch.setattr('metrichmsr_ros.data.people.world_landmarks._FILE', path)
    for name, value in vars(WorldLandmarks.load()).items():
        assert torch.equal(value, getattr(model, name)), name


def test_sampled_people_are_shown_too_ordinary_and_alike_on_both_sides():
    body = BodyModel.load()
    bank = PoseBank.procedural(600, 5, body=body)
    sampler = PeopleSampler(SampleConfig(), body=body, bank=bank)
    evidence, target = sampler.sample(PEOPLE, torch.Generator().manual_seed(0))
    frame = crop_frame(evidence.crop_rays)
    true = target.landmarks - target.landmarks[:, HIPS].mean(1, keepdim=True)
    true = true @ frame.axes * (1.6 / target.height)[:, None, None]
    said = evidence.world @ frame.roll.mT
    error = (said - true).median(0).values
    left, right = error[[11, 13, 15, 25, 27]], error[[12, 14, 16, 26, 28]]
    assert float((left * torch.tensor([-1.0, 1, 1]) - right).abs().max()) < 0.02
    true, said = true - true.mean(0), said - said.mean(0)
    slope = (true * said).sum(0) / true.square().sum(0)
    assert 0.4 < float(slope[15:17, 2].mean()) < 0.9  # depth of the wrists
