"""Boxes x_min, y_min, x_max, y_max in pixels; integer coordinates are pixel centres."""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.geometry.camera import Camera


def check_boxes(boxes: np.ndarray) -> np.ndarray:
    """Return ``boxes`` as (N, 4) float64, or raise a ``ValueError`` with the rule they break."""
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f'boxes have shape {boxes.shape}, must be (N, 4)')
    if not np.isfinite(boxes).all() or (boxes[:, 2:] <= boxes[:, :2]).any():
        raise ValueError(
            f'boxes {boxes.tolist()} must be finite with x_min < x_max, y_min < y_max'
        )
    return boxes


def inside_image(pixels: np.ndarray, *, width: int, height: int) -> np.ndarray:
    """Tell which pixels (..., 2) lie in the image, on the border too, (...) bool; NaN does not."""
    with np.errstate(invalid='ignore'):
        inside = (pixels >= -0.5) & (pixels <= [width - 0.5, height - 0.5])
    return np.all(inside, axis=-1)


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union of every pair, (N, M), of boxes (N, 4) and (M, 4)."""
    shared = shared_areas(first, second)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return shared / np.maximum(union, np.finfo(np.float32).tiny)


def shared_areas(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the area common to every pair, (N, M) pixels², of boxes (N, 4) and (M, 4)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=-1)


def mesh_boxes(camera: Camera, vertices: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Return the image boxes of surfaces.

    Args:
        camera: Camera of the image.
        vertices: (N, V, 3), metres, camera frame.
        otherwise: Boxes for surfaces of which nothing projects, (N, 4).

    Returns:
        x_min, y_min, x_max, y_max, (N, 4) float32, pixels; may reach over the border.
    """
    pixels = camera.project(vertices)
    low = np.where(np.isnan(pixels), np.inf, pixels).min(axis=1)
    high = np.where(np.isnan(pixels), -np.inf, pixels).max(axis=1)
    boxes = np.concatenate([low, high], axis=-1)
    return np.where(np.isfinite(boxes).all(axis=-1, keepdims=True), boxes, otherwise).astype(
        np.float32
    )
