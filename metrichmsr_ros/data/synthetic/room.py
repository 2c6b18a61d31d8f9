"""The rendered room: boxes, and what they are painted with.

World frame as in ``skeleton``: x right, y up, z towards the camera, the floor at y = 0, metres.
Colours are linear RGB albedo, 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

WIDTH, HEIGHT, BACK, FRONT = 6.4, 2.7, -6.8, 2.4
LIGHTS = np.array([[-1.3, 2.5, -0.6], [1.6, 2.55, -4.3]])
LIGHT_COLOURS = np.array([[13.5, 12.8, 11.6], [6.5, 6.1, 5.4]])
AMBIENT = np.array([0.25, 0.265, 0.29])


class Material(IntEnum):
    """What a box is made of; decides its paint."""

    FLOOR = 0
    WALL = 1
    CEILING = 2
    DOOR = 3
    WOOD = 4
    WINDOW = 5
    PICTURE = 6
    SOFA = 7
    SHELF = 8
    WHITE = 9


@dataclass(frozen=True)
class Block:
    """An axis-aligned box from corner ``low`` to corner ``high``, metres."""

    material: Material
    low: tuple[float, float, float]
    high: tuple[float, float, float]


_HALF = WIDTH / 2
BLOCKS = (
    Block(Material.FLOOR, (-_HALF, -0.1, BACK), (_HALF, 0.0, FRONT)),
    Block(Material.CEILING, (-_HALF, HEIGHT, BACK), (_HALF, HEIGHT + 0.1, FRONT)),
    Block(Material.WALL, (-_HALF, 0.0, BACK - 0.1), (_HALF, HEIGHT, BACK)),
    Block(Material.WALL, (-_HALF, 0.0, FRONT), (_HALF, HEIGHT, FRONT + 0.1)),
    Block(Material.WALL, (-_HALF - 0.1, 0.0, BACK), (-_HALF, HEIGHT, FRONT)),
    Block(Material.WALL, (_HALF, 0.0, BACK), (_HALF + 0.1, HEIGHT, FRONT)),
    Block(Material.WHITE, (-_HALF, 0.0, BACK), (_HALF, 0.09, BACK + 0.015)),
    Block(Material.WHITE, (-_HALF, 0.0, BACK), (-_HALF + 0.015, 0.09, FRONT)),
    Block(Material.WHITE, (_HALF - 0.015, 0.0, BACK), (_HALF, 0.09, FRONT)),
    Block(Material.WHITE, (-2.26, 0.0, BACK), (-1.24, 2.13, BACK + 0.03)),
    Block(Material.DOOR, (-2.2, 0.0, BACK), (-1.3, 2.07, BACK + 0.05)),
    Block(Material.WHITE, (1.02, 0.92, BACK), (2.48, 2.28, BACK + 0.05)),
    Block(Material.WINDOW, (1.1, 1.0, BACK), (2.4, 2.2, BACK + 0.06)),
    Block(Material.PICTURE, (-0.55, 1.25, BACK), (0.35, 1.95, BACK + 0.03)),
    Block(Material.PICTURE, (-_HALF, 1.3, -5.9), (-_HALF + 0.03, 1.9, -5.0)),
    Block(Material.WOOD, (-0.95, 0.08, BACK), (0.75, 0.78, BACK + 0.42)),
    Block(Material.WHITE, (-0.75, 0.78, BACK + 0.15), (-0.55, 1.05, BACK + 0.35)),
    Block(Material.SHELF, (0.35, 0.78, BACK + 0.1), (0.7, 1.02, BACK + 0.3)),
    Block(Material.SHELF, (_HALF - 0.36, 0.0, -6.6), (_HALF, 1.95, -5.2)),
    Block(Material.SOFA, (-_HALF, 0.1, -6.3), (-_HALF + 0.85, 0.42, -4.5)),
    Block(Material.SOFA, (-_HALF, 0.1, -6.3), (-_HALF + 0.25, 0.86, -4.5)),
    Block(Material.SOFA, (-_HALF, 0.1, -6.45), (-_HALF + 0.85, 0.6, -6.28)),
    Block(Material.SOFA, (-_HALF, 0.1, -4.52), (-_HALF + 0.85, 0.6, -4.35)),
)
_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
_QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
FACES_PER_BLOCK = 12


def room_mesh() -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (8 B, 3) and triangles (12 B, 3), outward, of the boxes in order."""
    quads = np.array(_QUADS)
    triangles = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
    vertices = [np.array(b.low) + _CORNERS * (np.array(b.high) - np.array(b.low)) for b in BLOCKS]
    faces = [triangles + 8 * number for number in range(len(BLOCKS))]
    return np.concatenate(vertices), np.concatenate(faces)


def paint(points: np.ndarray, faces: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint points of the room.

    Args:
        points: (N, 3), metres.
        faces: Triangle of ``room_mesh`` that each lies on, (N,).
        seed: Chooses grain and colours.

    Returns:
        Albedo (N, 3) and light given off (N, 3), linear.
    """
    block = faces // FACES_PER_BLOCK
    material = np.array([b.material for b in BLOCKS])[block]
    albedo = np.zeros((len(points), 3))
    for kind, painter in _PAINTERS.items():
        chosen = np.flatnonzero(material == kind)
        if len(chosen):
            low = np.array([b.low for b in BLOCKS])[block[chosen]]
            high = np.array([b.high for b in BLOCKS])[block[chosen]]
            albedo[chosen] = painter(points[chosen], low, high, seed)
    return np.clip(albedo, 0.0, 1.0), albedo * (material == Material.WINDOW)[:, None] * 0.8


def value_noise(points: np.ndarray, *, seed: int) -> np.ndarray:
    """Return smooth noise in -1..1 of ``points`` (N, D), one lattice cell per unit."""
    cell = np.floor(points).astype(np.int64)
    part = points - cell
    part = part * part * (3 - 2 * part)
    total = np.zeros(len(points))
    dimensions = points.shape[1]
    for corner in range(2**dimensions):
        step = np.array([corner >> axis & 1 for axis in range(dimensions)])
        weight = np.where(step, part, 1 - part).prod(-1)
        total += weight * _hash(cell + step, seed)
    return 2 * total - 1


def _hash(cells: np.ndarray, seed: int) -> np.ndarray:
    """Return a number in 0..1 for each integer cell (N, D)."""
    mixed = np.full(len(cells), seed * 7919 + 1013, np.uint64)
    for axis in range(cells.shape[1]):
        mixed ^= cells[:, axis].astype(np.uint64)
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return (mixed >> np.uint64(40)).astype(float) / 2**24


def _floor(points: np.ndarray, _low: np.ndarray, _high: np.ndarray, seed: int) -> np.ndarray:
    x, z = points[:, 0], points[:, 2]
    plank = np.floor(x / 0.16)
    along = z / 1.35 + 0.37 * plank
    tint = _hash(np.stack([plank, np.floor(along)], -1).astype(np.int64), seed)[:, None]
    grain = value_noise(np.stack([x * 70, z * 4], -1), seed=seed)
    grain = grain + 0.5 * value_noise(np.stack([x * 170, z * 9], -1), seed=seed + 1)
    colour = np.array([0.36, 0.21, 0.11]) * (0.75 + 0.5 * tint) * (1 + 0.13 * grain[:, None])
    gap = (np.minimum(x / 0.16 % 1, 1 - x / 0.16 % 1) * 0.16 < 0.0025) | (along % 1 < 0.003)
    colour[gap] *= 0.45
    rug = (np.abs(x) < 1.55) & (np.abs(z + 3.9) < 1.0)
    edge = (np.abs(x) > 1.43) | (np.abs(z + 3.9) > 0.88)
    figure = np.abs((x / 0.3) % 1 - 0.5) + np.abs((z / 0.3) % 1 - 0.5)
    weave = 1 + 0.12 * value_noise(np.stack([x * 220, z * 220], -1), seed=seed + 2)
    pile = np.where(
        edge[:, None], [0.09, 0.12, 0.2],
        np.where((figure < 0.3)[:, None], [0.42, 0.36, 0.28], [0.16, 0.2, 0.3]),
    )  # fmt: skip
    colour[rug] = (pile * weave[:, None])[rug]
    return colour


def _wall(points: np.ndarray, _low: np.ndarray, _high: np.ndarray, seed: int) -> np.ndarray:
    rough = value_noise(points * 2.3, seed=seed + 3) + 0.5 * value_noise(points * 60, seed=seed)
    return np.array([0.60, 0.63, 0.58]) * (1 + 0.025 * rough[:, None])


def _white(points: np.ndarray, _low: np.ndarray, _high: np.ndarray, seed: int) -> np.ndarray:
    return np.array([0.74, 0.73, 0.70]) * (1 + 0.02 * value_noise(points * 9, seed=seed)[:, None])


def _door(points: np.ndarray, low: np.ndarray, high: np.ndarray, seed: int) -> np.ndarray:
    u, v = ((points - low) / (high - low))[:, :2].T
    colour = _wood(points, low, high, seed) * [1.15, 1.05, 0.9]
    for bottom, top in ((0.08, 0.42), (0.5, 0.93)):
        inside = np.minimum(
            np.minimum(u - 0.16, 0.84 - u) * 0.9, np.minimum(v - bottom, top - v) * 2
        )
        colour[np.abs(inside) < 0.012] *= 0.6
    handle = (np.abs(u - 0.9) < 0.05) & (np.abs(v - 0.48) < 0.008)
    colour[handle] = [0.6, 0.58, 0.5]
    return colour


def _wood(points: np.ndarray, low: np.ndarray, high: np.ndarray, seed: int) -> np.ndarray:
    grain = value_noise(points * [4, 55, 55], seed=seed + 4)
    colour = np.array([0.25, 0.14, 0.075]) * (1 + 0.18 * grain[:, None])
    u, v = ((points - low) / (high - low))[:, :2].T
    seam = (np.minimum(u * 3 % 1, 1 - u * 3 % 1) < 0.015) | (np.abs(v - 0.55) < 0.012)
    colour[seam & (high[:, 0] - low[:, 0] > 1.2)] *= 0.4
    return colour


def _window(points: np.ndarray, low: np.ndarray, high: np.ndarray, seed: int) -> np.ndarray:
    u, v = ((points - low) / (high - low))[:, :2].T
    sky = np.array([0.62, 0.78, 0.95]) + (0.35 * (1 - v))[:, None]
    hills = v < 0.34 + 0.07 * value_noise(np.stack([u * 5, 0 * u], -1), seed=seed + 5)
    leaves = value_noise(points[:, :2] * 25, seed=seed + 6)[:, None]
    sky = np.where(hills[:, None], np.array([0.24, 0.36, 0.16]) * (1 + 0.5 * leaves), sky)
    bars = (np.abs(u - 0.5) < 0.018) | (np.abs(v - 0.62) < 0.018)
    return np.where(bars[:, None], [0.7, 0.7, 0.68], sky)


def _picture(points: np.ndarray, low: np.ndarray, high: np.ndarray, seed: int) -> np.ndarray:
    size = high - low
    across = np.where(size[:, 0] > size[:, 2], 0, 2)
    rows = np.arange(len(points))
    u = ((points - low) / size)[rows, across]
    v = ((points - low) / size)[:, 1]
    swirl = value_noise(np.stack([u * 4, v * 3], -1), seed=seed + 7)
    bands = value_noise(np.stack([u * 2 + swirl, v * 5 + swirl], -1), seed=seed + 8)
    phase = 2.5 * bands[:, None] + np.array([0.3, 1.6, 2.9])
    canvas = 0.32 + 0.24 * np.cos(phase)
    border = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v))
    canvas = np.where((border < 0.12)[:, None], 0.75, canvas)
    return np.where((border < 0.04)[:, None], 0.05, canvas)


def _sofa(points: np.ndarray, _low: np.ndarray, _high: np.ndarray, seed: int) -> np.ndarray:
    weave = value_noise(points * 130, seed=seed + 9) + value_noise(points * 8, seed=seed + 9)
    colour = np.array([0.12, 0.22, 0.21]) * (1 + 0.15 * weave[:, None])
    colour[np.abs((points[:, 2] + 6.28) % 0.88) < 0.012] *= 0.5
    return colour


def _shelf(points: np.ndarray, low: np.ndarray, _high: np.ndarray, seed: int) -> np.ndarray:
    level = np.floor((points[:, 1] - low[:, 1]) / 0.32)
    height = (points[:, 1] - low[:, 1]) % 0.32
    along = points[:, 2] + points[:, 0]
    book = np.floor(along / 0.045 + 0.3 * np.sin(along * 40))
    cells = np.stack([book, level], -1).astype(np.int64)
    colour = np.stack([_hash(cells, seed + k) for k in (11, 12, 13)], -1) ** 2 * 0.5 + 0.03
    colour[height > 0.2 + 0.07 * _hash(cells, seed + 14)] = 0.02
    colour[height < 0.025] = [0.3, 0.2, 0.12]
    return colour


_PAINTERS = {
    Material.FLOOR: _floor,
    Material.WALL: _wall,
    Material.CEILING: _white,
    Material.DOOR: _door,
    Material.WOOD: _wood,
    Material.WINDOW: _window,
    Material.PICTURE: _picture,
    Material.SOFA: _sofa,
    Material.SHELF: _shelf,
    Material.WHITE: _white,
}
