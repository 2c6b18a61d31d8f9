"""A motion in SMPL's pose parameters, whatever file it came from."""

from __future__ import annotations

from dataclasses import dataclass
import gzip
from pathlib import Path

import numpy as np

NUM_JOINTS = 24


class MotionError(ValueError):
    """A motion file that cannot be read; names the file and the rule."""


@dataclass(frozen=True)
class MotionClip:
    """T poses at an even rate.

    Attributes:
        name: Of the file.
        pose: Axis-angle θ, (T, 24, 3) float32, radians; joint 0 turns body axes into a world with
            y up.
        root: Where the source has its root, (T, 3) float32, metres, the same world.
        rate: Frames per second.
    """

    name: str
    pose: np.ndarray
    root: np.ndarray
    rate: float

    def __post_init__(self) -> None:
        frames = len(self.pose)
        if not frames or self.pose.shape != (frames, NUM_JOINTS, 3):
            raise MotionError(f'{self.name}: poses {self.pose.shape}, must be (T, 24, 3), T > 0')
        if self.root.shape != (frames, 3):
            raise MotionError(f'{self.name}: roots {self.root.shape}, must be ({frames}, 3)')
        if not (np.isfinite(self.pose).all() and np.isfinite(self.root).all()):
            raise MotionError(f'{self.name}: numbers must be finite')
        if not (np.isfinite(self.rate) and self.rate > 0):
            raise MotionError(f'{self.name}: rate {self.rate} Hz, must be positive')

    def __len__(self) -> int:
        return len(self.pose)

    def resampled(self, rate: float) -> MotionClip:
        """Return every so many frames, so that about ``rate`` per second are left."""
        step = max(1, round(self.rate / rate))
        return MotionClip(self.name, self.pose[::step], self.root[::step], self.rate / step)


def read_text(path: Path) -> str:
    """Return the text of a file, also of a gzipped one.

    Raises:
        MotionError: It is damaged or no text.
    """
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == '.gz' else data).decode()
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise MotionError(f'{path.name}: {error}') from error


def format_of(path: Path) -> str:
    """Return the suffix, in small letters, that tells the format: that before ``.gz``."""
    return Path(path.stem if path.suffix == '.gz' else path.name).suffix.lower()
