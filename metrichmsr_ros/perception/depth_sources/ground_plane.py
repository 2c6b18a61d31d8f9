"""Depth of a flat floor under a camera of known height and tilt.

A prior, not a measurement: walls, furniture and people are not on it. It is right where the floor
is seen, and wrong where anything stands on it.
"""

from __future__ import annotations

import math

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.structures import DepthImage, Frame


class GroundPlane:
    """The floor below the horizon, NaN above it.

    Args:
        camera_height: Height of the optical centre above the floor, metres, > 0.
        camera_tilt: How far the optical axis points below the horizon, radians, within ±π/2. The
            camera is taken not to roll.
        max_range: Depth beyond which nothing is claimed, metres: near the horizon a hundredth of a
            radian of tilt is worth many metres.

    Raises:
        ValueError: If a value is out of its range.
    """

    def __init__(
        self, camera_height: float, camera_tilt: float = 0.0, *, max_range: float = 30.0
    ) -> None:
        for name, value in (('camera_height', camera_height), ('max_range', max_range)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f'{name} is {value}: it must be above 0 m')
        if not abs(camera_tilt) < math.pi / 2:
            raise ValueError(f'camera_tilt is {camera_tilt}: it must lie within ±π/2 rad')
        self._height = camera_height
        self._down = np.array([0.0, math.cos(camera_tilt), math.sin(camera_tilt)])
        self._max_range = max_range
        self._cached: DepthImage | None = None

    def depth(self, frame: Frame) -> DepthImage:
        """Return the floor's depth; computed once per camera."""
        if self._cached is None or self._cached.camera != frame.camera:
            self._cached = self._render(frame.camera)
        return self._cached

    def _render(self, camera: Camera) -> DepthImage:
        rays = camera.pixel_rays()
        with np.errstate(divide='ignore', invalid='ignore'):
            depth_z = self._height / (rays @ self._down)
            seen = (depth_z > 0) & (depth_z <= self._max_range)
        depth_z = np.where(seen, depth_z, np.nan).astype(np.float32)
        depth_z.setflags(write=False)
        return DepthImage(depth_z, camera, source='ground', sees_people=False, scale_sigma=0.1)
