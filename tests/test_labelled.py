"""Labelled photographs as training data: the truth of their bodies, crops, and whole runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import cv2
from made_images import TINY
import numpy as np
import pytest
import torch
from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.cli import main
from metrichmsr_ros.data.datasets.arrays import DatasetError
from metrichmsr_ros.data.labelled import read_labelled
from metrichmsr_ros.models.image_evidence import ImageEvidence
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.models.network_config import SIZES
from metrichmsr_ros.train_config import configure

WIDTH, HEIGHT, FOCAL = 320, 240, 300.0
COUNT = 6


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


def fabricate(folder: Path, *, images: str = 'images', count: int = COUNT) -> str:
    """Write people in pictures of noise in the published layout, and return the setting."""
    rng = np.random.default_rng(0)
    (folder / images).mkdir(parents=True)
    pose = 0.2 * rng.normal(size=(count, 24, 3))
    pose[:, 0] = [np.pi, 0, 0]  # upright, facing the camera
    for i in range(count):
        picture = rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        assert cv2.imwrite(str(folder / images / f'{i}.png'), picture)
    np.savez(
        folder / 'labels.npz',
        imgname=np.array([f'{i}.png' for i in range(count)]),
        center=np.tile([180.0, 110.0], (count, 1)),
        scale=np.full(count, 0.9),
        pose_cam=pose.reshape(count, 72),
        shape=0.5 * rng.normal(size=(count, 10)),
        cam_int=np.tile([[FOCAL, 0, 160], [0, FOCAL, 120], [0, 0, 1]], (count, 1, 1)),
        trans_cam=np.tile([0.2, -0.1, 3.5], (count, 1)) + 0.1 * rng.normal(size=(count, 3)),
    )
    return f'{folder / "labels.npz"}:{folder / images}'


def test_the_truth_is_that_of_the_labels(tmp_path, body):
    people, _ = read_labelled([fabricate(tmp_path)], config=TINY, body=body)
    assert len(people) == COUNT - 1  # the first image is held out
    evidence, target = people.sample(20, torch.Generator().manual_seed(0))
    assert isinstance(evidence, ImageEvidence)
    assert evidence.image.shape == (20, 3, 256, 192)
    labels = np.load(tmp_path / 'labels.npz')
    pose, shape, translation = (
        torch.tensor(labels[name], dtype=torch.float32)
        for name in ('pose_cam', 'shape', 'trans_cam')
    )
    truth = body(pose.unflatten(-1, (24, 3)), shape, translation)
    source = (target.pelvis[:, None] - truth.joints[None, :, 0]).norm(dim=-1).argmin(-1)
    assert 0 not in source
    torch.testing.assert_close(target.joints, truth.joints[source], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        target.landmarks, body.blazepose(truth.vertices)[source], atol=2e-3, rtol=0
    )
    torch.testing.assert_close(target.height, body.heights(target.shape))
    assert target.valid2d.float().mean() > 0.9


def test_crops_are_about_the_boxes_and_differ(tmp_path, body):
    people, _ = read_labelled([fabricate(tmp_path)], config=TINY, body=body)
    evidence, _ = people.sample(200, torch.Generator().manual_seed(0))
    middle = evidence.crop_rays.mean(1)
    expected = torch.tensor([(180.0 - 160) / FOCAL, (110.0 - 120) / FOCAL])
    torch.testing.assert_close(middle[:, :2].mean(0), expected, atol=0.01, rtol=0)
    side = evidence.crop_rays[:, 1, 0] - evidence.crop_rays[:, 0, 0]
    assert side.log().std() == pytest.approx(0.15, abs=0.03)
    assert middle[:, 0].std() == pytest.approx(0.06 * 180 / FOCAL, rel=0.2)


def test_the_generator_decides(tmp_path, body):
    people, _ = read_labelled([fabricate(tmp_path)], config=TINY, body=body)
    first, again, other = (
        people.sample(4, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first[0].image, again[0].image)
    assert torch.equal(first[1].joints, again[1].joints)
    assert not torch.equal(first[0].image, other[0].image)


def test_held_out_images_are_not_drawn(tmp_path, body):
    setting = fabricate(tmp_path, count=120)
    sides = read_labelled([setting], config=TINY, body=body)
    assert [len(side) for side in sides] == [117, 3]
    drawn = [side.sample(30, torch.Generator().manual_seed(0))[1].pelvis for side in sides]
    assert not (drawn[0][:, None] == drawn[1][None]).all(-1).any()


def test_archives_of_one_image_are_held_out_as_images_of_one_are(tmp_path, body):
    settings = [fabricate(tmp_path / str(i), count=1) for i in range(3)]
    sides = read_labelled(settings, config=TINY, body=body)
    assert [len(side) for side in sides] == [2, 1]
    with pytest.raises(ValueError, match='in one image alone'):
        read_labelled(settings[:1], config=TINY, body=body)


def test_close_ups_are_turned_before_they_are_read(tmp_path, body):
    turned = fabricate(tmp_path / 'a', images='suburb_closeup')
    upright = fabricate(tmp_path / 'b')
    for file in (tmp_path / 'b' / 'images').iterdir():
        picture = cv2.rotate(cv2.imread(str(file)), cv2.ROTATE_90_CLOCKWISE)
        cv2.imwrite(str(file), picture)
    (left, _), (right, _) = (
        read_labelled([setting], config=TINY, body=body)[0].sample(
            3, torch.Generator().manual_seed(5)
        )
        for setting in (turned, upright)
    )
    assert torch.equal(left.image, right.image)
    assert torch.equal(left.ray_map, right.ray_map)


def test_what_cannot_be_read_is_named(tmp_path, body):
    setting = fabricate(tmp_path)
    with pytest.raises(ValueError, match=r"expected labels\.npz:images, got 'labels\.npz'"):
        read_labelled(['labels.npz'], config=TINY, body=body)
    with pytest.raises(DatasetError, match='no such file'):
        read_labelled([f'{tmp_path}/none.npz:{tmp_path}'], config=TINY, body=body)
    people, _ = read_labelled([setting], config=TINY, body=body)
    for file in (tmp_path / 'images').iterdir():
        file.write_bytes(b'no picture')
    with pytest.raises(DatasetError, match=r'\d\.png: not a readable image'):
        people.sample(1, torch.Generator().manual_seed(0))


def test_a_network_with_vitpose_learns_from_them_by_one_command(tmp_path, body):
    setting = fabricate(tmp_path)
    sizes = [f'--model.{name}={value}' for name, value in asdict(TINY).items()]
    run = tmp_path / 'run'
    code = main(
        ['train', f'--out={run}', '--steps=3', '--batch_size=2', '--workers=0', '--log_every=1',
         '--validation_people=2', '--loss.vertices=5', f'--labels={setting}', *sizes]
    )  # fmt: skip
    assert code == 0
    network = MetricHMR.from_pretrained(run / 'model', body=body)
    assert network.config == TINY
    rows = (run / 'log.csv').read_text().splitlines()
    assert len(rows) == 4
    header = rows[0].split(',')
    values = dict(zip(header, map(float, rows[1].split(',')), strict=True))
    assert values['landmark_rays'] > 0
    assert values['vertices'] > 0


def test_published_weights_go_in_before_the_training(tmp_path, body, capsys):
    backbone = VitPoseBackboneConfig(
        hidden_size=TINY.image_width, num_hidden_layers=TINY.image_layers,
        num_attention_heads=TINY.image_heads, out_indices=[-1],
    )  # fmt: skip
    published = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone))
    published.save_pretrained(tmp_path / 'vitpose')
    sizes = [f'--model.{name}={value}' for name, value in asdict(TINY).items()]
    command = [
        'train', f'--out={tmp_path / "run"}', '--steps=1', '--batch_size=1', '--workers=0',
        '--learning_rate=1e-12', '--validation_people=1', f'--vitpose={tmp_path / "vitpose"}',
    ]  # fmt: skip
    assert main([*command, f'--labels={fabricate(tmp_path)}', *sizes]) == 0
    network = MetricHMR.from_pretrained(tmp_path / 'run' / 'model', body=body)
    wanted = published.state_dict()['backbone.embeddings.patch_embeddings.projection.weight']
    found = next(v for k, v in network.state_dict().items() if k.endswith('projection.weight'))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    assert main(command) == 2
    assert 'a network without ViTPose' in capsys.readouterr().err


def test_a_network_that_looks_at_pixels_needs_photographs(tmp_path, capsys):
    code = main(['train', f'--out={tmp_path}', '--steps=1', '--size=base'])
    assert code == 2
    assert 'or labels must name photographs' in capsys.readouterr().err


def test_sizes_by_name():
    assert configure({'size': 'paper', 'seed': '3'}).model == SIZES['paper']
    assert configure({'size': 'base', 'model.dim': '256'}).model.dim == 256
    assert configure({}).model == SIZES['blazepose']
    with pytest.raises(ValueError, match="size must be one of blazepose, base, paper, got 'huge'"):
        configure({'size': 'huge'})
