"""The camera that plays a source: its stamps, its depth, and how it ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
import subprocess
import sys
from threading import Thread
from types import SimpleNamespace
from typing import Any

from made_bags import Recorder, RED
import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from rclpy.serialization import deserialize_message

from metrichmsr_ros.data.sources import SourceError, SourceFrame
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.ros import camera
from metrichmsr_ros.ros.inputs import Rhythm
from metrichmsr_ros.stamps import to_nanoseconds
from metrichmsr_ros.structures import DepthImage

pytestmark = pytest.mark.ros

MS = 1_000_000
START = 1_700_000_000 * 10**9
CAMERA = Camera.from_fov(8, 6, 1.0)
Play = Callable[[Iterable[SourceFrame]], tuple[camera.CameraNode, dict[str, list[Any]]]]


class Clock:
    """A clock that only waiting and work move; who waits is woken a little late."""

    def __init__(self) -> None:
        self.now = START
        self._random = np.random.default_rng(0)

    def time_ns(self) -> int:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += round(seconds * 1e9) + int(self._random.integers(0, 5 * MS))
        return False


class Made:
    """A source of given frames."""

    name, rate = 'made', 30.0

    def __init__(self, frames: Iterable[SourceFrame]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[SourceFrame]:
        return iter(self._frames)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Play]:
    """Play frames on ``clock`` to the end; return the node and its messages by topic."""
    published: dict[str, list[Any]] = defaultdict(list)
    nodes: list[camera.CameraNode] = []
    create = Node.create_publisher

    def create_publisher(node: Node, kind: type, topic: str, *more: Any, **options: Any) -> Any:
        if not topic.startswith('~/'):
            return create(node, kind, topic, *more, **options)

        def publish(message: Any) -> None:
            made = isinstance(message, kind)
            message = message if made else deserialize_message(bytes(message), kind)
            published[topic.removeprefix('~/')].append(message)

        return SimpleNamespace(publish=publish, get_subscription_count=lambda: 1)

    def run(frames: Iterable[SourceFrame]) -> tuple[camera.CameraNode, dict[str, list[Any]]]:
        monkeypatch.setattr(camera, 'open_source', lambda *_, **__: Made(frames))
        nodes.append(camera.CameraNode())
        nodes[0]._thread.join(20)
        assert not nodes[0]._thread.is_alive()
        return nodes[0], published

    stop = SimpleNamespace(wait=clock.wait, set=lambda: None, is_set=lambda: False)
    threads = SimpleNamespace(Event=lambda: stop, Thread=Thread)
    monkeypatch.setattr(camera, 'threading', threads)
    monkeypatch.setattr(camera, 'time', clock)
    monkeypatch.setattr(Node, 'create_publisher', create_publisher)
    rclpy.init()
    yield run
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


def rgb(stamp: int, seen_by: Camera = CAMERA) -> SourceFrame:
    return SourceFrame(np.zeros((6, 8, 3), np.uint8), seen_by, stamp, 'eye')


def rgbd(stamp: int, depth_stamp: int, depth_camera: Camera = CAMERA) -> SourceFrame:
    depth = DepthImage(np.full((6, 8), depth_stamp % 97 + 1, np.float32), depth_camera)
    return replace(rgb(stamp), depth=depth, depth_stamp=depth_stamp)


def stamps(messages: list[Any]) -> list[int]:
    return [to_nanoseconds(message.header.stamp) for message in messages]


def test_stamps_keep_the_sources_intervals_and_begin_now(play: Play) -> None:
    times = [7 * 10**9 + n * 33 * MS + n % 3 * MS for n in range(60)]
    node, published = play(rgb(time) for time in times)
    offset = START - times[0]
    assert stamps(published['image_raw']) == [time + offset for time in times]
    assert stamps(published['camera_info']) == stamps(published['image_raw'])
    assert not node.failed
    assert not rclpy.ok()  # an end of the source is an end of the process


def test_slow_depth_is_published_once_and_no_stamp_jumps_back(play: Play) -> None:
    depths = [n * 200 * MS for n in range(60)]
    images = [n * 33 * MS for n in range(300)]
    frames = [rgbd(t, min(depths, key=lambda depth: abs(depth - t))) for t in images]
    _, published = play(frames)
    sent = sorted({frame.depth_stamp for frame in frames})
    assert stamps(published['depth/image_raw']) == [START + stamp for stamp in sent]
    assert stamps(published['depth/camera_info']) == stamps(published['depth/image_raw'])
    values = [float(np.frombuffer(m.data, np.float32)[0]) for m in published['depth/image_raw']]
    assert values == [stamp % 97 + 1 for stamp in sent]
    for topic in ('image_raw', 'depth/image_raw'):
        rhythm = Rhythm()
        assert all(rhythm.add(stamp) for stamp in stamps(published[topic]))


def test_a_short_delay_is_caught_up(play: Play, clock: Clock) -> None:
    def frames() -> Iterator[SourceFrame]:
        for n in range(20):
            clock.now += 45 * MS if n == 10 else 0
            yield rgb(n * 20 * MS)

    assert stamps(play(frames())[1]['image_raw']) == [START + n * 20 * MS for n in range(20)]
    assert clock.now < START + 19 * 20 * MS + 5 * MS + camera.DRAIN * 1e9 + 5 * MS


def test_a_source_slower_than_its_stamps_plays_in_slow_motion(play: Play, clock: Clock) -> None:
    times = []

    def frames() -> Iterator[SourceFrame]:
        for n in range(40):
            clock.now += 40 * MS  # to decode it
            times.append(clock.now)
            yield rgbd(n * 30 * MS, n * 30 * MS)

    _, published = play(frames())
    found = stamps(published['image_raw'])
    ages = (np.array(times) - found).tolist()
    assert ages[0] == 0
    assert max(ages) == camera.LATE
    assert ages[-20:] == [camera.LATE] * 20  # evenly, and not caught up now and then
    assert stamps(published['depth/image_raw']) == found


def test_after_a_long_delay_no_race_begins(play: Play, clock: Clock) -> None:
    def frames() -> Iterator[SourceFrame]:
        for n in range(10):
            clock.now += 10**9 if n == 5 else 0
            yield rgb(n * 100 * MS)

    gaps = np.diff(stamps(play(frames())[1]['image_raw']))
    assert np.delete(gaps, 4).tolist() == [100 * MS] * 8
    assert gaps[4] == pytest.approx(10**9 - camera.LATE, abs=5 * MS)


def test_an_uncalibrated_source_says_so_of_its_depth_too(play: Play) -> None:
    guess = Camera.uncalibrated(8, 6)
    frames = [replace(rgbd(n * MS, n * MS, guess), camera=guess) for n in range(2)]
    own = replace(rgbd(2 * MS, 2 * MS), camera=guess)  # a depth sensor that knows itself
    _, published = play([*frames, own])
    assert [info.k[0] for info in published['camera_info']] == [0, 0, 0]
    depth_infos = published['depth/camera_info']
    assert [info.k[0] for info in depth_infos] == [0, 0, CAMERA.K[0, 0]]
    assert [info.p[5] for info in depth_infos] == [0, 0, CAMERA.K[1, 1]]
    assert (depth_infos[0].width, depth_infos[0].height) == (8, 6)


@pytest.mark.parametrize(
    ('error', 'told'),
    [(SourceError('the bag is cut'), 'the bag is cut'), (OSError('no\nbus'), 'OSError: no bus')],
)
def test_whatever_fails_in_a_source_ends_the_process(
    play: Play, capfd: pytest.CaptureFixture[str], error: Exception, told: str
) -> None:
    def frames() -> Iterator[SourceFrame]:
        yield rgb(0)
        raise error

    node, published = play(frames())
    assert len(published['image_raw']) == 1
    assert node.failed
    assert not rclpy.ok()
    (line,) = [line for line in capfd.readouterr().err.splitlines() if 'ERROR' in line]
    assert line.endswith(f'[camera]: {told}')


def test_publishing_into_a_context_that_is_down_is_no_failure(play: Play) -> None:
    def frames() -> Iterator[SourceFrame]:
        rclpy.try_shutdown()  # as Ctrl-C does
        raise RuntimeError('the publisher is invalid')
        yield

    assert not play(frames())[0].failed


def test_a_damaged_bag_ends_the_camera_with_code_1(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / 'walk', 'mcap')
    with recorder.writer:
        for n in range(6):
            recorder.image('/rgb', 1 + n, RED, 'rgb8', cut=100 if n == 3 else 0)
    parameters = ['-p', f'source:={tmp_path / "walk"}', '-p', 'wait_for:=0']
    command = [sys.executable, '-m', 'metrichmsr_ros.start', 'metrichmsr_ros.ros.camera']
    result = subprocess.run(
        [*command, '--ros-args', *parameters], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 1
    assert 'Traceback' not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if 'ERROR' in line]
    assert 'walk is damaged: AnyReaderError: Invalid sequence length' in line
