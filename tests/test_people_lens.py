"""Batched lenses against the camera of the product."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.lens import Lenses
from metrichmsr_ros.data.people.scene import draw_lenses
from metrichmsr_ros.geometry.camera import Camera


def lenses(n: int = 60, **changes) -> Lenses:
    config = SampleConfig(**{'distorted': 0.5, 'fisheye': 0.3} | changes)
    return draw_lenses(Draws(n, torch.Generator().manual_seed(3)), config)


def camera_of(lens: Lenses, i: int) -> Camera:
    width, height = lens.size[i].int().tolist()
    (fx, fy), (cx, cy) = lens.focal[i].tolist(), lens.centre[i].tolist()
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    model, number = ('equidistant', 4) if lens.fisheye[i] else ('plumb_bob', 5)
    return Camera(width, height, K, lens.D[i, :number].double().numpy(), model)


def test_same_pixels_and_rays_as_the_camera():
    lens = lenses()
    points = torch.randn(60, 20, 3, generator=torch.Generator().manual_seed(0))
    points[..., 2] = points[..., 2].abs() + 1.5
    pixels = lens.project(points)
    rays, solved = lens.unproject(pixels)
    kinds = set()
    for i in range(60):
        camera = camera_of(lens, i)
        kinds.add((camera.distortion_model, camera.has_distortion))
        expected = camera.project(points[i].double().numpy())
        assert np.isfinite(expected).all()  # one-to-one everywhere: no point is lost
        np.testing.assert_allclose(pixels[i].numpy(), expected, rtol=1e-4, atol=0.02)
        back = camera.unproject(expected)
        np.testing.assert_allclose(rays[i].numpy(), back, atol=2e-3)
    assert len(kinds) == 3
    assert bool(solved.all())


def test_the_border_has_rays():
    lens = lenses(200)
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
    rays, solved = lens.unproject(corners * lens.size[:, None])
    assert bool(torch.isfinite(rays).all())
    assert float(solved.float().mean()) > 0.99
    assert bool((rays[..., 2] == 1).all())


def test_field_of_view_is_as_asked():
    lens = lenses(300, fov=(70.0, 80.0))
    middle = lens.centre[:, 1]
    edges = torch.stack(
        [torch.stack([lens.centre[:, 0] + s * lens.size[:, 0] / 2, middle], -1) for s in (-1, 1)],
        1,
    )
    rays, _ = lens.unproject(edges)
    angle = torch.rad2deg(torch.atan(rays[:, 1, 0]) - torch.atan(rays[:, 0, 0]))
    assert float(angle.min()) > 68
    assert float(angle.max()) < 82


def test_inside_is_the_image():
    lens = lenses(2)
    pixels = torch.stack([-torch.ones(2, 2), lens.size / 2, lens.size], 1)
    assert lens.inside(pixels).tolist() == [[False, True, False]] * 2


@pytest.mark.parametrize('kind', ['distorted', 'fisheye'])
def test_only_one_kind(kind):
    lens = lenses(50, **{'distorted': 0.0, 'fisheye': 0.0, kind: 1.0})
    assert bool((lens.fisheye == (kind == 'fisheye')).all())
    assert bool((lens.D.abs().sum(-1) > 0).all())
