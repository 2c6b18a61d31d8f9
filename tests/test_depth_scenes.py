"""Scenes for the depth refiner: pictures, truth, estimates and priors agree with each other."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from made_scenes import CONFIG, OneLook
import numpy as np
import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.depth.examples import draw_batch, ExampleConfig, make_example, mirrored
from metrichmsr_ros.data.depth.groups import GroupSampler
from metrichmsr_ros.data.depth.halls import draw_hall
from metrichmsr_ros.data.depth.scenes import DepthScene, MAX_DEPTH, SceneRenderer
from metrichmsr_ros.data.depth.shards import DepthScenes, read_scenes, render_scenes
from metrichmsr_ros.models.metric_hmr import MetricHMR

SIZE = (160, 120)


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def sampler(body: BodyModel) -> GroupSampler:
    return GroupSampler(CONFIG, body=body, network=MetricHMR.from_pretrained('blazepose'))


@pytest.fixture(scope='module')
def groups(sampler: GroupSampler):
    return sampler.draw(64, torch.Generator().manual_seed(2))


@pytest.fixture(scope='module')
def scenes(sampler: GroupSampler, body: BodyModel) -> list[DepthScene]:
    return list(islice(SceneRenderer(sampler, OneLook(body)).draw((3,), size=SIZE), 16))


def world(groups, index: int) -> np.ndarray:
    camera = int(groups.camera[index])
    R, origin = groups.R_cam_world[camera].numpy(), groups.origin[camera].numpy()
    return groups.surface[index].numpy() @ R + origin


def test_everybody_of_a_group_stands_on_one_floor_apart(groups):
    count = len(groups.origin)
    assert torch.equal(groups.camera[:count], torch.arange(count))
    assert len(groups.camera) > 1.5 * count
    for index in range(len(groups.camera)):
        # Where soles are drawn a little through the floor or hover, landmarks are not at the skin.
        assert abs(world(groups, index)[:, 1].min()) < 0.12
    pelvis = groups.joints[:, 0]
    for camera in range(count):
        own = pelvis[groups.camera == camera]
        apart = torch.cdist(own, own) + 10 * torch.eye(len(own))
        assert apart.min() > 0.59


def test_estimates_are_about_as_far_as_the_people(groups):
    true_z, z = (points[..., 2].mean(1) for points in (groups.surface, groups.estimate))
    ratio = (z / true_z).log()
    assert ratio.abs().median() < 0.1
    z_score = ratio / groups.sigma
    assert 0.4 < float((z_score.abs() < 1).float().mean()) < 0.9


def test_halls_leave_people_and_camera_free_and_hold_all(groups):
    rng = np.random.default_rng(0)
    askew = 0
    for camera in range(20):
        people = [world(groups, i) for i in np.flatnonzero(groups.camera.numpy() == camera)]
        origin = groups.origin[camera].numpy()
        room = draw_hall(rng, camera=origin, people=people)
        for points in [*people, origin[None]]:
            assert (points[:, [0, 2]] > room.low[0, [0, 2]]).all()
            assert (points < room.high[0]).all()
            for low, high, turn in zip(room.low[1:], room.high[1:], room.turns[1:], strict=True):
                own = points @ turn.T
                assert not ((own > low) & (own < high)).all(1).any()
        askew += int((np.abs(room.turns - np.eye(3)).max((1, 2)) > 0.01).sum())
        assert len(room.patterns) == len(room.low) + 2
    assert askew > 20


def test_a_scene_shows_its_people_where_they_truly_are(scenes):
    errors, shown = [], 0
    for scene in scenes:
        assert scene.image.shape == (120, 160, 3)
        assert scene.image.std() > 5
        known = np.isfinite(scene.depth_z)
        assert (scene.depth_z[known] > 0.05).all()
        assert (scene.depth_z[known] < MAX_DEPTH).all()
        both = (scene.person >= 0) & (scene.seen >= 0)
        shown += int(both.any())
        errors += [np.median(scene.mesh_z[both] / scene.depth_z[both])] if both.sum() > 20 else []
        assert np.isfinite(scene.sigma).sum() > scene.person.max()
        assert np.linalg.norm(scene.down) == pytest.approx(1, abs=1e-5)
    assert shown > 10
    assert np.median(np.abs(np.log(errors))) < 0.12


def test_the_floor_is_where_height_and_down_say(scenes):
    hit = 0
    for scene in scenes:
        rays = np.concatenate([scene.rays, np.ones_like(scene.rays[:1])])
        below = np.einsum('chw,c->hw', rays, scene.down) * scene.depth_z
        floor = (np.abs(below / scene.height - 1) < 0.01) & (scene.seen < 0)
        hit += int(floor.mean() > 0.02)
        assert (below[np.isfinite(below)] < 1.02 * scene.height + 0.15).all()
    assert hit > 10


def test_mirrored_twice_is_the_same_and_once_is_consistent(scenes):
    for scene in scenes[:4]:
        once, twice = mirrored(scene), mirrored(mirrored(scene))
        for name in ('image', 'depth_z', 'mesh_z', 'person', 'rays', 'soles', 'down'):
            assert np.array_equal(getattr(twice, name), getattr(scene, name), equal_nan=True)
        rays = np.concatenate([once.rays, np.ones_like(once.rays[:1])])
        below = np.einsum('chw,c->hw', rays, once.down) * once.depth_z
        before = np.concatenate([scene.rays, np.ones_like(scene.rays[:1])])
        wanted = np.einsum('chw,c->hw', before, scene.down) * scene.depth_z
        assert below[:, ::-1] == pytest.approx(wanted, abs=1e-4, nan_ok=True)


def test_one_factor_and_one_shift_bring_a_prior_nearer(scenes):
    rng = np.random.default_rng(1)
    config = ExampleConfig(relative=0.0, ground=0.0, holes=0.0)
    prior, affine = [], []
    for scene in scenes:
        for _ in range(4):
            example = make_example(scene, rng, config)
            if example is None:
                continue
            relative = [np.nanmean(np.abs(z / example.true_z - 1))
                        for z in (example.prior_z, example.depth_z)]  # fmt: skip
            prior.append(relative[0])
            affine.append(relative[1])
            anchored = np.isfinite(example.anchor_z)
            assert anchored.any()
            assert (example.anchor_sigma[anchored] < 1).all()
    assert len(prior) > 30
    assert np.mean(affine) < 0.9 * np.mean(prior)


def test_a_floor_as_prior_knows_nothing_of_people(scenes):
    rng = np.random.default_rng(1)
    found = 0
    for scene in scenes:
        example = make_example(scene, rng, ExampleConfig(relative=0.0, ground=1.0))
        if example is None:
            continue
        found += 1
        unseen = np.isnan(example.true_z)
        assert unseen.sum() >= (scene.seen >= 0).sum()
        assert np.isfinite(example.anchor_z).sum() <= 48
    assert found > 5


def test_shares_are_checked():
    with pytest.raises(ValueError, match='at most 1'):
        ExampleConfig(relative=0.6, ground=0.6)
    with pytest.raises(ValueError, match='holes'):
        ExampleConfig(holes=1.5)


def test_batches_are_of_one_size_and_come_again(scenes):
    stacked = DepthScenes.stacked(scenes)
    upright = DepthScenes.stacked([replace(mirrored(s)) for s in scenes])
    batch, again = (
        draw_batch([stacked, upright], 5, np.random.default_rng(4), ExampleConfig())
        for _ in range(2)
    )
    assert batch.image.dtype == torch.uint8
    assert batch.image.shape[1:] == (3, 120, 160)
    for one, other in zip(batch, again, strict=True):
        assert torch.equal(one.nan_to_num(), other.nan_to_num())


def test_folders_are_gone_on_with_and_belong_to_one_seed(tmp_path, scenes, monkeypatch):
    made = []

    class Renderer:
        def draw(self, seed, *, size):
            made.append((seed, size))
            return iter(scenes * 4)

    monkeypatch.setattr('metrichmsr_ros.data.depth.shards.scene_renderer', lambda seed: Renderer())
    render_scenes(tmp_path, scenes=1, seed=5)
    render_scenes(tmp_path, scenes=65, seed=5)
    assert made == [((5, 0), (160, 120)), ((5, 1), (160, 88))]
    (found,) = read_scenes(tmp_path)
    assert len(found) == 128
    assert found[3].depth_z == pytest.approx(scenes[3].depth_z, rel=1e-3, nan_ok=True)
    assert np.array_equal(found[3].person, scenes[3].person)
    with pytest.raises(ValueError, match=r'made with seed 5, pose network \w+, not with seed 6'):
        render_scenes(tmp_path, scenes=1, seed=6)
    made_with = tmp_path / 'made_with.txt'
    made_with.write_text(made_with.read_text().replace('network ', 'network 0'))
    with pytest.raises(ValueError, match=r'pose network 0\w+, not with seed 5, pose network'):
        render_scenes(tmp_path, scenes=1, seed=5)
    made_with.unlink()
    with pytest.raises(ValueError, match='its pose network is unknown'):
        render_scenes(tmp_path, scenes=1, seed=5)
    with pytest.raises(ValueError, match='positive'):
        render_scenes(tmp_path, scenes=0, seed=5)
    (tmp_path / 'scenes-00000.npz').write_bytes(b'PK not')
    with pytest.raises(ValueError, match='not a shard of depth scenes'):
        read_scenes(tmp_path)
    with pytest.raises(ValueError, match='no scenes'):
        read_scenes(tmp_path / 'empty')
