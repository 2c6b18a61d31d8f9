"""Depth of an RGB-D camera, brought onto the colour image's pixels."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.structures import DepthImage, Frame


class TopicDepth:
    """The depth image that came with the frame.

    Depth calibrated differently is resampled through the rays of both cameras, nearest neighbour:
    no value is invented between two surfaces. Both are taken to share their optical centre and
    axes, as registered depth does.
    """

    def depth(self, frame: Frame) -> DepthImage | None:
        """Return the sensor's depth, NaN where it measured nothing; None where the frame has none.

        Raises:
            ValueError: If the depth image has another size than its camera.
        """
        if frame.depth is None:
            return None
        depth_z, camera = frame.depth.depth_z, frame.depth.camera
        if depth_z.shape != (camera.height, camera.width):
            raise ValueError(
                f'depth is {depth_z.shape[1]}x{depth_z.shape[0]} px: it must have the size of its '
                f'camera, {camera.width}x{camera.height}'
            )
        known = np.isfinite(depth_z) & (depth_z > 0)
        depth_z = np.where(known, depth_z, np.float32(np.nan)).astype(np.float32, copy=False)
        if camera != frame.camera:
            depth_z = _resample(depth_z, camera, frame.camera)
        return DepthImage(
            depth_z, frame.camera, source='topic', measured=True, stamp=frame.depth.stamp
        )


def _resample(depth_z: np.ndarray, source: Camera, target: Camera) -> np.ndarray:
    # No more than the whole image: a nonsensical focal length asks for a kernel without end.
    pool = min(int(_pixels_per_ray(source) / _pixels_per_ray(target)), max(depth_z.shape))
    if pool > 1:
        # Several depth pixels fall into one image pixel: the nearest surface is the seen one.
        nothing = np.finfo(np.float32).max
        filled = np.where(np.isnan(depth_z), nothing, depth_z)
        nearest = cv2.erode(filled, np.ones((pool, pool), np.uint8))
        depth_z = np.where(nearest < nothing, nearest, np.float32(np.nan))
    return cv2.remap(
        depth_z,
        *_nearest_pixels(source, target),
        interpolation=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=float('nan'),
    )


def _pixels_per_ray(camera: Camera) -> float:
    return float(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))


@lru_cache(maxsize=2)
def _nearest_pixels(source: Camera, target: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return for each pixel of ``target`` the pixel of ``source`` on its ray; -1 where none is."""
    pixels = source.project(target.pixel_rays().astype(np.float64))
    with np.errstate(invalid='ignore'):
        pixels = np.rint(pixels)
        inside = (pixels >= 0) & (pixels < (source.width, source.height))
    pixels = np.where(inside.all(axis=-1, keepdims=True), pixels, -1.0).astype(np.float32)
    return pixels[..., 0].copy(), pixels[..., 1].copy()
