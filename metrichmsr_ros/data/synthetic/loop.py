"""A rendered loop of the synthetic world, and its file in the cache.

Camera optical frame, metres. Letters: T frames, P people, V vertices, H, W image size.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
import logging
import os
from pathlib import Path
import tempfile

import numpy as np

from metrichmsr_ros.structures import People, TrackState

KEPT_LOOPS = 3  # of some 200 MB each: one, two and three people
_DEPTH_UNIT = 2e-4  # metres per count of a kept depth; 16 bits reach 13 m

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loop:
    """A loop of frames with its truth; after the last frame comes the first.

    Attributes:
        images: RGB, (T, H, W, 3) uint8.
        depth_counts: Depth along the optical axis, (T, H, W) uint16, 0.2 mm.
        visible: Share of each person that nothing hides, (T, P), 0..1.
        boxes: x_min, y_min, x_max, y_max of each person, hidden pixels too, (T, P, 4), pixels.
        pose: Axis-angle θ, (T, P, 24, 3), radians.
        translation: SMPL ``transl``, (T, P, 3).
        vertices: Skin under the clothes, (T, P, V, 3).
        joints: SMPL joints, (T, P, 24, 3).
        velocities: Of the pelvis, (T, P, 3), m/s.
        shape: β, (P, 10).
        heights: Metres, (P,).
        ids: Five letters each, (P,) str.
        body_model: Name of the body, () str.
    """

    images: np.ndarray
    depth_counts: np.ndarray
    visible: np.ndarray
    boxes: np.ndarray
    pose: np.ndarray
    translation: np.ndarray
    vertices: np.ndarray
    joints: np.ndarray
    velocities: np.ndarray
    shape: np.ndarray
    heights: np.ndarray
    ids: np.ndarray
    body_model: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def depth_z(self, t: int) -> np.ndarray:
        """Return the depth of frame ``t`` along the optical axis, (H, W) float32, metres."""
        return self.depth_counts[t].astype(np.float32) * np.float32(_DEPTH_UNIT)

    def people(self, t: int) -> People:
        """Return the truth of frame ``t``; ``scores`` are the visible shares."""
        count = len(self.ids)
        return People(
            ids=tuple(self.ids.tolist()),
            states=(TrackState.TRACKED,) * count,
            scores=self.visible[t],
            boxes=self.boxes[t],
            pose=self.pose[t],
            shape=self.shape,
            translation=self.translation[t],
            vertices=self.vertices[t],
            joints=self.joints[t],
            pelvis_covariance=np.zeros((count, 3, 3), np.float32),
            heights=self.heights,
            velocities=self.velocities[t],
            body_model=str(self.body_model),
        )


def depth_counts(depth_z: np.ndarray) -> np.ndarray:
    """Return metres as the counts of ``Loop.depth_counts``."""
    return np.round(depth_z / _DEPTH_UNIT).clip(0, 65535).astype(np.uint16)


def read_loop(path: Path) -> Loop | None:
    """Return the kept loop, or None where there is none or the file is damaged."""
    try:
        with np.load(path) as stored:
            loop = Loop(**stored)
        with contextlib.suppress(OSError):
            os.utime(path)  # in use: not the next to go
        return loop
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged archive raises whatever zip or NumPy meets
        _logger.warning('%s is rendered again: %s', path, error)
        return None


def write_loop(path: Path, loop: Loop) -> None:
    """Keep a loop so that a reader never sees half a file; a full disk costs only the cache."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix='.part', delete=False) as part:
            np.savez(part, **vars(loop))
        os.replace(part.name, path)
        loops = sorted(path.parent.glob(f'*{path.suffix}'), key=lambda kept: kept.stat().st_mtime)
        for old in loops[:-KEPT_LOOPS]:
            old.unlink(missing_ok=True)
    except OSError as error:
        _logger.warning('the rendered loop is not kept: %s', error)
        if part is not None:
            Path(part.name).unlink(missing_ok=True)
