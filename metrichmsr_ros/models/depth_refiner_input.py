"""What the depth refiner is told, at its own size; the same in training and in the node.

Before the network looks, the prior is brought near the people by one factor and one shift: so it
sees a scene in metres whatever the prior's unit was, and corrects what is left.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from metrichmsr_ros.geometry.camera import Camera

LONGER_SIDE = 160  # pixels
MULTIPLE = 8
CHANNELS = 15
_MAX_LOG, _MAX_RATIO = 2.5, 0.5
_MAX_INVERSE = 4.0
_TINY = 1e-18
_RATIO_SCALE = 4.0  # brings an anchor's ratio to the spread of the other channels
_DOUBT = 0.1  # sigma of a person's distance at which an anchor counts half


class RefinerInput(NamedTuple):
    """B scenes at the refiner's size, float32.

    Attributes:
        channels: What the network sees, (B, 15, H, W); the last two are the rays.
        depth_z: The prior after one factor and one shift, (B, H, W), metres; 1 where unknown.
        known: Where it is known, (B, H, W) bool.
        unit: Typical depth, (B,), metres.
    """

    channels: Tensor
    depth_z: Tensor
    known: Tensor
    unit: Tensor


def grid_size(width: int, height: int) -> tuple[int, int]:
    """Return the refiner's width and height for an image."""
    longer = max(width, height)
    width, height = (
        max(MULTIPLE, MULTIPLE * round(LONGER_SIDE * side / longer / MULTIPLE))
        for side in (width, height)
    )
    return width, height


def grid_camera(camera: Camera) -> Camera:
    """Return the camera of an image that was resized to the refiner's size."""
    return camera.resized(*grid_size(camera.width, camera.height))


def refiner_input(
    image: Tensor, depth_z: Tensor, anchor_z: Tensor, anchor_sigma: Tensor, rays: Tensor
) -> RefinerInput:
    """Return the network's input.

    Args:
        image: (B, 3, H, W) uint8, RGB.
        depth_z: The prior after one factor and one shift, (B, H, W), metres; what is not positive
            or NaN is unknown.
        anchor_z: What people say, (B, H, W), metres, NaN where they say nothing.
        anchor_sigma: Of their distance, over it, (B, H, W).
        rays: x and y of rays with z = 1, (B, 2, H, W).
    """
    known = torch.isfinite(depth_z) & (depth_z > 0)
    depth_z = torch.where(known, depth_z, 1.0)
    anchored = known & torch.isfinite(anchor_z)
    log_z = depth_z.log()
    unit = _typical(log_z, known)
    relative = (log_z - unit[:, None, None]).clamp(-_MAX_LOG, _MAX_LOG)
    ratio = torch.where(anchored, anchor_z, depth_z).log() - log_z
    trust = anchored / (1 + (anchor_sigma / _DOUBT).square())
    channels = torch.cat(
        [
            image.float() / 255 - 0.5,
            torch.stack(
                [
                    torch.where(known, relative, 0.0),
                    # Planes are linear in it, in the image as in the depth's error.
                    torch.where(known, (-relative).exp().clamp(max=_MAX_INVERSE) - 1.0, 0.0),
                    known.float(),
                    _RATIO_SCALE * ratio.clamp(-_MAX_RATIO, _MAX_RATIO),
                    anchored.float(),
                    torch.where(anchored, trust, 0.0),
                    (unit[:, None, None] - 1.0).expand_as(log_z),
                ],
                dim=1,
            ),
            _normals(rays, depth_z, known),
            rays,
        ],
        dim=1,
    )
    return RefinerInput(channels, depth_z, known, unit.exp())


def _typical(log_z: Tensor, known: Tensor) -> Tensor:
    """Return the median logarithm of what is known, (B,); 0 where nothing is."""
    values = torch.where(known, log_z, torch.nan).flatten(1)
    return values.nanmedian(dim=1).values.nan_to_num(0.0)


def _normals(rays: Tensor, depth_z: Tensor, known: Tensor) -> Tensor:
    """Return unit normals of the prior's surface, (B, 3, H, W); 0 at what is unknown."""
    points = torch.cat([rays * depth_z.unsqueeze(1), depth_z.unsqueeze(1)], 1)
    ax, ay, az = _steps(points).unbind(1)
    bx, by, bz = _steps(points.mT).mT.unbind(1)
    # Written out: torch's own cross product takes ten times as long.
    normals = torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], 1)
    length = (normals.square().sum(1) + _TINY).sqrt()
    return normals * (known / length).unsqueeze(1)


def _steps(points: Tensor) -> Tensor:
    """Return from the left to the right neighbour along the last axis; at borders, half of it."""
    steps = torch.empty_like(points)
    steps[..., 1:-1] = points[..., 2:] - points[..., :-2]
    steps[..., 0] = points[..., 1] - points[..., 0]
    steps[..., -1] = points[..., -1] - points[..., -2]
    return steps


def anchor_maps(
    row: np.ndarray,
    column: np.ndarray,
    mesh_z: np.ndarray,
    sigma: np.ndarray,
    shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Return what anchors of cells say as images: depth (H, W), NaN elsewhere, and sigma (H, W).

    Args:
        row: Of the cells, (A,).
        column: Of the cells, (A,).
        mesh_z: (A,), metres.
        sigma: (A,).
        shape: H and W.
    """
    depth = np.full(shape, np.nan, np.float32)
    doubt = np.ones(shape, np.float32)
    depth[row, column], doubt[row, column] = mesh_z, sigma
    return depth, doubt


def upsample(field: Tensor, guide: Tensor, *, spread: float) -> Tensor:
    """Bring a coarse field to the guide's size by joint bilateral upsampling.

    Each fine cell takes the mean of the nine coarse ones about it, those whose guide is like its
    own before all.

    Args:
        field: (B, C, h, w).
        guide: (B, 1, H, W), H and W multiples of h and w.
        spread: Difference of the guide that counts 60 %.

    Returns:
        (B, C, H, W).
    """
    batch, channels, rows, columns = field.shape
    factor = guide.shape[-1] // columns
    coarse = functional.avg_pool2d(guide, factor)
    near = functional.unfold(
        functional.pad(torch.cat([field, coarse], 1), (1, 1, 1, 1), mode='replicate'), 3
    ).view(batch, channels + 1, 9, rows, 1, columns, 1)
    fine = guide.view(batch, 1, 1, rows, factor, columns, factor)
    weight = torch.exp(-0.5 * ((fine - near[:, -1:]) / spread).square())
    weight = (weight + 1e-4) * _nearness(factor).to(guide)
    mean = (weight * near[:, :-1]).sum(2) / weight.sum(2)
    return mean.reshape(batch, channels, rows * factor, columns * factor)


def _nearness(factor: int) -> Tensor:
    """Return how near each of nine coarse cells is to each fine one, (1, 1, 9, 1, f, 1, f)."""
    place = (torch.arange(factor) + 0.5) / factor - 0.5
    distance = place[:, None] - torch.tensor([-1.0, 0.0, 1.0])
    along = torch.exp(-0.5 * (distance / 0.5).square())  # (f, 3)
    both = along[:, None, :, None] * along[None, :, None, :]  # (f, f, 3, 3): y, x, dy, dx
    return both.flatten(2).permute(2, 0, 1)[None, None, :, None, :, None, :]
