"""People in image crops, and a tiny network with ViTPose, for the network's tests."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.models.image_evidence import ImageEvidence
from metrichmsr_ros.models.network_config import MetricHMRConfig
from metrichmsr_ros.structures import Frame

TINY = MetricHMRConfig(
    image_encoder='vitpose', dim=32, heads=2, expert_hidden=16, head_hidden=32,
    patch_blocks=1, global_blocks=1, stages=2, person_tokens=2,
    image_width=32, image_layers=2, image_heads=2, ray_width=24, ray_layers=1, ray_heads=2,
)  # fmt: skip
CAMERA = Camera.from_fov(640, 480, 1.0)
ROIS = np.array([[320, 240, 300, 0.0], [200, 260, 200, 0.3], [500, 100, 700, -0.4]])


def made_frame(camera: Camera = CAMERA) -> Frame:
    """Return an image whose red and green say where a pixel is."""
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    image[..., 0] = np.arange(camera.width) * 255 // camera.width
    image[..., 1] = np.arange(camera.height)[:, None] * 255 // camera.height
    return Frame(image, camera, stamp=0)


def made_images(count: int = 3) -> ImageEvidence:
    """Return the evidence of up to three people."""
    return ImageEvidence.from_frame(made_frame(), ROIS[:count])


def turned_images(evidence: ImageEvidence, R: Tensor) -> ImageEvidence:
    """Return what a camera turned by ``R`` (3, 3) about its centre would have seen."""

    def turn(rays: Tensor) -> Tensor:
        rays = rays @ R.T
        assert (rays[..., 2] > 0).all()
        return rays / rays[..., 2:]

    return replace(
        evidence,
        crop_rays=turn(evidence.crop_rays),
        ray_map=turn(evidence.ray_map.movedim(1, 3)).movedim(3, 1),
    )


def shaken(network: torch.nn.Module, size: float = 0.03) -> torch.nn.Module:
    """Move every weight, so that no head stays near what it starts at."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return network.eval()
