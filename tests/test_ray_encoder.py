import pytest
import torch

from metrichmsr_ros.models.evidence import RAY_MAP_SIZE
from metrichmsr_ros.models.ray_encoder import RayEncoder
from metrichmsr_ros.models.vit_ray_encoder import VitRayEncoder


@pytest.mark.parametrize('patch', [2, 4, 8])
def test_one_token_for_each_patch(patch: int):
    encoder = RayEncoder(16, heads=4, patch=patch)
    ray_map = torch.randn(3, 2, RAY_MAP_SIZE, RAY_MAP_SIZE)
    tokens = encoder(ray_map, torch.full((3,), 0.4))
    assert tokens.shape == (3, (RAY_MAP_SIZE // patch) ** 2, 16) == (3, encoder.num_tokens, 16)


def test_tells_crops_of_different_angles_apart():
    encoder = RayEncoder(16, heads=4, patch=4)
    ray_map = torch.randn(1, 2, RAY_MAP_SIZE, RAY_MAP_SIZE).expand(2, -1, -1, -1)
    narrow, wide = encoder(ray_map, torch.tensor([0.1, 0.8]))
    assert (narrow - wide).abs().max() > 0.01


def test_patch_must_divide_the_map():
    with pytest.raises(ValueError, match='patch is 3: it must divide 8'):
        RayEncoder(16, heads=4, patch=3)


def test_vision_transformer_has_a_token_for_each_16_cells():
    encoder = VitRayEncoder(16, width=24, layers=2, heads=2)
    ray_map = torch.randn(1, 2, 224, 224).expand(2, -1, -1, -1)
    narrow, wide = encoder(ray_map, torch.tensor([0.1, 0.8]))
    assert narrow.shape == (196, 16) == (encoder.num_tokens, 16)
    assert (narrow - wide).abs().max() > 0.01
