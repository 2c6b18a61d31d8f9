"""How the scene's depth is written into images and clouds."""

from __future__ import annotations

import cv2
import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshDepth

MARGIN = 1 / 128  # of the image's width: meshes are off by some pixels, and so is depth at edges
_FARTHEST = np.iinfo(np.uint16).max


def rectify_depth(depth_z: np.ndarray, camera: Camera) -> np.ndarray:
    """Return depth as ``camera.rectified()`` sees it, (H, W) float32, NaN where it does not."""
    if not camera.has_distortion:
        return depth_z
    return cv2.remap(
        depth_z,
        *camera.rectify_maps(),
        interpolation=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=float('nan'),
    )


def encode_depth(depth_z: np.ndarray, encoding: str) -> np.ndarray:
    """Return the pixels of a depth image as REP-118 has them.

    Args:
        depth_z: (H, W) float32, metres, NaN where unknown.
        encoding: '32FC1', as it is, or '16UC1', millimetres: what is not finite is 0, unknown,
            and 65.535 m or more is 65535.
    """
    if encoding == '32FC1':
        return depth_z
    known = np.isfinite(depth_z)
    millimetres = np.rint(np.where(known, depth_z, np.float32(0)) * 1e3)
    return millimetres.clip(0, _FARTHEST).astype(np.uint16)


def cut_people(depth_z: np.ndarray, mesh: MeshDepth) -> np.ndarray:
    """Return depth that is NaN where people are seen and close beside them.

    Args:
        depth_z: (H, W), metres.
        mesh: Their visible surfaces, (H, W).
    """
    reach = max(2, round(depth_z.shape[1] * MARGIN))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    people = cv2.dilate((mesh.person >= 0).astype(np.uint8), kernel)
    return np.where(people, np.float32(np.nan), depth_z)
