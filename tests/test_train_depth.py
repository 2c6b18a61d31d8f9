"""Training of the depth refiner: it learns, goes on where it stopped, and refuses nonsense."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from metrichmsr_ros.cli import main
from metrichmsr_ros.data.depth.scenes import DepthScene, MAX_PEOPLE, NUM_SOLES
from metrichmsr_ros.data.depth.shards import DepthScenes
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.models.depth_refiner import DepthRefiner, DepthRefinerConfig
from metrichmsr_ros.train_config import override
from metrichmsr_ros.train_depth import run, TrainDepthConfig
from metrichmsr_ros.train_log import read_log

TINY = DepthRefinerConfig(widths=(4, 4, 8), dim=8, heads=2, blocks=1)
HEIGHT = 1.2


def made_scene(seed: int) -> DepthScene:
    """Return a floor and a wall with a flat person in front of it."""
    rng = np.random.default_rng(seed)
    rays = Camera.from_fov(64, 48, 1.2).pixel_rays()
    with np.errstate(divide='ignore'):
        floor = np.where(rays[..., 1] > 0, HEIGHT / rays[..., 1], np.inf)
    depth_z = np.minimum(floor, rng.uniform(4, 7)).astype(np.float32)
    person = np.full((48, 64), -1, np.int8)
    left = rng.integers(5, 40)
    person[10:40, left : left + 12] = 0
    distance = np.float32(rng.uniform(2, 3.5))
    depth_z[person == 0] = distance
    mesh_z = np.where(person == 0, distance * np.float32(np.exp(0.03 * rng.normal())), np.nan)
    sigma = np.full(MAX_PEOPLE, np.nan, np.float32)
    sigma[0] = 0.04
    return DepthScene(
        image=rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), depth_z=depth_z, seen=person,
        mesh_z=mesh_z.astype(np.float32), person=person, sigma=sigma,
        soles=np.full((MAX_PEOPLE, NUM_SOLES, 3), np.nan, np.float32),
        rays=np.moveaxis(rays[..., :2], -1, 0).astype(np.float32),
        down=np.array([0, 1, 0], np.float32), height=HEIGHT,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def scenes(monkeypatch):
    found = [DepthScenes.stacked([made_scene(seed) for seed in range(24)])]
    monkeypatch.setattr('metrichmsr_ros.train_depth.render_scenes', lambda *_, **__: None)
    monkeypatch.setattr('metrichmsr_ros.train_depth.read_scenes', lambda _: found)


def config(out, **changes) -> TrainDepthConfig:
    usual = TrainDepthConfig(
        out=out, steps=6, minutes=0, batch_size=4, log_every=2, model=TINY, device='cpu'
    )
    return replace(usual, **changes)


def test_it_learns_and_leaves_a_network_with_its_log(tmp_path):
    figures = run(config(tmp_path, steps=200, batch_size=8, learning_rate=5e-3))
    assert figures['affine_abs_rel'] < figures['prior_abs_rel']
    assert figures['refined_abs_rel'] < 0.97 * figures['affine_abs_rel']
    assert len(read_log(tmp_path / 'log.csv')) == 100
    (row,) = read_log(tmp_path / 'validation.csv')
    assert row['step'] == 200
    assert DepthRefiner.from_pretrained(tmp_path / 'model').config == TINY


def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path):
    run(config(tmp_path / 'whole'))

    # The schedule is that of the whole run, so the first half is stopped from outside.
    def stop(*_, **__):
        raise InterruptedError

    half = config(tmp_path / 'half', checkpoint_minutes=0.0, validate_every=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('metrichmsr_ros.train_depth.validate', stop)
        with pytest.raises(InterruptedError):
            run(half)
    run(replace(half, resume=True, validate_every=1000))
    whole, resumed = (
        DepthRefiner.from_pretrained(tmp_path / name / 'model').state_dict()
        for name in ('whole', 'half')
    )
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_run_may_begin_with_weights_of_another(tmp_path):
    run(config(tmp_path / 'first', steps=100, batch_size=8, learning_rate=5e-3))
    start = str(tmp_path / 'first' / 'model')
    figures = run(config(tmp_path / 'second', init=start, steps=1, learning_rate=1e-9))
    before, after = (
        DepthRefiner.from_pretrained(tmp_path / name / 'model').state_dict()
        for name in ('first', 'second')
    )
    for name, value in before.items():
        torch.testing.assert_close(after[name], value)
    assert figures['refined_abs_rel'] < 0.99 * figures['affine_abs_rel']
    with pytest.raises(ValueError, match='has other sizes than model'):
        run(config(tmp_path / 'third', init=start, model=replace(TINY, dim=2 * TINY.dim)))


def test_a_finished_run_is_not_overwritten(tmp_path):
    run(config(tmp_path, steps=1))
    with pytest.raises(ValueError, match='give --resume'):
        run(config(tmp_path, steps=1))
    with pytest.raises(ValueError, match='nothing to resume'):
        run(config(tmp_path / 'new', resume=True))


def test_settings_of_the_command_line(tmp_path, capsys):
    changed = override(TrainDepthConfig(), {'model.widths': '8,8,16', 'examples.ground': '0.5'})
    assert changed.model.widths == (8, 8, 16)
    assert changed.examples.ground == 0.5
    assert main(['train-depth', '--keys', '--scenes=5']) == 0
    assert '--scenes=5\n' in capsys.readouterr().out
    assert main(['train-depth', '--no_such=1']) == 2
    assert 'unknown key no_such' in capsys.readouterr().err
    assert main(['train-depth', '--keys', '--size=large']) == 0
    assert '--model.dim=512\n' in capsys.readouterr().out
    assert main(['train-depth', '--scenes=0']) == 2
    assert 'scenes must be at least 1' in capsys.readouterr().err
