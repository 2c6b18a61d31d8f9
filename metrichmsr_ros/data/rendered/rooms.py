"""Random surroundings of a person: a room or the open, boxes for furniture, and the light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FLOORS, _WALLS = (0, 1, 2, 3, 6), (0, 0, 3, 4, 2, 5)
_BOXES = (0, 1, 2, 3, 4, 5, 6)
_CLEAR = 0.45  # metres about the camera's line without furniture


@dataclass(frozen=True)
class Room:
    """What is around one person. World axes: y up, the floor at 0, metres.

    Attributes:
        low: Corners of boxes in their own axes, (K, 3); the first is the room itself.
        high: Opposite corners, (K, 3).
        turns: World axes in the boxes' own, (K, 3, 3): rotations about the world's origin, none
            of the room.
        patterns: Kinds of paint, (K + 2,); the last two are the ceiling's and the walls'.
        firsts: Colours, (K + 2, 3).
        seconds: Other colours, (K + 2, 3).
        scales: Sizes of the patterns, (K + 2,), metres.
        outdoors: Whether there are no walls and a sky (in the colours of the ceiling's place).
        ways: Towards each light, (L, 3); the first is the key light.
        lights: Their colours, (L, 3).
        ambient: Mean light of the others.
    """

    low: np.ndarray
    high: np.ndarray
    turns: np.ndarray
    patterns: np.ndarray
    firsts: np.ndarray
    seconds: np.ndarray
    scales: np.ndarray
    outdoors: bool
    ways: np.ndarray
    lights: np.ndarray
    ambient: np.ndarray


def draw_room(
    rng: np.random.Generator,
    *,
    camera: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    seat: tuple[np.ndarray, np.ndarray] | None = None,
) -> Room:
    """Draw surroundings.

    Args:
        rng: Random numbers.
        camera: Its centre, (3,).
        low: Least coordinates of the person, (3,).
        high: Greatest coordinates of the person, (3,).
        seat: Corners of a box that the person sits on.
    """
    outdoors = bool(rng.uniform() < 0.3)
    margin = rng.uniform(0.3, 4.0, (2, 3)) * (6 if outdoors else 1)
    room_low = np.minimum(camera - 0.3, low) - margin[0]
    room_high = np.maximum(camera + 0.3, high) + margin[1]
    room_low[1] = 0.0
    room_high[1] = max(room_high[1], 2.4)
    lows, highs = [room_low], [room_high]
    if seat is not None:
        lows.append(seat[0])
        highs.append(seat[1])
    for _ in range(rng.integers(2, 14)):
        centre = rng.uniform(room_low, room_high)
        size = np.exp(rng.uniform(np.log(0.12), np.log(1.2 if not outdoors else 4.0), 3))
        bottom = 0.0 if rng.uniform() < 0.6 else rng.uniform(0.5, 2.0)
        corner = np.array([centre[0] - size[0] / 2, bottom, centre[2] - size[2] / 2])
        other = corner + size * [1, 1.3, 1]
        if _meets(corner, other, low, high) or _meets(corner, other, camera - 0.5, camera + 0.5):
            continue
        if _between(corner, other, camera, (low + high) / 2) and rng.uniform() < 0.8:
            continue
        lows.append(corner)
        highs.append(other)
    kinds = len(lows) + 2
    patterns = rng.choice(_BOXES, kinds)
    patterns[0], patterns[-2], patterns[-1] = rng.choice(_FLOORS), 0, rng.choice(_WALLS)
    firsts, seconds = _colours(rng, kinds), _colours(rng, kinds)
    seconds = np.where(rng.uniform(size=(kinds, 1)) < 0.7, 0.5 * firsts + 0.5 * seconds, seconds)
    scales = np.exp(rng.uniform(np.log(0.1), np.log(0.9), kinds))
    firsts[-2] = rng.uniform(0.5, 0.85)
    if outdoors:
        firsts[0] *= rng.uniform(0.5, 1.2, 3) * [0.9, 1.1, 0.7]
        patterns[0] = rng.choice((0, 3, 6))
        firsts[-2] = np.array([0.35, 0.55, 0.9]) * rng.uniform(0.6, 1.2)
        seconds[-2] = rng.uniform(0.5, 0.9)
    ways, lights = _lights(rng, outdoors)
    turns = np.tile(np.eye(3), (len(lows), 1, 1))
    return Room(
        np.stack(lows), np.stack(highs), turns, patterns, np.clip(firsts, 0.01, 0.9),
        np.clip(seconds, 0.01, 0.9), scales, outdoors, ways, lights, lights[1:].mean(0),
    )  # fmt: skip


def _meets(low: np.ndarray, high: np.ndarray, other: np.ndarray, end: np.ndarray) -> bool:
    return bool((low < end).all() and (other < high).all())


def _between(low: np.ndarray, high: np.ndarray, start: np.ndarray, end: np.ndarray) -> bool:
    """Whether a box stands near the line from ``start`` to ``end``."""
    points = start + np.linspace(0.1, 1.0, 24)[:, None] * (end - start)
    return bool(((points > low - _CLEAR) & (points < high + _CLEAR)).all(1).any())


def _colours(rng: np.random.Generator, n: int) -> np.ndarray:
    value = rng.uniform(0.03, 0.85, (n, 1)) ** 1.4
    tint = 1 - rng.uniform(0, 1, (n, 1)) ** 2 * rng.uniform(0, 0.8, (n, 3))
    return value * tint


def _lights(rng: np.random.Generator, outdoors: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw a key light and faint ones over the sphere, brighter from above."""
    heading, rise = rng.uniform(-np.pi, np.pi), rng.uniform(0.3, 1.3)
    key = [np.cos(rise) * np.sin(heading), np.sin(rise), np.cos(rise) * np.cos(heading)]
    count = 7
    steps = (np.arange(count) + 0.5) / count
    y = 1 - 1.7 * steps
    turn = np.pi * (1 + 5**0.5) * np.arange(count) + rng.uniform(0, 6)
    across = np.sqrt(1 - y * y)
    fill = np.stack([across * np.cos(turn), y, across * np.sin(turn)], -1)
    strength = 0.44 * (0.75 + 0.45 * y) * np.exp(rng.normal(0, 0.3, count))
    warm = np.array([1.0, 0.96, 0.9]) ** rng.normal(0, 1.2)
    power = rng.uniform(0.2, 2.2) if outdoors else rng.uniform(0.1, 1.3)
    lights = np.concatenate([[power * warm], strength[:, None] * warm[::-1] ** 0.5])
    return np.concatenate([[key], fill]), lights
