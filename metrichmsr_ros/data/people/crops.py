"""Crops of sampled people as BlazePose takes them; batched where ``perception`` has one image.

A roi is as in ``Detections.rois``: centre x, y, side in pixels, clockwise angle.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.models.evidence import cells, RAY_MAP_SIZE
from metrichmsr_ros.perception.blazepose.landmarker import ROI_FACTOR

SHOULDERS, HIPS = [11, 12], [23, 24]
# Diameter of BlazePose's circle over twice the distance from mid-hip to the farthest landmark;
# median and spread of the logarithm over clean renders.
_CIRCLE, _CIRCLE_SPREAD = 1.024, 0.084
_CORNERS = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))


def draw_rois(draws: Draws, config: SampleConfig, pixels: Tensor) -> Tensor:
    """Draw the crop about each person's landmarks, (B, 33, 2) pixels; returns (B, 4)."""
    hips, shoulders = pixels[:, HIPS].mean(1), pixels[:, SHOULDERS].mean(1)
    radius = (pixels - hips[:, None]).norm(dim=-1).amax(-1)
    jitter = config.crop_jitter
    # Most crops follow from a reading before; a tenth from a detector's box or a wrong reading.
    growth = torch.log1p(jitter * draws.uniform(-1.0, 1.0) * draws.chance(0.15))
    growth = growth + min(jitter, _CIRCLE_SPREAD) * draws.normal()
    side = 2 * ROI_FACTOR * _CIRCLE * radius * growth.exp()
    axis = shoulders - hips
    angle = torch.atan2(axis[:, 0], -axis[:, 1]) + 0.15 * jitter * draws.heavy()
    centre = hips + 0.05 * jitter * side[:, None] * draws.heavy(2)
    return torch.cat([centre, side[:, None], angle[:, None]], -1)


def to_image(rois: Tensor, places: Tensor) -> Tensor:
    """Bring places in crop sides from the centre, (B or 1, K, 2), into the image's pixels."""
    cos, sin = rois[:, 3].cos()[:, None], rois[:, 3].sin()[:, None]
    x, y = (rois[:, 2, None, None] * places).unbind(-1)
    return rois[:, None, :2] + torch.stack((cos * x - sin * y, sin * x + cos * y), -1)


def to_crop(rois: Tensor, pixels: Tensor) -> Tensor:
    """Undo ``to_image``."""
    cos, sin = rois[:, 3].cos()[:, None], rois[:, 3].sin()[:, None]
    x, y = ((pixels - rois[:, None, :2]) / rois[:, 2, None, None]).unbind(-1)
    return torch.stack((cos * x + sin * y, -sin * x + cos * y), -1)


def frame_places(like: Tensor) -> Tensor:
    """Return the crop's corners, then the ray map's cell centres, (1, 4 + 64, 2)."""
    corners = torch.tensor(_CORNERS, dtype=like.dtype, device=like.device)
    centres = torch.as_tensor(cells(RAY_MAP_SIZE), dtype=like.dtype, device=like.device)
    return torch.cat([corners, centres])[None]
