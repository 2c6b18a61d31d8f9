"""The refiner in the pipeline: untrained it is the global fit, and it says nothing of itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.models.checkpoint import CheckpointError
from metrichmsr_ros.models.depth_refiner import DepthRefiner, DepthRefinerConfig
from metrichmsr_ros.perception.anchors import Anchors, surface_anchors
from metrichmsr_ros.perception.depth_refinement import GlobalAffine
from metrichmsr_ros.perception.learned_field import LearnedField
from metrichmsr_ros.structures import DepthImage, Frame, People

TINY = DepthRefinerConfig(widths=(4, 8, 8), dim=16, heads=2, blocks=1)
NOBODY = People.empty(4)


def moment(
    camera: Camera, *, scale: float = 1.3, metric: bool = True
) -> tuple[Frame, DepthImage, Anchors]:
    """Return a picture of a slope and a person before it, with a prior that is off by a factor."""
    height, width = camera.height, camera.width
    true_z = np.broadcast_to(np.linspace(6, 2, height, dtype=np.float32)[:, None], (height, width))
    person = np.full((height, width), -1, np.int16)
    person[height // 4 : 3 * height // 4, width // 3 : width // 2] = 0
    mesh = MeshDepth(np.where(person == 0, true_z, np.nan), person)
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    prior = DepthImage(true_z / np.float32(scale), camera, metric=metric)
    anchors = surface_anchors(prior.depth_z, mesh, np.array([0.03]))
    return Frame(image, camera, stamp=0), prior, anchors


@pytest.mark.parametrize(
    'camera',
    [
        Camera.from_fov(640, 480, 1.2),
        Camera.from_fov(333, 251, 0.8),
        Camera.from_fov(120, 400, 0.5),
        Camera(640, 360, [[300, 0, 320], [0, 300, 180], [0, 0, 1]], [-0.2, 0.05, 0, 0, 0]),
    ],
    ids=['vga', 'odd', 'upright', 'bent'],
)
@pytest.mark.parametrize('metric', [True, False])
def test_untrained_it_is_the_global_fit(camera, metric):
    frame, prior, anchors = moment(camera, metric=metric)
    field = LearnedField(DepthRefiner(TINY)).estimate(frame, prior, anchors, NOBODY)
    wanted = GlobalAffine().estimate(frame, prior, anchors, NOBODY)
    assert field.apply(prior.depth_z) == pytest.approx(wanted.apply(prior.depth_z), rel=0.01)


def test_the_network_adds_to_the_fit_where_it_looks():
    camera = Camera.from_fov(640, 480, 1.2)
    frame, prior, anchors = moment(camera)
    network = DepthRefiner(TINY)
    with torch.no_grad():
        network.field.bias.copy_(torch.tensor([0.5, 0.0]))
    field = LearnedField(network).estimate(frame, prior, anchors, NOBODY)
    fit = GlobalAffine().estimate(frame, prior, anchors, NOBODY)
    more = np.exp(0.7 * np.tanh(0.5))
    refined, fitted = field.apply(prior.depth_z), fit.apply(prior.depth_z)
    assert refined == pytest.approx(more * fitted, rel=0.02)


def test_nobody_changes_nothing():
    frame, prior, anchors = moment(Camera.from_fov(640, 480, 1.2))
    nobody = anchors.select(np.zeros(len(anchors), bool))
    assert LearnedField(DepthRefiner(TINY)).estimate(frame, prior, nobody, NOBODY) is None


def test_a_sparse_prior_gets_the_fit_alone():
    frame, prior, anchors = moment(Camera.from_fov(640, 480, 1.2))
    network = DepthRefiner(TINY)
    with torch.no_grad():
        network.field.bias.copy_(torch.tensor([0.5, 0.0]))
    lines = np.full_like(prior.depth_z, np.nan)
    lines[::8] = prior.depth_z[::8]
    sparse = DepthImage(lines, prior.camera)
    anchors = anchors.select(anchors.row % 8 == 0)
    field = LearnedField(network).estimate(frame, sparse, anchors, NOBODY)
    wanted = GlobalAffine().estimate(frame, sparse, anchors, NOBODY)
    assert field.scale == pytest.approx(wanted.scale, rel=0.01)


def test_people_whom_no_scale_reconciles_with_a_metric_prior_change_nothing():
    frame, prior, anchors = moment(Camera.from_fov(640, 480, 1.2), scale=9.0)
    assert LearnedField(DepthRefiner(TINY)).estimate(frame, prior, anchors, NOBODY) is None


def test_unknown_depth_and_pixels_without_a_ray_give_no_nan():
    K = [[150.0, 0, 160], [0, 150, 120], [0, 0, 1]]
    camera = Camera(320, 240, K, [-0.5, 0.0, 0, 0, 0])
    assert np.isnan(camera.pixel_rays()).any()  # beyond the lens's field
    frame, prior, anchors = moment(camera)
    holes = prior.depth_z.copy()
    holes[:100] = np.nan
    prior = DepthImage(holes, camera)
    anchors = anchors.select(anchors.row >= 100)
    field = LearnedField(DepthRefiner(TINY)).estimate(frame, prior, anchors, NOBODY)
    assert np.isfinite(field.scale).all()
    assert np.isfinite(field.shift).all()


def test_a_missing_checkpoint_is_told(tmp_path):
    with pytest.raises(CheckpointError, match='no checkpoint'):
        LearnedField.from_pretrained(tmp_path)
