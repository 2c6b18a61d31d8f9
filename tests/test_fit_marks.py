"""Where BlazePose marks its points, fitted: known offsets are found, with wild readings among."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.landmarks import BLAZEPOSE_NAMES
from metrichmsr_ros.body.skinning import forward_kinematics
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.physique import BESIDE, kind_of, MODEL_HEIGHT, outwards
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.rendered.shards import Readings

PEOPLE = 300


@pytest.fixture(scope='module')
def fit_marks(load_script):
    return load_script('fit_marks')


def test_offsets_turn_with_their_joints_and_grow_with_people(fit_marks):
    body = BodyModel.load()
    sampler = PeopleSampler(SampleConfig(poses=500, physique=0.0, noise=0.0), body=body)
    generator = torch.Generator().manual_seed(0)
    evidence, target = sampler.sample(PEOPLE, generator)
    kinds = list(dict.fromkeys(map(kind_of, BLAZEPOSE_NAMES)))
    marks = 0.02 * torch.randn(len(kinds), 3, generator=generator)
    marks[kinds.index('nose'), 0] = 0.0
    turned, _ = forward_kinematics(
        target.rotations,
        torch.zeros_like(target.joints),
        parents=body.parent_index,
        hops=body.hops,
    )
    own = marks[[kinds.index(kind_of(name)) for name in BLAZEPOSE_NAMES]].clone()
    own[:, 0] *= torch.tensor([outwards(name) for name in BLAZEPOSE_NAMES])
    moved = (turned[:, list(BESIDE)] @ own[..., None])[..., 0]
    points = target.landmarks + (target.height / MODEL_HEIGHT)[:, None, None] * moved
    hidden = torch.rand(PEOPLE, 33, generator=generator) < 0.1
    wild = hidden | (torch.rand(PEOPLE, 33, generator=generator) < 0.05)
    points = points + 0.5 * wild[..., None] * torch.randn(points.shape, generator=generator)
    readings = Readings(
        replace(evidence, rays=points / points[..., 2:].clamp(min=0.2)),
        target,
        hidden,
        torch.zeros(PEOPLE),
    )
    found = fit_marks.offsets(readings, body)
    assert list(found) == kinds
    for kind, mark in zip(kinds, marks, strict=True):
        assert found[kind].float() == pytest.approx(mark, abs=2e-3), kind
