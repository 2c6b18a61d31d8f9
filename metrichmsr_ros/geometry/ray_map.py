"""The boundary camera ray map (MetricHMSR, Eq. 1-2) of image boxes, lens distortion included.

The paper leaves open the rays' length, the half-pixel, and what is outside the image. Our choices:
rays have z = 1 (the third channel is constant, kept as the paper has it); output pixels are the
centres of equal cells of the box (docs/conventions.md), as in the crops that networks see; outside
the image the rays go on as the camera model does, and are NaN where it has none.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.distortion import namespace

_Array = TypeVar('_Array', bound=Any)


def source_pixels(boxes: _Array, *, resolution: tuple[int, int]) -> _Array:
    """Return the source pixel of every output pixel of crops.

    Args:
        boxes: x_min, y_min, x_max, y_max, (N, 4) pixels, NumPy or torch, floating; coordinates are
            those of pixel centres, so the whole image is (-0.5, -0.5, W - 0.5, H - 0.5).
        resolution: Height h and width w of the crops.

    Returns:
        x, y, (N, h, w, 2), same kind as ``boxes``: (i + 0.5) · s + x_min with s source pixels
        per output pixel.

    Raises:
        ValueError: Wrong shape, or a box without area.
    """
    xp = namespace(boxes)
    height, width = resolution
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f'boxes must be (N, 4), got {tuple(boxes.shape)}')
    if not bool((boxes[:, 2:] > boxes[:, :2]).all()):
        raise ValueError(f'boxes must have x_max > x_min and y_max > y_min, got {boxes.tolist()}')
    columns, rows = (_centres(boxes, n) for n in (width, height))
    x = boxes[:, 0, None] + columns * (boxes[:, 2] - boxes[:, 0])[:, None]
    y = boxes[:, 1, None] + rows * (boxes[:, 3] - boxes[:, 1])[:, None]
    shape = (len(boxes), height, width)
    return xp.stack(
        (xp.broadcast_to(x[:, None, :], shape), xp.broadcast_to(y[:, :, None], shape)), -1
    )


def ray_map(camera: Camera, boxes: _Array, *, resolution: tuple[int, int]) -> _Array:
    """Return the camera's rays through the pixels of crops.

    Args:
        camera: Camera of the full image.
        boxes: As in ``source_pixels``.
        resolution: Height h and width w of the crops.

    Returns:
        Rays x, y, z = 1, (N, 3, h, w), kind and dtype of ``boxes``: those of the full image at the
        source pixels. NaN where the lens model has none.

    Raises:
        ValueError: Wrong shape, or a box without area.
    """
    rays: Any = camera.unproject(source_pixels(boxes, resolution=resolution))
    by_channel: Any = rays.transpose if isinstance(rays, np.ndarray) else rays.permute
    return by_channel(0, 3, 1, 2)


def _centres(like: Any, number: int) -> Any:
    """Return (i + 0.5) / number, i = 0..number-1, of the kind, dtype and device of ``like``."""
    if isinstance(like, np.ndarray):
        return (np.arange(number, dtype=like.dtype) + 0.5) / number
    xp = namespace(like)
    return (xp.arange(number, dtype=like.dtype, device=like.device) + 0.5) / number
