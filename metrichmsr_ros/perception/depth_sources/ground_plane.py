"""Depth of a flat floor under a camera of known height and tilt.

A prior, not a measurement: walls, furniture and people are not on it. It is right where the floor
is seen, and wrong where anything stands on it.
"""

from __future__ import annotations

import math

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.structures import DepthImage, Frame

MAX_RANGE = 30.0  # m; near the horizon a hundredth of a radian of tilt is worth many metres
SCALE_SIGMA = 0.1  # of its scale: the camera's height is measured
SHIFT_SIGMA = 0.01  # of a shift over its median: a wrong height is a wrong scale


def down_vector(camera_tilt: float) -> np.ndarray:
    """Return the unit vector straight down, (3,), of a camera that does not roll.

    Args:
        camera_tilt: How far the optical axis points below the horizon, radians.
    """
    return np.array([0.0, math.cos(camera_tilt), math.sin(camera_tilt)])


def floor_depth(
    rays: np.ndarray, *, down: np.ndarray, height: float, max_range: float = MAX_RANGE
) -> np.ndarray:
    """Return the depth of a flat floor, (H, W) float32, metres, NaN where it is not in view.

    Args:
        rays: With z = 1, (H, W, 3).
        down: Unit vector straight down, (3,).
        height: Of the camera above the floor, metres.
        max_range: Depth beyond which nothing is claimed, metres.
    """
    with np.errstate(divide='ignore', invalid='ignore'):
        depth_z = height / (rays @ down)
        known = (depth_z > 0) & (depth_z <= max_range)
    return np.where(known, depth_z, np.nan).astype(np.float32)


class GroundPlane:
    """The floor below the horizon, NaN above it.

    Args:
        camera_height: Height of the optical centre above the floor, metres, > 0.
        camera_tilt: How far the optical axis points below the horizon, radians, within ±π/2. The
            camera is taken not to roll.
        max_range: Depth beyond which nothing is claimed, metres.

    Raises:
        ValueError: If a value is out of its range.
    """

    def __init__(
        self, camera_height: float, camera_tilt: float = 0.0, *, max_range: float = MAX_RANGE
    ) -> None:
        for name, value in (('camera_height', camera_height), ('max_range', max_range)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f'{name} is {value}: it must be above 0 m')
        if not abs(camera_tilt) < math.pi / 2:
            raise ValueError(f'camera_tilt is {camera_tilt}: it must lie within ±π/2 rad')
        self._height = camera_height
        self._down = down_vector(camera_tilt)
        self._max_range = max_range
        self._cached: DepthImage | None = None

    def depth(self, frame: Frame) -> DepthImage:
        """Return the floor's depth; computed once per camera."""
        if self._cached is None or self._cached.camera != frame.camera:
            self._cached = self._render(frame.camera)
        return self._cached

    def _render(self, camera: Camera) -> DepthImage:
        depth_z = floor_depth(
            camera.pixel_rays(), down=self._down, height=self._height, max_range=self._max_range
        )
        depth_z.setflags(write=False)
        return DepthImage(
            depth_z,
            camera,
            source='ground',
            sees_people=False,
            scale_sigma=SCALE_SIGMA,
            shift_sigma=SHIFT_SIGMA,
        )
