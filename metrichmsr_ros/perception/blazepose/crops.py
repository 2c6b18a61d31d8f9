"""Square crops, turned so that the person stands upright in them, and the way back to the image.

A roi is ``(centre x, centre y, side, angle)`` in pixels and radians; integer pixel coordinates are
pixel centres in the image and in the crop. The angle turns the image's up clockwise into the
person's.
"""

from __future__ import annotations

import cv2
import numpy as np


def check_image(image: np.ndarray) -> None:
    """Raise a ``ValueError`` unless ``image`` is a non-empty (H, W, 3) uint8 array."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f'image is {image.dtype} {image.shape}, must be uint8 (H, W, 3)')


def check_rois(rois: np.ndarray) -> np.ndarray:
    """Return ``rois`` as (N, 4) float64, or raise a ``ValueError`` for what cannot be cropped."""
    rois = np.asarray(rois, np.float64)
    if rois.ndim != 2 or rois.shape[1] != 4:
        raise ValueError(f'rois have shape {rois.shape}, must be (N, 4)')
    if not np.isfinite(rois).all() or (rois[:, 2] <= 0).any():
        raise ValueError(f'rois {rois.tolist()} must be finite with positive sides')
    return rois


def crop_to_image(roi: np.ndarray, size: int) -> np.ndarray:
    """Return the (2, 3) affine matrix from crop pixels to image pixels.

    Args:
        roi: One roi, (4,).
        size: Side of the crop in its own pixels.
    """
    x, y, side, angle = (float(value) for value in roi)
    scale = side / size
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (size - 1) / 2  # of size pixels whose centres are 0 .. size - 1
    return np.column_stack([turn, np.array([x, y]) - turn @ [middle, middle]])


def crop(image: np.ndarray, roi: np.ndarray, size: int, *, border: int) -> np.ndarray:
    """Read a roi of ``image``.

    Args:
        image: (H, W, 3) uint8.
        roi: One roi, (4,); may reach over the border.
        size: Side of the result.
        border: OpenCV's rule for pixels outside the image, such as ``cv2.BORDER_REPLICATE``.

    Returns:
        (size, size, 3) uint8.
    """
    matrix = crop_to_image(roi, size)
    return cv2.warpAffine(
        image,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=border,
    )


def rois_from_axes(centres: np.ndarray, ends: np.ndarray, *, factor: float) -> np.ndarray:
    """Return the rois of circles given by a centre and the point above it on the person's axis.

    Args:
        centres: Mid-hips, (N, 2), pixels.
        ends: Points on the circle in the direction of the person's up, (N, 2), pixels.
        factor: Side of the square over the circle's diameter.

    Returns:
        (N, 4) float32; sides are at least one pixel.
    """
    axis = np.asarray(ends, np.float64) - centres
    sides = np.maximum(2 * factor * np.linalg.norm(axis, axis=-1), 1)
    angles = np.arctan2(axis[..., 0], -axis[..., 1])
    return np.column_stack([centres, sides, angles]).astype(np.float32)
