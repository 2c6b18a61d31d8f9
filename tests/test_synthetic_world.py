"""The rendered world against closed forms and against itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.sources import open_source, SourceError
from metrichmsr_ros.data.synthetic import room
from metrichmsr_ros.data.synthetic.loop import KEPT_LOOPS, Loop, read_loop, write_loop
from metrichmsr_ros.data.synthetic.source import SyntheticSource
from metrichmsr_ros.data.synthetic.world import cache_path, SyntheticWorld, WorldConfig
from metrichmsr_ros.perception.depth_sources.ground_plane import GroundPlane
from metrichmsr_ros.structures import Frame

CONFIG = WorldConfig(people=3, width=96, height=72, rate=1.0, seconds=6.0, seed=4)


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def world(body: BodyModel) -> SyntheticWorld:
    return SyntheticWorld(CONFIG, body=body)


@pytest.fixture(scope='module')
def loop(world: SyntheticWorld) -> Loop:
    return world.render(cached=False)


def test_shapes(loop: Loop, body: BodyModel) -> None:
    assert loop.images.shape == (6, 72, 96, 3)
    assert loop.images.dtype == np.uint8
    assert loop.depth_z(0).shape == (72, 96)
    assert loop.people(5).vertices.shape == (3, body.num_vertices, 3)
    assert loop.people(0).body_model == body.name


def test_floor_depth_is_the_ground_plane(world: SyntheticWorld, loop: Loop) -> None:
    plane = GroundPlane(CONFIG.camera_height, CONFIG.camera_tilt)
    frame = Frame(loop.images[0], world.camera, 0)
    expected = plane.depth(frame).depth_z[-4:]
    np.testing.assert_allclose(loop.depth_z(0)[-4:], expected, atol=2e-4)


def test_wall_depth_is_the_wall(world: SyntheticWorld, loop: Loop) -> None:
    tilt = CONFIG.camera_tilt
    row, column = 14, 21
    ray = world.camera.pixel_rays()[row, column].astype(float)
    # Depth at which the ray has gone as far into the room as the back wall stands.
    expected = -room.BACK / (ray[2] * np.cos(tilt) - ray[1] * np.sin(tilt))
    assert loop.depth_z(0)[row, column] == pytest.approx(expected, abs=0.06)


def test_distortion_is_honoured(world: SyntheticWorld, loop: Loop) -> None:
    pinhole = replace(world.camera, D=np.zeros(5))
    plane = GroundPlane(CONFIG.camera_height, CONFIG.camera_tilt)
    wrong = plane.depth(Frame(loop.images[0], pinhole, 0)).depth_z
    assert world.camera.has_distortion
    assert np.abs(wrong[-1, :4] - loop.depth_z(0)[-1, :4]).min() > 5e-3


def test_truth_is_one_body(world: SyntheticWorld, loop: Loop, body: BodyModel) -> None:
    for t in (0, 3):
        people = loop.people(t)
        vertices, joints = body.pose_numpy(people.pose, people.shape, people.translation)
        np.testing.assert_allclose(vertices, people.vertices, atol=2e-4)
        np.testing.assert_allclose(joints, people.joints, atol=2e-4)


def test_people_are_where_the_picture_shows_them(world: SyntheticWorld, loop: Loop) -> None:
    for t in range(len(loop)):
        people = loop.people(t)
        for joints, box, seen in zip(people.joints, people.boxes, people.scores, strict=True):
            pixels = world.camera.project(joints.astype(float))
            assert (pixels > box[:2] - 1.5).all()
            assert (pixels < box[2:] + 1.5).all()
            column, row = np.round(pixels[9]).astype(int)
            if seen == 1.0:
                # Before the chest there is the shirt, or the person's own arm.
                assert 0.0 < joints[9, 2] - loop.depth_z(t)[row, column] < 0.6


def test_people_stand_upright_on_the_floor_and_apart(world: SyntheticWorld, loop: Loop) -> None:
    for t in range(len(loop)):
        people = loop.people(t)
        in_world = people.vertices @ world.R_world_from_camera.T + world.position
        assert np.abs(in_world[..., 1].min(-1)).max() < 0.02
        assert (in_world[..., 1].max(-1) > 0.9 * people.heights).all()
        ground = in_world[:, :, [0, 2]]
        gaps = [
            np.linalg.norm(ground[a, ::40, None] - ground[b, None, ::40], axis=-1).min()
            for a, b in ((0, 1), (0, 2), (1, 2))
        ]
        assert min(gaps) > 0.05
    distance = loop.joints[:, :, 0, 2]
    assert distance.min() > 2.0
    assert distance.max() < 6.2


def test_velocity_is_the_movement(loop: Loop) -> None:
    pelvis = loop.joints[:, :, 0]
    movement = (pelvis[3] - pelvis[1]) / 2 * CONFIG.rate
    np.testing.assert_allclose(loop.people(2).velocities, movement, atol=1e-3)


def test_same_seed_same_pictures(body: BodyModel, loop: Loop) -> None:
    done: list[float] = []
    again = SyntheticWorld(CONFIG, body=body).render(cached=False, progress=done.append)
    for name, value in vars(loop).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    np.testing.assert_allclose(done, np.arange(1, 7) / 6)


def test_other_seed_other_people(body: BodyModel, loop: Loop) -> None:
    config = replace(CONFIG, people=1, seed=5, seconds=1.0)
    other = SyntheticWorld(config, body=body).render(cached=False)
    assert set(other.ids).isdisjoint(loop.ids)
    assert (np.abs(other.shape - loop.shape).max(axis=1) > 0.1).all()


def test_fewer_people_are_the_same_people(body: BodyModel, loop: Loop) -> None:
    one = SyntheticWorld(replace(CONFIG, people=1), body=body).render(cached=False)
    assert one.ids.tolist() == loop.ids[:1].tolist()
    np.testing.assert_allclose(one.joints[:, 0], loop.joints[:, 0], atol=1e-6)


def test_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: SyntheticWorld, loop: Loop,
    body: BodyModel,
) -> None:  # fmt: skip
    renders: list[None] = []

    def render(progress: None) -> Loop:  # what rendering gives is tested above
        renders.append(progress)
        return loop

    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(world, '_render', render)
    assert world.render() is loop
    assert cache_path(CONFIG, body).parent == tmp_path / 'metrichmsr_ros' / 'synthetic'
    kept = world.render()
    assert len(renders) == 1
    for name, value in vars(loop).items():
        np.testing.assert_array_equal(getattr(kept, name), value)
    cache_path(CONFIG, body).write_bytes(b'half a file')
    assert world.render() is loop
    assert len(renders) == 2
    np.testing.assert_array_equal(world.render().images, loop.images)
    assert len(renders) == 2


def test_only_the_loops_used_last_are_kept(tmp_path: Path, loop: Loop) -> None:
    for age in range(KEPT_LOOPS):
        write_loop(tmp_path / f'{age}.npz', loop)
        os.utime(tmp_path / f'{age}.npz', (10**9 - age, 10**9 - age))
    oldest = f'{KEPT_LOOPS - 1}'
    read_loop(tmp_path / f'{oldest}.npz')  # used now, so the one before it is the next to go
    write_loop(tmp_path / 'new.npz', loop)
    names = {path.stem for path in tmp_path.iterdir()}
    assert names == {'new', *(f'{age}' for age in range(KEPT_LOOPS))} - {f'{KEPT_LOOPS - 2}'}


def test_unwritable_cache_costs_only_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: BodyModel
) -> None:
    (tmp_path / 'metrichmsr_ros').write_text('a file where the folder should be')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    config = WorldConfig(people=1, width=32, height=24, rate=1.0, seconds=1.0)
    assert len(SyntheticWorld(config, body=body).render()) == 1


@pytest.mark.parametrize(
    ('bad', 'rule'),
    [
        ({'people': 4}, 'people=4 must be 1 to 3'),
        ({'people': 0}, 'people=0'),
        ({'width': 8}, '8x480'),
        ({'seconds': 0.01}, 'hold no frame'),
        ({'camera_height': 5.0}, 'camera_height=5.0'),
    ],
)
def test_rejects_bad_config(bad: dict[str, float], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        WorldConfig(**bad)


def test_source_plays_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    config = WorldConfig(people=1, width=64, height=48, rate=2.0, seconds=2.0)
    frames = list(islice(SyntheticSource(config), 9))
    assert [f.stamp for f in frames] == [500_000_000 * n for n in range(9)]
    np.testing.assert_array_equal(frames[0].image, frames[4].image)
    assert frames[0].truth is not None
    assert frames[0].truth.ids == frames[8].truth.ids
    assert frames[0].truth_depth_z.shape == (48, 64)
    assert frames[0].depth is None
    assert frames[0].camera.calibrated


def test_source_names_a_wrong_number_of_people() -> None:
    with pytest.raises(SourceError, match='people=7 must be 1 to 3'):
        open_source('synthetic', people=7)


def test_preset_knows_where_the_camera_hangs() -> None:
    preset = Path(__file__).parents[1] / 'config' / 'cameras' / 'synthetic.yaml'
    parameters = yaml.safe_load(preset.read_text())['parameters']
    assert parameters['camera_height'] == WorldConfig().camera_height
    assert parameters['camera_tilt'] == WorldConfig().camera_tilt
