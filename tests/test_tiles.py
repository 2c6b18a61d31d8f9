import numpy as np
import pytest

from metrichmsr_ros.perception import tiles
from metrichmsr_ros.perception.tiles import (
    all_tiles,
    sweep_order,
    Tile,
    tile_grid,
    TileSweep,
    whole_image,
)

SIZES = [(640, 480), (480, 640), (1920, 1080), (1080, 1920), (1224, 370), (2048, 2048), (65, 64)]


class Clock:
    """Stands in for ``time.perf_counter``: time passes only where a test says so."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(tiles.time, 'perf_counter', lambda: self.now)

    def look(self, seconds):
        def look(tile):
            self.now += seconds
            return tile

        return look


@pytest.mark.parametrize(('width', 'height'), SIZES)
def test_every_grid_covers_the_image_and_stays_inside(width, height):
    for level in tiles._LEVELS:
        side = round(level * min(width, height))
        covered = np.zeros((height, width), bool)
        for tile in tile_grid(width, height, side):
            assert tile.side == side
            assert 0 <= tile.x <= width - side
            assert 0 <= tile.y <= height - side
            covered[tile.y : tile.y + side, tile.x : tile.x + side] = True
        assert covered.all()


@pytest.mark.parametrize(('width', 'height'), SIZES)
def test_neighbours_overlap_by_a_third(width, height):
    side = round(0.4 * min(width, height))
    starts = sorted({tile.x for tile in tile_grid(width, height, side)})
    assert max(np.diff(starts)) <= side * 2 / 3 + 1


def test_tiles_of_vga():
    whole, *rest = all_tiles(640, 480)
    assert whole == Tile(0, -80, 640)
    assert sorted({tile.side for tile in rest}) == [192, 288]
    assert len(rest) == 26


def test_a_long_image_has_squares_of_its_height():
    assert {tile.side for tile in all_tiles(1224, 370)} == {1224, 370, 222, 148}


def test_whole_image_of_a_portrait_is_centred():
    assert all_tiles(1080, 1920)[0] == Tile(-420, 0, 1920)


@pytest.mark.parametrize('side', [0, 481])
def test_tile_side_out_of_range_is_refused(side):
    with pytest.raises(ValueError, match='tile side'):
        tile_grid(640, 480, side)


@pytest.mark.parametrize(('width', 'height'), [*SIZES, (1, 1), (3, 2)])
def test_a_sweep_has_every_tile_and_the_whole_image_often(width, height):
    order, expected = sweep_order(width, height), all_tiles(width, height)
    assert set(order) == set(expected)
    assert order[0] == expected[0]
    whole = [i for i, tile in enumerate(order) if tile == expected[0]]
    assert max(np.diff([*whole, len(order)])) <= tiles._TILES_PER_WHOLE + 1


@pytest.mark.parametrize('milliseconds', [1.0, 3.0, 5.5, 9.0])
def test_budget_is_kept_on_average_and_used(monkeypatch, milliseconds):
    clock = Clock(monkeypatch)
    sweep = TileSweep(budget_ms=10)
    for _ in range(30):
        start = clock.now
        sweep.run(640, 480, clock.look(milliseconds / 1000))
        assert clock.now - start <= 0.010 + milliseconds / 1000
    assert 0.9 * 0.3 - 0.01 <= clock.now <= 0.3


def test_the_sweep_goes_on_where_it_stopped(monkeypatch):
    clock = Clock(monkeypatch)
    sweep = TileSweep(budget_ms=10)
    frames = [sweep.run(640, 480, clock.look(0.003)) for _ in range(12)]
    seen = [tile for frame in frames for tile in frame]
    order = sweep_order(640, 480)
    assert seen == (2 * order)[: len(seen)]
    assert len(seen) > len(order)


def test_full_sweep_within_a_second_at_15_frames(monkeypatch):
    clock = Clock(monkeypatch)
    sweep = TileSweep(budget_ms=10)
    seen = set()
    for _ in range(15):
        seen |= set(sweep.run(640, 480, clock.look(0.0033)))
    assert seen == set(all_tiles(640, 480))


def test_one_tile_is_seen_however_slow(monkeypatch):
    clock = Clock(monkeypatch)
    sweep = TileSweep(budget_ms=1)
    assert [sweep.run(640, 480, clock.look(1.0)) for _ in range(2)] == [
        [tile] for tile in sweep_order(640, 480)[:2]
    ]


def test_nothing_is_seen_twice_in_a_frame(monkeypatch):
    sweep = TileSweep(budget_ms=1e6)
    assert sweep.run(640, 480, Clock(monkeypatch).look(0.0)) == sweep_order(640, 480)


def test_a_new_size_starts_anew(monkeypatch):
    clock = Clock(monkeypatch)
    sweep = TileSweep(budget_ms=1)
    sweep.run(640, 480, clock.look(1.0))
    assert sweep.run(320, 240, clock.look(1.0)) == [Tile(0, -40, 320)]


@pytest.mark.parametrize('budget', [0, -1, np.nan, np.inf])
def test_bad_budget_is_refused(budget):
    with pytest.raises(ValueError, match='budget_ms'):
        TileSweep(budget_ms=budget)


@pytest.mark.parametrize('size', [(1, 8000), (20000, 10), (1, 1)])
def test_a_strip_is_looked_at_once(size):
    assert all_tiles(*size) == [whole_image(*size)]
