import json
from pathlib import Path
import sys

from made_images import CAMERA, made_frame, made_images, ROIS
import numpy as np
import pytest
from safetensors.torch import load_file, save_file
import torch
from transformers import (
    VitPoseBackbone,
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
)

from metrichmsr_ros.models.canonical import crop_frame
from metrichmsr_ros.models.evidence import crop_pixels
from metrichmsr_ros.models.landmark_queries import LandmarkQueries
from metrichmsr_ros.models.vitpose_encoder import make_backbone, VitPoseEncoder

SIZES = {'hidden_size': 32, 'num_hidden_layers': 2, 'num_attention_heads': 2}


def make_encoder() -> VitPoseEncoder:
    torch.manual_seed(1)
    return VitPoseEncoder(16, person_tokens=2, width=32, layers=2, heads=2, hidden=8).eval()


def fabricate(folder: Path, **changes: int) -> VitPoseForPoseEstimation:
    """Write a tiny ViTPose, or ViTPose+, as it is published, and return it."""
    torch.manual_seed(0)
    backbone = VitPoseBackboneConfig(**SIZES, **changes, out_indices=[-1])
    network = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    network.save_pretrained(folder)
    return network


def test_tokens_and_landmarks():
    encoder, evidence = make_encoder(), made_images()
    crop = encoder.canonical(evidence)
    tokens = encoder(evidence, crop)
    assert tokens.shape == (3, encoder.num_tokens, 16) == (3, 2 + 192, 16)
    found = encoder.landmarks(tokens[:, 2:], crop)
    assert found.tokens.shape == (3, 33, 16)
    assert found.plane.shape == (3, 33, 2)
    assert found.seen.all()


def test_patches_lie_where_the_image_shows_them():
    crop = make_encoder().canonical(made_images())
    rows, columns = np.mgrid[:16, :12]
    middles = np.stack([(columns * 16 + 8 + 32) / 256, (rows * 16 + 8) / 256], -1) - 0.5
    pixels = crop_pixels(ROIS, middles.reshape(-1, 2))
    rays = torch.from_numpy(CAMERA.unproject(pixels)).float()
    rays = rays @ crop_frame(made_images().crop_rays).axes
    plane = rays[..., :2] / rays[..., 2:] / crop.frame.angle[:, None, None]
    torch.testing.assert_close(crop.plane, plane, atol=1e-3, rtol=0)
    # A square crop about its own axis spans one side of itself.
    torch.testing.assert_close(crop.ray_map[0, 0, 112, [0, -1]], torch.tensor([-0.5, 0.5]),
                               atol=0.03, rtol=0)  # fmt: skip


def test_nothing_is_known_of_the_torso_but_that_people_stand():
    crop = make_encoder().canonical(made_images())
    expected = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(3, 3, 3)
    torch.testing.assert_close(crop.torso, expected)


def test_a_landmark_is_where_its_query_looks():
    queries = LandmarkQueries(8, 4)
    positions = torch.rand(1, 20, 2) - 0.5
    tokens = torch.zeros(1, 20, 8)
    tokens[0, 7, 3] = 1.0  # only this patch shows anything
    with torch.no_grad():
        queries.key.weight.copy_(torch.eye(8))
        queries.queries.zero_()[5, 3] = 1e3
        queries.offset[-1].weight.zero_()
    _, plane = queries(tokens, positions)
    torch.testing.assert_close(plane[0, 5], positions[0, 7])
    torch.testing.assert_close(plane[0, 6], positions[0].mean(0))


@pytest.mark.parametrize(
    ('changes', 'dataset'),
    [({}, ()), ({'num_experts': 3, 'part_features': 8}, (torch.zeros(2, dtype=torch.long),))],
    ids=['vitpose', 'vitpose-plus'],
)
def test_published_weights_say_the_same(tmp_path: Path, changes: dict, dataset: tuple):
    published = fabricate(tmp_path, **changes)
    encoder = make_encoder()
    encoder.load_pretrained(tmp_path)
    pixels = torch.randn(2, 3, 256, 192)
    with torch.no_grad():
        found = encoder.backbone(pixels).feature_maps[-1]
        wanted = published.backbone(pixels, *dataset).feature_maps[-1]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_loads_a_backbone_without_head(tmp_path: Path):
    published = VitPoseBackbone(VitPoseBackboneConfig(**SIZES))
    published.save_pretrained(tmp_path)
    encoder = make_encoder()
    encoder.load_pretrained(str(tmp_path))
    for name, value in published.state_dict().items():
        torch.testing.assert_close(encoder.backbone.state_dict()[name], value)


def _spoil(folder: Path, change: str) -> None:
    config = json.loads((folder / 'config.json').read_text())
    weights = load_file(folder / 'model.safetensors')
    if change == 'width':
        config['backbone_config']['hidden_size'] = 64
    elif change == 'image':
        config['backbone_config']['image_size'] = [256, 256]
    elif change == 'kind':
        config['model_type'] = 'vit'
    elif change == 'missing':
        del weights['backbone.layernorm.weight']
    elif change == 'unexpected':
        weights['backbone.colour'] = torch.zeros(1)
    elif change == 'shape':
        weights['backbone.layernorm.weight'] = torch.zeros(7)
    save_file(weights, folder / 'model.safetensors', metadata={'format': 'pt'})
    (folder / 'config.json').write_text('{' if change == 'json' else json.dumps(config))
    if change == 'short':
        (folder / 'model.safetensors').write_bytes(b'short')
    elif change == 'no weights':
        (folder / 'model.safetensors').unlink()
    elif change == 'no config':
        (folder / 'config.json').unlink()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('width', 'hidden_size is 64: it must be 32'),
        ('image', r'image_size is \[256, 256\]: it must be \[256, 192\]'),
        ('kind', "model_type is 'vit': it must be vitpose or vitpose_backbone"),
        ('json', 'not a valid JSON'),
        ('missing', 'missing weights: backbone.layernorm.weight'),
        ('unexpected', 'unexpected weights: backbone.colour'),
        ('shape', 'mismatched weights: backbone.layernorm.weight'),
        ('short', 'ViTPose at'),
        ('no weights', 'model.safetensors'),
        ('no config', 'it must be a folder with config.json, or hub:owner/name'),
    ],
)
def test_rejects_folders_that_do_not_fit(tmp_path: Path, change: str, message: str):
    fabricate(tmp_path)
    _spoil(tmp_path, change)
    with pytest.raises(ValueError, match=message) as caught:
        make_encoder().load_pretrained(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(ValueError, match=r"pip install 'metrichmsr_ros\[vitpose\]'"):
        make_backbone(width=32, layers=1, heads=2)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match='heads is 3: it must divide width, 32'):
        make_backbone(width=32, layers=1, heads=3)


def test_pixels_matter():
    encoder, evidence = make_encoder(), made_images(1)
    crop = encoder.canonical(evidence)
    frame = made_frame()
    frame.image[:] = 255 - frame.image
    other = type(evidence).from_frame(frame, ROIS[:1])
    assert (encoder(evidence, crop) - encoder(other, crop)).abs().max() > 1e-3
