"""When a bag's images come, and which depth comes with them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from types import SimpleNamespace

from made_bags import DEPTH, Recorder, RED
import pytest

from metrichmsr_ros.data.rosbag import pair_depth
from metrichmsr_ros.data.sources import open_source, SourceError


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """Images at 0, 0.1 and 0.5 s, the second with a depth of 20 ms later, in a longer bag."""
    recorder = Recorder(tmp_path / 'uneven', 'mcap')
    with recorder.writer:
        recorder.info('/rgb/camera_info', 1.0)
        for stamp in (10.0, 10.1, 10.5):
            recorder.image('/rgb/image_raw', stamp, RED, 'rgb8')
        recorder.image('/depth/image', 10.12, DEPTH, '16UC1')
        recorder.info('/rgb/camera_info', 60.0)
    return tmp_path / 'uneven'


def test_the_rate_is_that_of_the_image_stamps(uneven: Path) -> None:
    source = open_source(uneven, loop=True)
    assert source.rate == pytest.approx(4.0)
    found = [frame.stamp - 10 * 10**9 for frame in islice(source, 5)]
    assert found == [0, 100_000_000, 500_000_000, 750_000_000, 850_000_000]


def test_a_given_rate_stretches_all_times(uneven: Path) -> None:
    source = open_source(uneven, rate=2.0, loop=True, depth_slop=0.03)
    assert source.rate == 2.0
    frames = list(islice(source, 5))
    found = [frame.stamp - 10 * 10**9 for frame in frames]
    assert found == [0, 200_000_000, 1_000_000_000, 1_500_000_000, 1_700_000_000]
    assert [frame.depth is None for frame in frames] == [True, False, True, True, False]
    assert [frames[n].depth_stamp - frames[n].stamp for n in (1, 4)] == [40_000_000] * 2


def test_stamps_that_stand_still_are_told(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / 'still', 'mcap')
    with recorder.writer:
        for _ in range(3):
            recorder.image('/rgb', 0.0, RED, 'rgb8')
    with pytest.raises(
        SourceError, match=r'images of /rgb cannot be played: .* from 0\.000 s to 0\.000 s'
    ):
        open_source(tmp_path / 'still')


def test_equal_times_of_recording_do_no_harm(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / 'burst', 'mcap')
    with recorder.writer:
        for stamp in (1.0, 1.5, 2.0):
            recorder.image('/rgb', stamp, RED, 'rgb8', recorded=9.0)
    assert open_source(tmp_path / 'burst').rate == pytest.approx(2.0)


def stamped(nanoseconds: int) -> SimpleNamespace:
    stamp = SimpleNamespace(sec=0, nanosec=nanoseconds)
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp), ns=nanoseconds)


def test_pairing_takes_the_nearest_stamp() -> None:
    images, depths = [stamped(n * 100) for n in range(5)], [stamped(n * 60 + 20) for n in range(7)]
    both = sorted(
        [(False, m.ns, m) for m in images] + [(True, m.ns + 5, m) for m in depths],
        key=lambda item: item[1],
    )
    pairs = list(pair_depth(both, slop=30))
    assert [image.ns for image, _ in pairs] == [0, 100, 200, 300, 400]
    assert [depth and depth.ns for _, depth in pairs] == [20, 80, 200, 320, 380]


def test_pairing_without_depth_yields_every_image() -> None:
    pairs = list(pair_depth([(False, n, stamped(n)) for n in (1, 2, 3)], slop=5))
    assert [(image.ns, depth) for image, depth in pairs] == [(1, None), (2, None), (3, None)]
