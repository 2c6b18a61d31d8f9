"""Everything that the monitor has of one stamp, and the picture of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.metrics import depth_errors
from metrichmsr_ros.ros.marker_reader import MeshMarker
from metrichmsr_ros.visualization import color_depth, labelled

VIDEO_HEIGHT = 480  # a portrait photograph of 1920 rows would make an unplayable video
DEPTH_RANGE = 8.0  # metres shown by the colours of the video's depth
MOST_ERROR = 0.5  # relative, shown by the brightest colour


@dataclass(frozen=True)
class Snapshot:
    """Everything of one stamp.

    Attributes:
        stamp: Nanoseconds.
        image: Input, (H, W, 3) uint8 RGB.
        overlay: With the meshes drawn on it, (H, W, 3) uint8 RGB.
        camera: Camera of both.
        depth_z: Refined depth on the input's pixels, (H, W) float32 metres, or None.
        prior_z: The depth that it was made of, as far as the monitor knows it, or None.
        true_z: The true depth of a rendered world, or None.
        ids: Ids of the people.
        joints: Their joints, (N, 24, 3), metres, camera frame.
        orientations: Rotation of joint 0, quaternions x, y, z, w, (N, 4).
        meshes: Meshes of those who have one; their ids are ``marker_id`` of the people's.
    """

    stamp: int
    image: np.ndarray
    overlay: np.ndarray
    camera: Camera
    depth_z: np.ndarray | None
    prior_z: np.ndarray | None
    true_z: np.ndarray | None
    ids: tuple[str, ...]
    joints: np.ndarray
    orientations: np.ndarray
    meshes: tuple[MeshMarker, ...]


def side_by_side(snapshot: Snapshot) -> np.ndarray:
    """Return camera image | overlay | depth as one picture, (H, W, 3) uint8 RGB.

    Where the truth is known there are two rows: image | overlay | true depth, and below them
    prior | refined depth, each with its mean relative error, | where the refined one errs.
    """
    image, overlay, depth_z = snapshot.image, snapshot.overlay, snapshot.depth_z
    if depth_z is None:
        depth_z = np.full(image.shape[:2], np.nan, np.float32)
    if snapshot.true_z is None or snapshot.prior_z is None:
        return _scaled([image, overlay, _coloured(depth_z)])
    true_z = snapshot.true_z
    above = [image, overlay, labelled(_coloured(true_z), 'true depth')]
    below = [
        labelled(_coloured(z), f'{name}: AbsRel {depth_errors(z, true_z).abs_rel:.2f}')
        for name, z in (('prior', snapshot.prior_z), ('refined', depth_z))
    ]
    off = cv2.applyColorMap(_error_levels(depth_z, true_z), cv2.COLORMAP_INFERNO)[..., ::-1]
    below.append(labelled(off, f'error of refined, black 0, yellow {MOST_ERROR:.0%}'))
    return np.vstack([_scaled(above), _scaled(below)])


def _coloured(depth_z: np.ndarray) -> np.ndarray:
    return color_depth(depth_z, far=DEPTH_RANGE)


def _error_levels(depth_z: np.ndarray, true_z: np.ndarray) -> np.ndarray:
    """Return relative errors as levels, (H, W) uint8; 0 where unknown."""
    with np.errstate(invalid='ignore', divide='ignore'):
        share = np.abs(depth_z / true_z - 1) / MOST_ERROR
    return (255 * np.nan_to_num(share, posinf=0.0).clip(0, 1)).astype(np.uint8)


def _scaled(pictures: list[np.ndarray]) -> np.ndarray:
    """Return pictures side by side, at most ``VIDEO_HEIGHT`` high, with even sides."""
    row = np.hstack(pictures)
    scale = min(1.0, VIDEO_HEIGHT / row.shape[0])
    size = 2 * round(row.shape[1] * scale / 2), 2 * round(row.shape[0] * scale / 2)
    return cv2.resize(row, size, interpolation=cv2.INTER_AREA)
