"""The crop's own axes, in which the network works.

Axes of a crop: z through its middle, x to its right, y down; they turn with the camera about its
centre and with the crop's roll, so that all that is predicted in them turns exactly as well.
Directions are divided by the crop's angle, so that a far person and a near one look alike.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from metrichmsr_ros.geometry.vectors import length, unit
from metrichmsr_ros.models.evidence import Evidence

_MIN_FORWARD = 0.1  # a ray further from the crop's axis (84°) is of no use in a tangent plane
_MAX_OFFSET = 3.0  # crop sides from the crop's middle
_LEFT_SHOULDER, _RIGHT_SHOULDER, _LEFT_HIP, _RIGHT_HIP = 11, 12, 23, 24
# Radians. Of whom a crop is smaller there is no perspective left that a picture could show; but a
# network would read their height out of the angle, for training has nobody beyond some distance.
LEAST_ANGLE = 0.25
_FACING = 0.02  # metres by which an unknown torso is taken to be upright and to face the camera


class CropFrame(NamedTuple):
    """The axes of B crops.

    Attributes:
        axes: Columns are the crop's x, y, z in camera axes, (B, 3, 3).
        angle: Length of a side of the crop at distance 1, (B,), about radians.
        roll: Turns vectors in the axes of ``Landmarks.world`` into crop axes, (B, 3, 3).
    """

    axes: Tensor
    angle: Tensor
    roll: Tensor


class Canonical(NamedTuple):
    """Evidence in the crop's axes.

    Attributes:
        frame: The crop's axes.
        plane: x / z and y / z of the landmarks' rays over the crop's angle, (B, 33, 2): crop
            sides from its middle.
        seen: Whether a landmark's ray is known and before the crop, (B, 33).
        world: World landmarks, (B, 33, 3), metres; 0 where unknown.
        torso: Turns body axes into crop axes as the world landmarks have it, (B, 3, 3).
        ray_map: x / z and y / z of the crop's cells over its angle, (B, 2, h, w).
    """

    frame: CropFrame
    plane: Tensor
    seen: Tensor
    world: Tensor
    torso: Tensor
    ray_map: Tensor


def crop_frame(crop_rays: Tensor) -> CropFrame:
    """Return the axes of crops.

    Args:
        crop_rays: As in ``Evidence``, (B, 4, 3).
    """
    corners = unit(crop_rays)
    z = unit(corners.sum(1))
    right = corners[:, 1] + corners[:, 2] - corners[:, 0] - corners[:, 3]
    x = unit(right - (right * z).sum(-1, keepdim=True) * z)
    axes = torch.stack([x, torch.linalg.cross(z, x), z], dim=-1)
    sides = corners.roll(-1, 1) - corners
    angle = (sides * sides).sum(-1).sqrt().mean(-1)
    return CropFrame(axes, angle, axes.mT @ turn_from_optical_axis(z))


def turn_from_optical_axis(directions: Tensor) -> Tensor:
    """Return the smallest turns from the optical axis to unit ``directions``, (B, 3) → (B, 3, 3).

    These turn ``Landmarks.world`` into camera axes. Directions must not point backwards.
    """
    x, y, z = directions.unbind(-1)
    share = 1 / (1 + z)
    rows = (1 - x * x * share, -x * y * share, x, -x * y * share, 1 - y * y * share, y, -x, -y, z)
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def canonical(evidence: Evidence) -> Canonical:
    """Bring evidence into the axes of its crops."""
    frame = crop_frame(evidence.crop_rays)
    plane, before = _tangent(evidence.rays @ frame.axes, frame.angle)
    cells = evidence.ray_map.flatten(2).mT @ frame.axes
    ray_map, _ = _tangent(cells, frame.angle)
    height = evidence.ray_map.shape[2]
    known = evidence.presence > 0
    world = torch.where(known.unsqueeze(-1), evidence.world, 0.0)
    world = world @ frame.roll.mT
    return Canonical(
        frame=frame,
        plane=plane,
        seen=before & known,
        world=world,
        torso=_torso(world),
        ray_map=ray_map.mT.unflatten(-1, (height, -1)),
    )


def approached(frame: CropFrame) -> CropFrame:
    """Return crops as a camera would see them that had come so near to whom is small in them.

    Whatever is divided by the angle stays as it is, and so does z times the angle; the angle is at
    least ``LEAST_ANGLE``.
    """
    return frame._replace(angle=frame.angle.clamp(min=LEAST_ANGLE))


def _torso(world: Tensor) -> Tensor:
    """Return body axes, as columns, from hips and shoulders: x to the left, y up, z forward."""
    shoulders = world[:, _LEFT_SHOULDER] + world[:, _RIGHT_SHOULDER]
    up = shoulders - world[:, _LEFT_HIP] - world[:, _RIGHT_HIP]
    left = world[:, _LEFT_SHOULDER] - world[:, _RIGHT_SHOULDER]
    left = left + world[:, _LEFT_HIP] - world[:, _RIGHT_HIP]
    y = unit(up - _FACING * up.new_tensor([0.0, 1.0, 0.0]))
    left = left + _FACING * up.new_tensor([1.0, 0.0, 0.0])
    x = unit(left - (left * y).sum(-1, keepdim=True) * y)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def _tangent(rays: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Return x / z and y / z over the angle, bounded, and whether it had to be."""
    forward = rays[..., 2:] / length(rays)
    before = forward > _MIN_FORWARD
    plane = rays[..., :2] / torch.where(before, rays[..., 2:], 1.0)
    plane = plane / angle[:, None, None]
    inside = before.squeeze(-1) & (plane.abs().amax(-1) <= _MAX_OFFSET)
    return plane.clamp(-_MAX_OFFSET, _MAX_OFFSET), inside
