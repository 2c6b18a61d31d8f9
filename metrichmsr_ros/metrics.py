"""Metrics of metric people and metric depth, pure functions on arrays.

Definitions follow the usual ones of human mesh recovery, except that nothing is aligned unless
its name says so: ``G-MPJPE`` and ``root_error`` are in the camera frame, so that a wrong scale or
distance shows. Letters: P predictions, T true people, J joints that both sides have, C views.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist

from metrichmsr_ros.geometry.alignment import similarity_align
from metrichmsr_ros.geometry.boxes import box_iou
from metrichmsr_ros.geometry.camera import Camera

LIMB_JOINTS = tuple(
    f'{side}_{joint}'
    for joint in ('hip', 'knee', 'ankle', 'shoulder', 'elbow', 'wrist')
    for side in ('left', 'right')
)
MIN_PROCRUSTES_POINTS = 4  # seven degrees of freedom fit three points almost exactly
DELTA = 1.25


def match_boxes(
    predicted: np.ndarray, true: np.ndarray, *, min_iou: float = 0.3
) -> list[tuple[int, int]]:
    """Match predictions to true people one to one, best overlap first.

    Args:
        predicted: Boxes, (P, 4), pixels.
        true: Boxes, (T, 4), pixels.
        min_iou: Smallest overlap of a match.

    Returns:
        Pairs (prediction, true person), in the order of the true people.
    """
    iou = box_iou(np.reshape(predicted, (-1, 4)), np.reshape(true, (-1, 4)))
    pairs = []
    while iou.size and iou.max() >= min_iou:
        p, t = np.unravel_index(iou.argmax(), iou.shape)
        pairs.append((int(p), int(t)))
        iou[p, :] = iou[:, t] = -1.0
    return sorted(pairs, key=lambda pair: pair[1])


def root_of(joints: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return the mid-hip, or the pelvis where a hip is unknown, (3,) metres; None without both."""
    if 'left_hip' in joints and 'right_hip' in joints:
        return 0.5 * (np.asarray(joints['left_hip']) + np.asarray(joints['right_hip']))
    return None if 'pelvis' not in joints else np.asarray(joints['pelvis'])


@dataclass(frozen=True)
class RootError:
    """Error of the pelvis without any alignment.

    Attributes:
        distance: Length of the error, metres.
        percent: That in per cent of the true distance from the camera.
        depth: Error of depth_z, metres; positive = predicted too far.
        depth_percent: Its absolute value in per cent of the true depth_z.
    """

    distance: float
    percent: float
    depth: float
    depth_percent: float


def root_error(predicted: np.ndarray, true: np.ndarray) -> RootError:
    """Compare two pelvis positions, (3,) each, metres, camera frame."""
    error = np.asarray(predicted, np.float64) - np.asarray(true, np.float64)
    distance, depth = float(np.linalg.norm(error)), float(error[2])
    return RootError(
        distance=distance,
        percent=100.0 * distance / float(np.linalg.norm(true)),
        depth=depth,
        depth_percent=100.0 * abs(depth) / float(true[2]),
    )


def g_mpjpe(predicted: np.ndarray, true: np.ndarray) -> float:
    """Return the mean distance of joints without any alignment.

    Args:
        predicted: Joints, (J, 3), metres.
        true: Joints, (J, 3), metres, the same frame.

    Returns:
        Millimetres; NaN without joints.
    """
    if not len(true):
        return float('nan')
    return 1000.0 * float(np.linalg.norm(np.subtract(predicted, true), axis=-1).mean())


def mpjpe(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    predicted_root: np.ndarray,
    true_root: np.ndarray,
) -> float:
    """Return the mean distance of joints after both roots, (3,), are moved to the origin, mm."""
    return g_mpjpe(predicted - predicted_root, true - true_root)


def pa_mpjpe(predicted: np.ndarray, true: np.ndarray) -> float:
    """Return the mean distance of joints, (J, 3) each, after the best similarity transform, mm.

    NaN for fewer than ``MIN_PROCRUSTES_POINTS`` joints.
    """
    if len(true) < MIN_PROCRUSTES_POINTS:
        return float('nan')
    return g_mpjpe(similarity_align(predicted, true).apply(predicted), true)


def reprojection_error(predicted: np.ndarray, true: np.ndarray, *, camera: Camera) -> float:
    """Return the mean distance of joints, (J, 3) metres each, in the image, pixels.

    Joints that either side has behind the camera are left out; NaN when none remains.
    """
    if not len(true):
        return float('nan')
    error = camera.project(np.asarray(predicted)) - camera.project(np.asarray(true))
    distance = np.linalg.norm(error, axis=-1)
    return float(distance[np.isfinite(distance)].mean()) if np.isfinite(distance).any() else np.nan


def surface_depth_error(
    mesh_depth_z: np.ndarray, true_median: float, *, mask: np.ndarray | None = None
) -> float:
    """Compare the median depth of a rendered mesh with a measured one.

    Args:
        mesh_depth_z: Depth of the visible mesh, (H, W), metres, NaN where it is not.
        true_median: Median depth of the person's visible surface, metres.
        mask: Pixels to look at, (H, W) bool; None = wherever the mesh is.

    Returns:
        Predicted minus true median, metres; NaN where mesh and mask do not meet.
    """
    values = mesh_depth_z if mask is None else mesh_depth_z[mask]
    values = values[np.isfinite(values)]
    return float(np.median(values)) - true_median if values.size else float('nan')


@dataclass(frozen=True)
class DepthErrors:
    """How a depth image differs from the measured one.

    Attributes:
        abs_rel: Mean of |predicted - true| / true.
        mae: Mean of |predicted - true|, metres.
        rmse: Root of the mean of its square, metres.
        delta1: Share of pixels with max(predicted / true, true / predicted) < 1.25.
        delta2: The same below 1.25².
        delta3: The same below 1.25³.
        coverage: Share of the measured pixels that have a prediction; the others are only here.
        pixels: Number of pixels that both have.
    """

    abs_rel: float
    mae: float
    rmse: float
    delta1: float
    delta2: float
    delta3: float
    coverage: float
    pixels: int


def depth_errors(
    predicted_z: np.ndarray, true_z: np.ndarray, *, mask: np.ndarray | None = None
) -> DepthErrors:
    """Compare two depth images on the pixels that both know.

    Args:
        predicted_z: (H, W) metres, NaN where unknown.
        true_z: (H, W) metres, NaN where unknown.
        mask: Pixels to look at, (H, W) bool; None = all.

    Returns:
        The errors; NaN where no pixel is left.
    """
    measured = np.isfinite(true_z) & (true_z > 0)
    measured &= True if mask is None else mask
    both = measured & np.isfinite(predicted_z) & (predicted_z > 0)
    predicted, true = predicted_z[both].astype(np.float64), true_z[both].astype(np.float64)
    count, possible = int(both.sum()), int(measured.sum())
    if not count:
        nan = float('nan')
        return DepthErrors(nan, nan, nan, nan, nan, nan, 0.0 if possible else nan, 0)
    error = np.abs(predicted - true)
    ratio = np.maximum(predicted / true, true / predicted)
    return DepthErrors(
        abs_rel=float((error / true).mean()),
        mae=float(error.mean()),
        rmse=float(np.sqrt((error**2).mean())),
        delta1=float((ratio < DELTA).mean()),
        delta2=float((ratio < DELTA**2).mean()),
        delta3=float((ratio < DELTA**3).mean()),
        coverage=count / possible,
        pixels=count,
    )


def world_point(
    point: np.ndarray, *, R_world_to_cam: np.ndarray, t_world_to_cam: np.ndarray
) -> np.ndarray:
    """Return a camera-frame point, (3,) metres, in the world frame: R^T (p - t)."""
    return np.asarray(R_world_to_cam).T @ (np.asarray(point) - np.asarray(t_world_to_cam))


def cross_view_disagreement(points: np.ndarray) -> float:
    """Return how far views put one point from each other: the mean distance of all pairs.

    Args:
        points: The point as each view has it, (C, 3), metres, world frame.

    Returns:
        Metres; NaN for fewer than two views.
    """
    points = np.asarray(points, np.float64).reshape(-1, 3)
    return float(pdist(points).mean()) if len(points) > 1 else float('nan')
