"""A correction of depth that differs from place to place: ẑ(x) = s(x) · z(x) + b(x)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class AffineField:
    """The correction on a grid of h by w equal cells that cover the image.

    Attributes:
        scale: s at the cells' centres, (h, w) float32.
        shift: b there, (h, w) float32, metres.
    """

    scale: np.ndarray
    shift: np.ndarray

    @classmethod
    def constant(cls, scale: float, shift: float = 0.0) -> AffineField:
        """Return one correction for the whole image."""
        return cls(np.full((1, 1), scale, np.float32), np.full((1, 1), shift, np.float32))

    def apply(self, depth_z: np.ndarray) -> np.ndarray:
        """Return corrected depth, (H, W) float32, metres; NaN where it is unknown or not positive.

        Args:
            depth_z: (H, W), NaN where unknown.
        """
        size = depth_z.shape[::-1]
        scale, shift = (
            values[0, 0]  # one cell is one number: no image is made of it
            if values.size == 1
            else cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
            for values in (self.scale, self.shift)
        )
        return corrected(depth_z.astype(np.float32, copy=False), scale, shift)

    @property
    def mean(self) -> tuple[float, float]:
        """Mean scale and mean shift (metres) over the image."""
        return float(self.scale.mean()), float(self.shift.mean())


def corrected(
    depth_z: np.ndarray, scale: np.ndarray | np.float32, shift: np.ndarray | np.float32
) -> np.ndarray:
    """Return scale · depth_z + shift, NaN where that is unknown or not before the camera."""
    moved = scale * depth_z + shift
    return np.where(moved > 0, moved, np.float32(np.nan))
