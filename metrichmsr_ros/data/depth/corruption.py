"""True depth, spoilt the way a monocular network errs.

Such networks know the order of things better than their distances: the whole scene is too near or
too far (the scale, to which a wrong focal length adds), the room is bent and tilted, what is far
is flattened, edges are blurred, and glass is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from metrichmsr_ros.perception.depth_sources.ground_plane import floor_depth

_FLOOR_HEIGHT, _FLOOR_TILT = 0.07, 0.03  # one sigma: of the logarithm, radians


@dataclass(frozen=True)
class PriorErrors:
    """How much a prior errs; one sigma unless said otherwise.

    Attributes:
        scale: Of the logarithm of the depth's factor; a focal length that is off by a tenth adds a
            tenth.
        shift: Over the median depth.
        warp: Of the logarithm, of a smooth random field.
        warp_cells: Of that field, along the longer side of the image.
        tilt: Of the logarithm, from the image's middle to its border.
        flattening: Greatest loss of the logarithm's slope beyond ``far`` median depths.
        far: Over the median depth, where the flattening begins.
        blur_px: Greatest sigma of the blur, pixels of an image 640 wide.
        glass: Chance that a rectangle shows what is behind it.
    """

    scale: float = 0.2
    shift: float = 0.08
    warp: float = 0.06
    warp_cells: int = 4
    tilt: float = 0.06
    flattening: float = 0.4
    far: float = 1.3
    blur_px: float = 3.0
    glass: float = 0.15

    def __post_init__(self) -> None:
        for item in fields(self):
            if getattr(self, item.name) < 0:
                raise ValueError(f'{item.name}={getattr(self, item.name)} must not be negative')
        if self.warp_cells < 2:
            raise ValueError(f'warp_cells={self.warp_cells} must be at least 2')


def spoil_depth(
    depth_z: np.ndarray, rng: np.random.Generator, errors: PriorErrors | None = None
) -> np.ndarray:
    """Return a prior, (H, W) float32, in metres that are not quite metres.

    Args:
        depth_z: True depth, (H, W), metres, NaN or 0 where unknown; unknown stays NaN.
        rng: Draws the errors.
        errors: How large they are.

    Raises:
        ValueError: Nothing of the depth is known.
    """
    errors = errors or PriorErrors()
    known = np.isfinite(depth_z) & (depth_z > 0)
    if not known.any():
        raise ValueError('nothing of the depth is known')
    log_z = np.log(np.where(known, depth_z, 1.0)).astype(np.float32)
    middle = float(np.median(log_z[known]))
    begin = middle + float(np.log(max(errors.far, 1e-3)))
    beyond = np.maximum(log_z - begin, 0)
    log_z = log_z - errors.flattening * rng.uniform() * beyond
    log_z = _blurred(log_z, known, rng.uniform() * errors.blur_px * depth_z.shape[1] / 640)
    log_z = log_z + errors.scale * rng.normal() + _bent(depth_z.shape, rng, errors)
    if rng.uniform() < errors.glass:
        rows, columns = (_interval(side, rng) for side in depth_z.shape)
        log_z[rows, columns] += rng.uniform(0.2, 0.8)
    prior = np.exp(log_z)
    prior = prior + np.float32(errors.shift * rng.normal() * np.exp(middle))
    return np.where(known & (prior > 0), prior, np.nan).astype(np.float32)


def spoilt_floor(
    rays: np.ndarray, rng: np.random.Generator, *, down: np.ndarray, height: float
) -> np.ndarray:
    """Return ``floor_depth`` for who knows height and tilt of the camera a little wrongly."""
    down = down + _FLOOR_TILT * rng.normal(size=3)
    height = height * np.exp(_FLOOR_HEIGHT * rng.normal())
    return floor_depth(rays, down=down / np.linalg.norm(down), height=height)


def _bent(shape: tuple[int, ...], rng: np.random.Generator, errors: PriorErrors) -> np.ndarray:
    """Draw a smooth field and a slope, to add to the logarithm, (H, W)."""
    height, width = shape
    cells = [max(2, round(errors.warp_cells * side / max(shape))) for side in shape]
    coarse = errors.warp * rng.normal(size=cells).astype(np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    slope_y, slope_x = errors.tilt * rng.normal(size=2)
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    return field + np.float32(slope_y) * y[:, None] + np.float32(slope_x) * x


def _blurred(log_z: np.ndarray, known: np.ndarray, sigma: float) -> np.ndarray:
    """Blur across edges, from known pixels alone."""
    if sigma < 0.1:
        return log_z
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), sigma)
    mean = cv2.GaussianBlur(np.where(known, log_z, 0).astype(np.float32), (0, 0), sigma)
    return np.where(known, mean / np.maximum(weight, 1e-6), log_z)


def _interval(side: int, rng: np.random.Generator) -> slice:
    length = max(1, round(side * rng.uniform(0.1, 0.3)))
    start = int(rng.integers(0, side - length + 1))
    return slice(start, start + length)
