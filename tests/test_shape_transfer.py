"""Shapes carried from one body to another."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files

import numpy as np
import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.model_file import read_model_file
from metrichmsr_ros.body.shape_transfer import ShapeTransfer


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


def another(*, size: float = 1.0, wider: float = 1.0) -> BodyModel:
    """Return the default body with its shape components mixed, and in another size."""
    with as_file(files('metrichmsr_ros.body.data') / 'anny_smpl24.npz') as path:
        arrays = read_model_file(path)
    mix, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))
    stretch = size * np.array([wider, 1, 1])
    return BodyModel(
        replace(
            arrays,
            name='another',
            v_template=arrays.v_template * stretch,
            shapedirs=arrays.shapedirs @ mix * stretch[:, None],
        )
    )


def shapes(count: int = 50) -> torch.Tensor:
    return torch.randn(count, 10, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)


def test_a_body_is_carried_to_itself(body):
    shape = shapes()
    rest = body.rest_joints(ShapeTransfer(body, body)(shape))
    assert (rest - body.rest_joints(shape)).norm(dim=-1).max() < 0.002


def test_other_components_give_the_same_people(body):
    target, shape = another(), shapes()
    carried = ShapeTransfer(body, target)(shape)
    assert (target.rest_joints(carried) - body.rest_joints(shape)).norm(dim=-1).max() < 0.002
    torch.testing.assert_close(target.heights(carried), body.heights(shape), atol=0.003, rtol=0)


def test_a_larger_mean_body_still_has_the_height(body):
    target, shape = another(size=1.05, wider=1.03), shapes()
    carried = ShapeTransfer(body, target)(shape)
    torch.testing.assert_close(target.heights(carried), body.heights(shape), atol=0.02, rtol=0)
    about = [rest - rest[:, :1] for rest in (target.rest_joints(carried), body.rest_joints(shape))]
    assert (about[0] - about[1]).norm(dim=-1).mean() < 0.02
