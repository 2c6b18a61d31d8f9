"""The depth refiner: what it is told, what it answers untrained and taught, and its files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from metrichmsr_ros.depth_losses import depth_losses
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.models.checkpoint import CheckpointError
from metrichmsr_ros.models.depth_refiner import Correction, DepthRefiner, DepthRefinerConfig
from metrichmsr_ros.models.depth_refiner_input import (
    grid_camera,
    grid_size,
    refiner_input,
    RefinerInput,
    upsample,
)

TINY = DepthRefinerConfig(widths=(4, 8, 8), dim=16, heads=2, blocks=1)
SHAPE = (40, 64)


def scene(seed: int = 0, batch: int = 2) -> tuple[RefinerInput, torch.Tensor, torch.Tensor]:
    """Return inputs of slopes with a person, and what the anchors say."""
    generator = torch.Generator().manual_seed(seed)
    depth_z = torch.linspace(6.0, 2.0, SHAPE[0])[:, None].expand(batch, *SHAPE).clone()
    anchor_z = torch.full((batch, *SHAPE), torch.nan)
    anchor_z[:, 10:30, 20:30] = 1.1 * depth_z[:, 10:30, 20:30]
    image = torch.randint(0, 256, (batch, 3, *SHAPE), generator=generator, dtype=torch.uint8)
    rays = torch.stack(
        torch.meshgrid(
            torch.linspace(-0.5, 0.5, SHAPE[0]), torch.linspace(-0.8, 0.8, SHAPE[1]), indexing='ij'
        )[::-1]
    )
    rays = rays.expand(batch, 2, *SHAPE)
    sigma = torch.full((batch, *SHAPE), 0.05)
    return refiner_input(image, depth_z, anchor_z, sigma, rays), depth_z, anchor_z


@pytest.mark.parametrize(
    ('size', 'wanted'),
    [
        ((640, 480), (160, 120)), ((1280, 720), (160, 88)), ((480, 640), (120, 160)),
        ((848, 480), (160, 88)), ((2000, 10), (160, 8)),
    ],
)  # fmt: skip
def test_grid_keeps_the_aspect_in_multiples_of_eight(size, wanted):
    assert grid_size(*size) == wanted


def test_grid_camera_sees_along_the_same_rays():
    camera = Camera.from_fov(640, 480, 1.2)
    small = grid_camera(camera)
    # The middle of the image and of the grid are one place.
    ray = camera.unproject(np.array([[319.5, 239.5]]))
    assert small.unproject(np.array([[79.5, 59.5]])) == pytest.approx(ray, abs=1e-9)


def test_input_tells_what_is_known():
    made, depth_z, anchor_z = scene()
    log_unit = depth_z.log().flatten(1).median(dim=1).values
    assert made.unit.log() == pytest.approx(log_unit.numpy(), abs=1e-5)
    relative, inverse, known, ratio, anchored, trust, unit = made.channels[:, 3:10].unbind(1)
    assert relative == pytest.approx((depth_z.log() - log_unit[:, None, None]).numpy(), abs=1e-5)
    assert inverse == pytest.approx((-relative).exp().clamp(max=4).numpy() - 1, abs=1e-5)
    assert known.all()
    assert torch.equal(anchored.bool(), torch.isfinite(anchor_z))
    inside = anchored.bool()
    assert ratio[inside] == pytest.approx(4 * np.log(1.1), abs=1e-4)
    assert (ratio[~inside] == 0).all()
    assert (trust[~inside] == 0).all()
    assert trust[inside] == pytest.approx(1 / 1.25, abs=1e-5)
    assert unit[0, 0, 0] == pytest.approx(float(log_unit[0]) - 1, abs=1e-5)


def test_input_tells_how_surfaces_are_turned():
    normal = torch.nn.functional.normalize(torch.tensor([0.2, -0.9, 0.4]), dim=0)
    x, y = torch.meshgrid(
        torch.linspace(-0.6, 0.6, 160), torch.linspace(-0.6, 0.2, 88), indexing='xy'
    )
    rays = torch.stack([x, y])[None]
    depth_z = 2 / (normal[0] * x + normal[1] * y + normal[2])[None]
    depth_z[:, :, :5] = torch.nan
    nobody = torch.full_like(depth_z, torch.nan)
    image = torch.zeros(1, 3, 88, 160, dtype=torch.uint8)
    made = refiner_input(image, depth_z, nobody, torch.ones_like(depth_z), rays)
    found = made.channels[0, 10:13]
    positive = made.known[0].clone()
    assert 0.5 < positive.float().mean() < 1
    for shift in (-1, 1):
        for axis in (0, 1):
            positive &= made.known[0].roll(shift, axis)
    assert found[:, positive] == pytest.approx(
        normal[:, None].expand(-1, int(positive.sum())).numpy(), abs=1e-3
    )
    assert (found[:, ~made.known[0]] == 0).all()


def test_unknown_depth_is_not_nan_in_the_input():
    depth_z = torch.full((1, *SHAPE), torch.nan)
    image, rays = torch.zeros(1, 3, *SHAPE, dtype=torch.uint8), torch.zeros(1, 2, *SHAPE)
    made = refiner_input(image, depth_z, depth_z, torch.ones(1, *SHAPE), rays)
    assert not made.known.any()
    assert torch.isfinite(made.channels).all()
    assert torch.isfinite(made.depth_z).all()


def test_untrained_it_returns_its_input():
    made, depth_z, _ = scene()
    torch.manual_seed(0)
    correction = DepthRefiner(TINY)(made)
    assert torch.equal(correction.apply(made.depth_z), depth_z)


def test_it_learns_a_bend_that_people_do_not_tell():
    torch.manual_seed(0)
    network = DepthRefiner(TINY)
    made, depth_z, anchor_z = scene()
    true_z = depth_z * torch.linspace(0.9, 1.2, SHAPE[1])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    first = None
    for _ in range(60):
        terms = depth_losses(
            made, network(made), anchor_z=anchor_z, anchor_sigma=torch.ones_like(depth_z),
            true_z=true_z,
        )  # fmt: skip
        first = first or terms['depth'].item()
        optimizer.zero_grad()
        terms['depth'].backward()
        optimizer.step()
    assert terms['depth'].item() < 0.3 * first


def test_losses_of_an_exact_constant_correction_are_zero_but_for_the_anchors():
    made, depth_z, anchor_z = scene()
    correction = Correction(torch.full_like(depth_z, 0.1), torch.zeros_like(depth_z))
    true_z = depth_z * float(np.exp(0.1))
    true_z[:, :5] = torch.nan
    terms = depth_losses(
        made, correction, anchor_z=anchor_z, anchor_sigma=torch.zeros_like(depth_z), true_z=true_z
    )
    assert float(terms['depth']) == pytest.approx(0, abs=1e-6)
    assert float(terms['variation']) == pytest.approx(0, abs=1e-6)
    assert float(terms['variance']) == pytest.approx(0, abs=1e-6)
    assert float(terms['anchor']) == pytest.approx(np.exp(0.1) / 1.1 - 1, abs=1e-5)


def test_variation_is_free_across_an_edge_of_the_prior():
    made, depth_z, _ = scene()
    half = torch.arange(SHAPE[1]) < SHAPE[1] // 2
    field = torch.where(half, 0.1, 0.0).expand_as(depth_z)
    nothing = torch.full_like(depth_z, torch.nan)

    def variation(depth_z: torch.Tensor) -> float:
        terms = depth_losses(
            made._replace(depth_z=depth_z), Correction(field, torch.zeros_like(field)),
            anchor_z=nothing, anchor_sigma=torch.ones_like(depth_z), true_z=nothing,
        )  # fmt: skip
        return float(terms['variation'])

    assert variation(torch.where(half, 2.0, 8.0).expand_as(depth_z)) < 1e-3 * variation(depth_z)


def test_upsampling_keeps_a_constant_and_follows_the_guide():
    guide = torch.zeros(1, 1, 16, 24)
    guide[..., 13:] = 1.0  # an edge inside a coarse cell
    assert upsample(torch.full((1, 2, 4, 6), 0.3), guide, spread=0.1) == pytest.approx(0.3)
    field = torch.zeros(1, 1, 4, 6)
    field[..., 4:] = 1.0
    fine = upsample(field, guide, spread=0.1)
    assert float(fine[0, 0, 8, 12]) < 0.2
    assert float(fine[0, 0, 8, 16]) > 0.8


def test_a_checkpoint_gives_the_same_network_and_a_wrong_one_says_why(tmp_path):
    torch.manual_seed(1)
    network = DepthRefiner(TINY)
    torch.nn.init.normal_(network.field.weight, std=0.1)
    network.save_pretrained(tmp_path)
    made, _, _ = scene()
    again = DepthRefiner.from_pretrained(tmp_path)
    assert again.config == TINY
    assert torch.allclose(again(made).log_scale, network(made).log_scale, atol=1e-6)
    config = json.loads((tmp_path / 'config.json').read_text())
    config['depth_refiner']['dim'] = 32
    (tmp_path / 'config.json').write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match='must be'):
        DepthRefiner.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match='no checkpoint'):
        DepthRefiner.from_pretrained(tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='multiples of 4'):
        DepthRefinerConfig(widths=(4, 6, 8))
