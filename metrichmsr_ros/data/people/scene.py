"""People before cameras: who stands where, seen by what.

Nothing is drawn here, only geometry: a body in a world with y up, a camera at some height above
the person's floor, tilted so that a chosen point of the person appears at a chosen pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import torch
from torch import Tensor

from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.lens import Lenses
from metrichmsr_ros.data.people.physique import MODEL_HEIGHT

_SIZES = ((640, 480), (640, 360), (848, 480), (1280, 720), (1280, 960), (1920, 1080), (480, 640))
_SOLE = 0.03  # metres below the lowest landmark
# Anchors that a camera may look at: nose, shoulder, hip, knee, ankle of either side.
_ANCHORS = (0, 11, 12, 23, 24, 11, 12, 23, 24, 25, 26, 28)
_MAX_ELEVATION = math.sin(math.radians(70))


@dataclass(frozen=True)
class Placement:
    """Where B people are.

    Attributes:
        R_cam_world: World axes (y up) in the camera's, (B, 3, 3).
        pelvis: Joint 0, (B, 3), metres, camera frame.
    """

    R_cam_world: Tensor
    pelvis: Tensor


def draw_lenses(draws: Draws, config: SampleConfig) -> Lenses:
    """Draw cameras of every kind a robot has."""
    sizes = torch.tensor(_SIZES, dtype=torch.float32, device=draws.device)
    size = sizes[draws.integers(0, len(_SIZES))]
    half = torch.deg2rad(draws.uniform(*config.fov)) / 2
    kind = draws.uniform(0.0, 1.0)
    fisheye = kind < config.fisheye
    bent = (kind < config.fisheye + config.distorted) & ~fisheye
    edge = half.tan()
    # Relative to the image's edge, so that wide lenses bend as much as real ones do; k2 keeps
    # the radius growing everywhere, by a third at least: 1 + 3 k1 u + 5 k2 u² > 0.35.
    k1 = draws.uniform(-0.32, 0.08) / edge.square().clamp(min=0.3)
    k2 = k1.square() * draws.uniform(0.7, 1.3)
    tangential = 0.0015 * draws.normal(2)
    polynomial = torch.stack((k1, k2, *tangential.unbind(-1), 0 * k1), -1)
    angular = draws.uniform(-0.03, 0.03, 5) * draws.device_tensor([1.0, 0.3, 0.1, 0.03, 0.0])
    D = torch.where(fisheye[:, None], angular, polynomial * bent[:, None])
    u = edge.square()
    radius = torch.where(fisheye, half, edge * (1 + u * (D[:, 0] + u * D[:, 1])))
    fx = size[:, 0] / 2 / radius
    focal = torch.stack((fx, fx * (1 + 0.004 * draws.normal())), -1)
    centred = draws.chance(0.5)[:, None]
    off = 0.02 * draws.normal(2) * size[:, :1] * torch.where(centred, 0.2, 2.0)
    centre = (size - 1) / 2 + off.clamp(-0.12 * size[:, :1], 0.12 * size[:, :1])
    return Lenses(size, focal, centre, fisheye, D)


def place(
    draws: Draws, config: SampleConfig, lenses: Lenses, landmarks: Tensor, height: Tensor
) -> Placement:
    """Put people before cameras.

    Args:
        draws: Random numbers.
        config: Ranges.
        lenses: B cameras.
        landmarks: Of the bodies, about the pelvis, world axes, (B, 33, 3), metres.
        height: Standing heights, (B,), metres.
    """
    n = draws.n
    anchors = torch.tensor(_ANCHORS, device=draws.device)[draws.integers(0, len(_ANCHORS))]
    anchor = landmarks[torch.arange(n, device=draws.device), anchors]
    floor = landmarks[..., 1].amin(-1) - _SOLE
    share = draws.log_uniform(*config.apparent_height)
    # In heights: did the limits hold for all alike, who is small in the picture would be short.
    heights_away = lenses.focal[:, 1] / (share * lenses.size[:, 1])
    near, far = (limit / MODEL_HEIGHT for limit in config.distance)
    distance = heights_away.clamp(near, far) * height * draws.uniform(0.9, 1.1)
    # The anchor's pixel, more often near the middle than at the border.
    place_ = (draws.uniform(-0.5, 0.5, 2) + draws.uniform(-0.5, 0.5, 2)) * 0.75
    pixel = (lenses.size - 1) / 2 + place_ * lenses.size
    ray, _ = lenses.unproject(pixel[:, None])
    ray = torch.nn.functional.normalize(ray[:, 0], dim=-1)
    above = draws.uniform(*config.camera_height)
    sine = (anchor[:, 1] - floor - above) / distance
    sine = sine.clamp(-_MAX_ELEVATION, _MAX_ELEVATION)
    R_cam_world = _looking(ray, sine, torch.deg2rad(config.camera_roll * draws.normal()))
    pelvis = distance[:, None] * ray - (R_cam_world @ anchor[..., None])[..., 0]
    return Placement(R_cam_world, pelvis)


def _looking(ray: Tensor, sine: Tensor, roll: Tensor) -> Tensor:
    """Return world axes in the camera's such that ``ray`` rises by arcsin(sine) over the horizon.

    A level camera has the world's x to the right, y up and z towards it; it is pitched and then
    rolled. The yaw is left out: people's headings are drawn evenly anyway.
    """
    c, s = roll.cos(), roll.sin()
    x, y, z = ray.unbind(-1)
    y = -s * x + c * y
    # y cos p + z sin p = -sine, solved for the pitch p; a camera cannot tilt more than the ray.
    size = torch.hypot(y, z)
    pitch = torch.asin((-sine / size).clamp(-1, 1)) - torch.atan2(y, z)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    cp, sp = pitch.cos(), pitch.sin()
    R_roll = torch.stack((c, -s, zero, s, c, zero, zero, zero, one), -1).unflatten(-1, (3, 3))
    R_pitch = torch.stack((one, zero, zero, zero, cp, -sp, zero, sp, cp), -1)
    level = torch.diag(roll.new_tensor([1.0, -1.0, -1.0]))
    return R_roll @ R_pitch.unflatten(-1, (3, 3)) @ level
