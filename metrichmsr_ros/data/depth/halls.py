"""Surroundings for depth: rooms, corridors and the open; furniture that stands askew; slopes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metrichmsr_ros.data.rendered.rooms import draw_room, Room

_CORRIDOR, _ASKEW, _SLOPE = 0.2, 0.5, 0.12  # shares: of rooms, of boxes, of boxes
_STEEPEST = 0.35  # radians
_MARGIN = 0.1  # metres between furniture and people


def draw_hall(
    rng: np.random.Generator,
    *,
    camera: np.ndarray,
    people: list[np.ndarray],
    seat: tuple[np.ndarray, np.ndarray] | None = None,
) -> Room:
    """Draw surroundings of some people, world axes (y up, the floor at 0).

    Args:
        rng: Random numbers.
        camera: Its centre, (3,), metres.
        people: Surfaces in the world, (V, 3) each, metres; at least one.
        seat: Corners of a box that the first of them sits on.
    """
    fixed = 1 if seat is None else 2  # the room, and the seat after it
    lows, highs = (np.stack([end(points, 0) for points in people]) for end in (np.min, np.max))
    room = draw_room(rng, camera=camera, low=lows[0], high=highs[0], seat=seat)
    low, high = room.low.copy(), room.high.copy()
    low[0, ::2] = np.minimum(low[0], lows.min(0) - 0.3)[::2]
    high[0] = np.maximum(high[0], highs.max(0) + np.array([0.3, 0.1, 0.3]))
    if rng.uniform() < _CORRIDOR:
        long = rng.choice((0, 2))
        low[0, long] -= rng.uniform(2, 12)
        high[0, long] += rng.uniform(2, 12)
    low, high, turns = _askew(rng, low, high, fixed)
    kept = _free(low, high, turns, lows, highs, camera)
    kept[:fixed] = True
    paints = np.concatenate([kept, [True, True]])
    return replace(
        room, low=low[kept], high=high[kept], turns=turns[kept], patterns=room.patterns[paints],
        firsts=room.firsts[paints], seconds=room.seconds[paints], scales=room.scales[paints],
    )  # fmt: skip


def _askew(
    rng: np.random.Generator, low: np.ndarray, high: np.ndarray, fixed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn some boxes after the first ``fixed`` about their middles; a few become slopes."""
    turns = np.tile(np.eye(3), (len(low), 1, 1))
    low, high = low.copy(), high.copy()
    for i in range(fixed, len(low)):
        middle, half = (low[i] + high[i]) / 2, (high[i] - low[i]) / 2
        yaw = rng.uniform(-np.pi, np.pi) * (rng.uniform() < _ASKEW)
        slope = rng.uniform(-_STEEPEST, _STEEPEST) * (rng.uniform() < _SLOPE)
        if slope:
            half = np.array([rng.uniform(0.5, 1.5), rng.uniform(0.05, 0.4), rng.uniform(1, 3)])
            middle[1] = rng.uniform(0.0, 0.3)
        turns[i] = _about_x(slope) @ _about_y(yaw)
        middle = turns[i] @ middle
        low[i], high[i] = middle - half, middle + half
    return low, high, turns


def _free(
    low: np.ndarray,
    high: np.ndarray,
    turns: np.ndarray,
    lows: np.ndarray,
    highs: np.ndarray,
    camera: np.ndarray,
) -> np.ndarray:
    """Tell which boxes neither meet people nor hold the camera, (K,) bool."""
    middle = np.einsum('kji,kj->ki', turns, (low + high) / 2)
    reach = np.linalg.norm((high - low)[:, ::2] / 2, axis=1)  # of the box, seen from above
    lows, highs = np.vstack([lows, camera - 0.4]), np.vstack([highs, camera + 0.4])
    gaps = np.maximum(lows - middle[:, None], middle[:, None] - highs)
    across = np.linalg.norm(np.maximum(gaps[..., ::2], 0), axis=-1) > reach[:, None] + _MARGIN
    above = gaps[..., 1] > ((high - low)[:, 1] / 2)[:, None]
    return (across | above).all(1)


def _about_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
