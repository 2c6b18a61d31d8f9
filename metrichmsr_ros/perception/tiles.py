"""Where a detector of fixed input size looks in an image of any size, a little in each frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math
import time
from typing import TypeVar

_Found = TypeVar('_Found')

# Sides of the square tiles over the shorter side of the image (192 and 288 px of 640x480 are 0.4
# and 0.6). The smallest ones find people who are about an eighth of the image high.
_LEVELS = (1.0, 0.6, 0.4)
_MIN_STEP = 1.5  # a level must be this much smaller than the whole image to be worth its passes
_MIN_SIDE = 24  # pixels; nobody is found in less, and a strip would have tiles without end
_OVERLAP = 1 / 3
_TILES_PER_WHOLE = 3


@dataclass(frozen=True)
class Tile:
    """A square of an image.

    Attributes:
        x: Left edge, pixels; pixel 0 begins at -0.5 but a tile is counted in whole pixels.
        y: Top edge, pixels.
        side: Side, pixels. It may reach over the image (the tile of the whole image does).
    """

    x: int
    y: int
    side: int


def whole_image(width: int, height: int) -> Tile:
    """Return the square about the whole image."""
    side = max(width, height)
    return Tile((width - side) // 2, (height - side) // 2, side)


def tile_grid(width: int, height: int, side: int) -> list[Tile]:
    """Cover the image with tiles that overlap by at least a third.

    Args:
        width: Image width, pixels.
        height: Image height, pixels.
        side: Side of the tiles, at most the shorter side of the image.

    Raises:
        ValueError: ``side`` is not within 1..min(width, height).
    """
    if not 1 <= side <= min(width, height):
        raise ValueError(f'tile side is {side}, must be within 1..{min(width, height)}')

    def starts(length: int) -> list[int]:
        count = 1 + math.ceil((length - side) / (side * (1 - _OVERLAP)))
        return [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]

    return [Tile(x, y, side) for y in starts(height) for x in starts(width)]


def all_tiles(width: int, height: int) -> list[Tile]:
    """Return the whole image and every tile of every level, large ones first."""
    shorter, longer = sorted((width, height))
    tiles = [whole_image(width, height)]
    for level in _LEVELS:
        side = round(level * shorter)
        if _MIN_SIDE <= side < longer / _MIN_STEP:
            tiles += tile_grid(width, height, side)
    return tiles


def sweep_order(width: int, height: int) -> list[Tile]:
    """Return one sweep: every tile once, and the whole image first and before every few tiles."""
    whole, *tiles = all_tiles(width, height)
    groups = range(0, max(len(tiles), 1), _TILES_PER_WHOLE)
    return [tile for i in groups for tile in (whole, *tiles[i : i + _TILES_PER_WHOLE])]


class TileSweep:
    """Spreads the tiles over the frames of a stream within a time budget, in a fixed order.

    It starts anew when the image's size changes.
    """

    def __init__(self, *, budget_ms: float) -> None:
        if not (math.isfinite(budget_ms) and budget_ms > 0):
            raise ValueError(f'budget_ms is {budget_ms}, must be finite and above 0')
        self._budget = budget_ms / 1000
        self._saved = 0.0
        self._size = (0, 0)
        self._order: list[Tile] = []
        self._next = 0

    def run(self, width: int, height: int, look: Callable[[Tile], _Found]) -> list[_Found]:
        """Look at the next tiles: one, and more while another should end within the budget.

        What one frame leaves of its budget is the next one's, so that tiles which take more than
        half of it still get it all on average.

        Args:
            width: Image width, pixels.
            height: Image height, pixels.
            look: Called with each tile; its results are returned in order.
        """
        if (width, height) != self._size:
            self._size, self._next = (width, height), 0
            self._order = sweep_order(width, height)
        found: list[_Found] = []
        start, spent = time.perf_counter(), 0.0
        allowed = self._budget + self._saved
        for _ in self._order:
            found.append(look(self._order[self._next]))
            self._next = (self._next + 1) % len(self._order)
            spent = time.perf_counter() - start
            if spent + spent / len(found) > allowed:
                break
        self._saved = min(max(allowed - spent, 0.0), self._budget)
        return found
