"""Turns and a two-bone leg solver, batched over T frames.

World frame of the synthetic room: x right, y up, z towards the camera, the floor at y = 0. A body
at rest stands along y, faces +z and has its left at +x.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from metrichmsr_ros.geometry.turns import unit

X, Y, Z = np.eye(3)


def turn(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return rotations by ``angle`` (T,) radians about ``axis`` (3,), as matrices (T, 3, 3)."""
    return Rotation.from_rotvec(np.asarray(angle, float)[:, None] * axis).as_matrix()


def solve_leg(
    hip: np.ndarray, ankle: np.ndarray, left: np.ndarray, *, thigh: np.ndarray, shank: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bend hip and knee so that the ankle is at its place, the knee forward.

    Args:
        hip: (T, 3), metres.
        ankle: (T, 3), metres; farther than the leg is long = a straight leg towards it.
        left: Body's left, (T, 3): the hinge of the knee, up to a turn about the leg.
        thigh: Hip to knee at rest, (3,), metres.
        shank: Knee to ankle at rest, (3,), metres.

    Returns:
        Rotations in the world of the thigh and of the shank, each (T, 3, 3).
    """
    upper, lower = np.linalg.norm(thigh), np.linalg.norm(shank)
    along = ankle - hip
    reach = np.clip(np.linalg.norm(along, axis=-1), 1e-3, 0.9999 * (upper + lower))
    down = unit(along)
    hinge = unit(left - (left * down).sum(-1, keepdims=True) * down)
    forwards = np.cross(hinge, down) * -1.0
    cosine = (upper**2 + reach**2 - lower**2) / (2 * upper * reach)
    bend = np.arccos(np.clip(cosine, -1.0, 1.0))[:, None]
    knee = hip + upper * (np.cos(bend) * down + np.sin(bend) * forwards)
    end = hip + reach[:, None] * down
    return _align(thigh, unit(knee - hip), hinge), _align(shank, unit(end - knee), hinge)


def _align(rest: np.ndarray, direction: np.ndarray, hinge: np.ndarray) -> np.ndarray:
    """Rotation taking the bone ``rest`` to ``direction`` and the rest's x axis to ``hinge``."""
    bone = unit(rest)
    side = unit(X - (X @ bone) * bone)
    source = np.stack([bone, side, np.cross(bone, side)], -1)
    across = unit(hinge - (hinge * direction).sum(-1, keepdims=True) * direction)
    target = np.stack([direction, across, np.cross(direction, across)], -1)
    return target @ source.T
