"""The part of an image about a crop, no finer than the landmark network sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FINEST = 272.0  # pixels along the crop's side; BlazePose reads 256
_MARGIN = 1.06


@dataclass(frozen=True)
class Window:
    """A part of an image, scaled.

    Attributes:
        corner: First pixel of the image, x and y, at its outer edge.
        scale: Window pixels per image pixel, at most 1.
        width: Window pixels.
        height: Window pixels.
    """

    corner: np.ndarray
    scale: float
    width: int
    height: int

    def to_image(self, pixels: np.ndarray) -> np.ndarray:
        """Return image pixels of window pixels (..., 2)."""
        return (pixels + 0.5) / self.scale + self.corner - 0.5

    def to_window(self, pixels: np.ndarray) -> np.ndarray:
        """Undo ``to_image``."""
        return (pixels + 0.5 - self.corner) * self.scale - 0.5

    def rois_in_window(self, rois: np.ndarray) -> np.ndarray:
        """Return rois (N, 4) of the image in window pixels."""
        places = self.to_window(rois[:, :2])
        return np.column_stack([places, rois[:, 2] * self.scale, rois[:, 3]])


def window_about(roi: np.ndarray, size: np.ndarray) -> Window | None:
    """Return the window about a roi (4,) of an image of ``size``; None where they do not meet."""
    side = float(roi[2])
    half = _MARGIN * side / 2 * (abs(np.cos(roi[3])) + abs(np.sin(roi[3])))
    low = np.clip(np.floor(roi[:2] + 0.5 - half), 0, size)
    high = np.clip(np.ceil(roi[:2] + 0.5 + half), 0, size)
    scale = min(1.0, FINEST / side)
    width, height = np.ceil((high - low) * scale).astype(int)
    if min(width, height) < 8:
        return None
    return Window(low, scale, int(width), int(height))
