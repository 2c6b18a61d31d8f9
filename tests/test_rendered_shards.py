"""Folders of rendered people: made again, further, broken; and drawn from."""

from __future__ import annotations

from dataclasses import replace
import json

import numpy as np
import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.rendered import make
from metrichmsr_ros.data.rendered.dataset import (
    found,
    mirror_evidence,
    mirror_target,
    MixedPeople,
    RenderedPeople,
)
from metrichmsr_ros.data.rendered.make import render_people
from metrichmsr_ros.data.rendered.readings import Reader, Reading
from metrichmsr_ros.data.rendered.shards import (
    Manifest,
    open_folder,
    read_folder,
    read_shard,
    Readings,
    shard_path,
    write_shard,
)

CONFIG = SampleConfig(poses=200, physique=0.0)
READER = Reader(None)  # nobody is rendered here


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def sampler(body: BodyModel) -> PeopleSampler:
    return PeopleSampler(CONFIG, body=body)


@pytest.fixture
def few(monkeypatch, sampler):
    """Shards of four people who are drawn, not rendered."""

    def draw_readings(seed, **_):
        generator = torch.Generator().manual_seed(1000 * seed[0] + seed[1])
        while True:
            yield made(sampler, 1, generator)[0]

    monkeypatch.setattr(make, 'SHARD_SIZE', 4)
    monkeypatch.setattr(make, 'draw_readings', draw_readings)


def made(sampler, n, generator=None):
    evidence, target = sampler.sample(n, generator or torch.Generator().manual_seed(0))
    hidden = np.zeros(33, bool)
    return [Reading(evidence[i : i + 1], target[i : i + 1], hidden, 0.01) for i in range(n)]


def fill(folder, body, people=8, seed=3, reader=READER, **options):
    render_people(
        folder, people=people, seed=seed, body=body, reader=reader, config=CONFIG, **options
    )


def test_folder_is_made_further_and_keeps_what_it_has(few, tmp_path, body):
    folder, told = tmp_path / 'people', []
    fill(folder, body, people=5, progress=told.append)
    first = read_folder(folder)
    assert len(first) == 8  # whole shards
    assert told[0] == 1
    assert told[-1] == 8
    before = shard_path(folder, 0).stat().st_mtime_ns
    fill(folder, body, people=12)
    assert shard_path(folder, 0).stat().st_mtime_ns == before
    after = read_folder(folder)
    assert len(after) == 12
    assert torch.equal(after.evidence.rays[:8], first.evidence.rays)
    assert not list(folder.glob('*.part'))


def test_a_lost_shard_is_made_again_as_it_was(few, tmp_path, body):
    fill(tmp_path / 'people', body)
    first = read_folder(tmp_path / 'people')
    shard_path(tmp_path / 'people', 1).unlink()
    fill(tmp_path / 'people', body)
    assert torch.equal(read_folder(tmp_path / 'people').target.pelvis, first.target.pelvis)


def test_folder_of_another_seed_is_refused(few, tmp_path, body):
    fill(tmp_path / 'people', body)
    with pytest.raises(ValueError, match='another seed: 3, not 4'):
        fill(tmp_path / 'people', body, seed=4)


def test_folder_of_another_reader_is_refused(few, tmp_path, body):
    folder = tmp_path / 'people'
    fill(folder, body)
    manifest = json.loads((folder / 'rendered.json').read_text())
    for key in ('landmark_network', 'mirrored'):  # which folders of before do not have
        del manifest[key]
    (folder / 'rendered.json').write_text(json.dumps(manifest))
    fill(folder, body)
    with pytest.raises(ValueError, match='another landmark_network: full, not heavy'):
        fill(folder, body, reader=replace(READER, landmark_network='heavy'))
    with pytest.raises(ValueError, match='another mirrored: False, not True'):
        fill(folder, body, reader=replace(READER, mirrored=True))


def test_seeds_have_poses_of_their_own(few, tmp_path, body):
    for seed in (3, 4):
        fill(tmp_path / str(seed), body, people=1, seed=seed)
    seeds = [
        json.loads((tmp_path / name / 'rendered.json').read_text())['config']['pose_seed']
        for name in ('3', '4')
    ]
    assert len({CONFIG.pose_seed, CONFIG.pose_seed + 1, *seeds}) == 4


def test_folder_with_other_things_is_refused(tmp_path, body):
    (tmp_path / 'notes.txt').write_text('mine')
    with pytest.raises(ValueError, match='not empty'):
        open_folder(tmp_path, Manifest(0, body.name, CONFIG))


@pytest.mark.parametrize('people', [0, -3])
def test_no_people_are_refused(people, tmp_path, body):
    with pytest.raises(ValueError, match=f'people={people} must be positive'):
        fill(tmp_path / 'people', body, people=people)


def test_shard_comes_back_as_it_was(tmp_path, sampler):
    readings = Readings.stacked(made(sampler, 3))
    write_shard(tmp_path / 'a.npz', readings)
    again = read_shard(tmp_path / 'a.npz')
    for side in ('evidence', 'target'):
        for name, value in vars(getattr(readings, side)).items():
            assert torch.equal(getattr(getattr(again, side), name), value), name
    assert torch.equal(again.hidden, readings.hidden)
    assert torch.equal(again.error, readings.error)


@pytest.mark.parametrize('keep', [0, 100, 5000])
def test_broken_shard_is_refused(keep, tmp_path, sampler, few, body):
    fill(tmp_path / 'people', body)
    path = shard_path(tmp_path / 'people', 1)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r'shard-00001.npz is not a shard'):
        read_folder(tmp_path / 'people')


def test_shard_with_arrays_of_another_length_is_refused(tmp_path, sampler):
    readings = Readings.stacked(made(sampler, 3))
    write_shard(
        tmp_path / 'a.npz',
        Readings(readings.evidence, readings.target, readings.hidden, readings.error[:2]),
    )
    with pytest.raises(ValueError, match='differ in length'):
        read_shard(tmp_path / 'a.npz')


def test_folders_without_people_are_refused(tmp_path, body):
    with pytest.raises(ValueError, match=r'no rendered\.json'):
        read_folder(tmp_path)
    open_folder(tmp_path / 'new', Manifest(0, body.name, CONFIG))
    with pytest.raises(ValueError, match='has no shards'):
        read_folder(tmp_path / 'new')


def test_mirrored_people_fit_their_bodies(sampler, body):
    _, target = sampler.sample(20, torch.Generator().manual_seed(1))
    mirrored = mirror_target(target)
    joints, landmarks = BodyPoints(body)(mirrored.rotations, mirrored.shape)
    assert (joints + mirrored.pelvis[:, None] - mirrored.joints).norm(dim=-1).max() < 0.002
    assert (landmarks + mirrored.pelvis[:, None] - mirrored.landmarks).norm(dim=-1).max() < 0.01
    for name, value in vars(mirror_target(mirrored)).items():
        assert torch.equal(value, getattr(target, name)), name


def test_mirrored_evidence_is_that_of_mirrored_people(body):
    config = SampleConfig(poses=200, noise=0.0)
    evidence, target = PeopleSampler(config, body=body).sample(
        20, torch.Generator().manual_seed(1)
    )
    mirrored, truth = mirror_evidence(evidence), mirror_target(target)
    seen = truth.valid2d & (mirrored.presence > 0)
    rays = truth.landmarks / truth.landmarks[..., 2:]
    assert (mirrored.rays - rays)[seen].abs().max() < 1e-3
    # The first row of the ray map runs from the first corner towards the second.
    along = mirrored.crop_rays[:, 1] - mirrored.crop_rays[:, 0]
    row = mirrored.ray_map[:, :, 0, -1] - mirrored.ray_map[:, :, 0, 0]
    assert ((along * row).sum(-1) > 0).all()
    for name, value in vars(mirror_evidence(mirrored)).items():
        assert torch.equal(value, getattr(evidence, name)), name


def test_lost_people_are_not_drawn(tmp_path, sampler, body):
    rows = made(sampler, 6)
    rows[0] = Reading(rows[0].evidence, rows[0].target, rows[0].hidden, 0.2)
    rows[1] = Reading(rows[1].evidence, rows[1].target, rows[1].hidden, float('nan'))
    readings = Readings.stacked(rows)
    assert found(readings).tolist() == [False, False, True, True, True, True]
    open_folder(tmp_path / 'a', Manifest(0, body.name, CONFIG))
    write_shard(shard_path(tmp_path / 'a', 0), readings)
    people = RenderedPeople(tmp_path / 'a', body=body)
    assert len(people) == 4
    _, target = people.sample(50, torch.Generator().manual_seed(0))
    assert set(target.height.tolist()) <= set(readings.target.height[2:].tolist())
    write_shard(shard_path(tmp_path / 'a', 0), readings[:2])
    with pytest.raises(ValueError, match='lost all of the 2 people'):
        RenderedPeople(tmp_path / 'a', body=body)


def test_people_are_drawn_as_photographs_would_show_them(tmp_path, sampler, body):
    for name, rows in (('a', made(sampler, 6)), ('b', made(sampler, 10)[6:])):
        open_folder(tmp_path / name, Manifest(0, body.name, CONFIG))
        write_shard(shard_path(tmp_path / name, 0), Readings.stacked(rows))
    people = RenderedPeople(tmp_path / 'a', tmp_path / 'b', body=body, physique=1.0)
    assert len(people) == 10
    evidence, target = people.sample(2000, torch.Generator().manual_seed(3))
    readings = people.readings
    same = (target.pelvis[:, None] == readings.target.pelvis[None]).all(-1)
    straight = same.any(-1)  # the others are mirrored
    assert 0.4 < straight.float().mean() < 0.6
    source = same[straight].float().argmax(-1)
    depth = target.landmarks[straight][..., 2]
    shift = evidence.rays[straight] - readings.evidence.rays[source]
    metres = (shift[..., :2] * depth[..., None]).std(0).norm(dim=-1)
    assert (metres > 0.01).all()
    unchanged = RenderedPeople(tmp_path / 'a', body=body, physique=0.0)
    evidence, _ = unchanged.sample(20, torch.Generator().manual_seed(3))
    rays = {tuple(row) for row in readings.evidence.rays[:, 0].abs().tolist()}
    assert all(tuple(row) in rays for row in evidence.rays[:, 0].abs().tolist())


def test_batches_hold_their_share_and_depend_on_the_generator(tmp_path, sampler, body):
    open_folder(tmp_path / 'a', Manifest(0, body.name, CONFIG))
    write_shard(shard_path(tmp_path / 'a', 0), Readings.stacked(made(sampler, 6)))
    rendered = RenderedPeople(tmp_path / 'a', body=BodyModel.load())
    mixed = MixedPeople(sampler.sample, rendered, 0.25)
    evidence, target = mixed.sample(20, torch.Generator().manual_seed(7))
    again, _ = mixed.sample(20, torch.Generator().manual_seed(7))
    assert len(evidence) == len(target) == 20
    assert torch.equal(evidence.rays, again.rays)
    own = set(rendered.readings.target.height.tolist())
    assert [height in own for height in target.height.tolist()] == [True] * 5 + [False] * 15
    for share, count in ((0.0, 0), (1.0, 8)):
        _, target = MixedPeople(sampler.sample, rendered, share).sample(
            8, torch.Generator().manual_seed(1)
        )
        assert sum(height in own for height in target.height.tolist()) == count
    with pytest.raises(ValueError, match=r'share=1\.5 must be within'):
        MixedPeople(sampler.sample, rendered, 1.5)
