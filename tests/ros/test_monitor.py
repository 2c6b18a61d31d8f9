"""The monitor as a node: what it takes for the watched node's word, and what it survives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from metrichmsr_msgs.msg import PersonArray
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.ros import monitor
from metrichmsr_ros.ros.cdr import image_bytes
from metrichmsr_ros.ros.diagnostics import status_name
from metrichmsr_ros.ros.messages import camera_info, to_header
from metrichmsr_ros.ros.monitor import Monitor
from metrichmsr_ros.ros.snapshot import Snapshot

pytestmark = pytest.mark.ros


class Watched:
    """A monitor in its executor, and publishers for what it listens to."""

    def __init__(self, *arguments: str) -> None:
        rclpy.init(args=['--ros-args', *arguments])
        self.monitor = Monitor()
        self.user = rclpy.create_node('user', namespace=self.monitor.get_namespace())
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.monitor)

    def publish(self, kind: type, topic: str, *messages: object) -> None:
        publisher = self.user.create_publisher(kind, topic, 10)
        self.spin_until(lambda: publisher.get_subscription_count() == 1)
        for message in messages:
            publisher.publish(message)

    def spin_until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < end, 'it did not happen within 10 s'
            self._executor.spin_once(0.05)

    def close(self) -> None:
        self.monitor.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(*arguments: str) -> Watched:
        made.append(Watched(*arguments))
        return made[0]

    yield make
    made[0].close()


def test_a_camera_info_of_no_use_is_told_once_and_survived(
    watch: Callable[..., Watched], capsys: pytest.CaptureFixture[str]
) -> None:
    watched = watch()
    good = camera_info(Camera.from_fov(64, 48, 1.0), header=to_header(1, 'c'))
    empty = camera_info(Camera.from_fov(64, 48, 1.0), header=to_header(1, 'c'))
    empty.width = 0
    odd = camera_info(Camera.from_fov(64, 48, 1.0), header=to_header(1, 'c'))
    odd.distortion_model, odd.d = 'fov', np.array([0.9])

    watched.publish(CameraInfo, 'camera/camera_info', good)
    watched.spin_until(lambda: watched.monitor._camera is not None)
    watched.publish(CameraInfo, 'camera/camera_info', empty, empty, odd, odd)
    told: list[str] = []

    def heard() -> bool:
        lines = capsys.readouterr().out.splitlines()
        told.extend(line for line in lines if 'CameraInfo' in line)
        return len(told) >= 2

    watched.spin_until(heard)
    assert watched.monitor._camera is None
    watched.publish(CameraInfo, 'camera/camera_info', good)
    watched.spin_until(lambda: watched.monitor._camera is not None)
    heard()
    assert len(told) == 2, told
    assert told[0].startswith('note: the CameraInfo cannot be used: ')
    assert '0x48' in told[0]
    assert "'fov'" in told[1]


def test_an_image_of_no_use_is_told_once_and_survived(
    watch: Callable[..., Watched], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = watch('-p', f'output:={tmp_path}', '-p', 'rerun_rate:=0.0', '-p', 'video_rate:=50.0')
    info = camera_info(Camera.from_fov(64, 48, 1.0), header=to_header(1, 'c'))
    watched.publish(CameraInfo, 'camera/camera_info', info)
    watched.spin_until(lambda: watched.monitor._camera is not None)
    pixels = np.zeros((48, 64, 3), np.uint8)
    people = [PersonArray(header=to_header(stamp, 'c')) for stamp in (1, 2, 3)]
    watched.publish(PersonArray, 'metrichmsr/people', *people)
    for topic, encoding in (('metrichmsr/overlay', 'rgb8'), ('camera/image_raw', 'depth9')):
        images = [
            image_bytes(pixels, encoding=encoding, stamp=stamp, frame_id='c')
            for stamp in (1, 2, 3)
        ]
        watched.publish(Image, topic, *images)
    told: list[str] = []

    def heard() -> bool:
        told.extend(line for line in capsys.readouterr().out.splitlines() if 'depth9' in line)
        return watched.monitor._recorded == 3

    watched.spin_until(heard)
    heard()
    assert len(told) == 1, told
    assert told[0].startswith('note: an image cannot be recorded: ')


def statuses(**messages: str) -> DiagnosticArray:
    """Return the diagnostics of the nodes of these names, ``__`` for a slash."""
    return DiagnosticArray(
        status=[
            DiagnosticStatus(name=status_name(name.replace('__', '/')), message=message)
            for name, message in messages.items()
        ]
    )


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ((), 'of the root'),
        (('-p', 'node:=metrichmsr2'), 'of another'),
        (('-r', '__ns:=/robot1'), 'of robot1'),
        (('-p', 'node:=/robot1/metrichmsr'), 'of robot1'),
        (('-r', '__ns:=/robot1', '-p', 'node:=/metrichmsr'), 'of the root'),
    ],
)
def test_only_the_watched_nodes_diagnostics_count(
    watch: Callable[..., Watched], arguments: tuple[str, ...], expected: str
) -> None:
    watched = watch(*arguments)
    message = statuses(
        robot1__metrichmsr='of robot1', metrichmsr='of the root', metrichmsr2='of another'
    )
    watched.publish(DiagnosticArray, '/diagnostics', message)
    watched.spin_until(lambda: watched.monitor.diagnosis != '')
    assert watched.monitor.diagnosis == expected


def test_a_node_in_a_namespace_that_cannot_be_configured_ends_the_monitor(
    watch: Callable[..., Watched],
) -> None:
    watched = watch('-r', '__ns:=/robot1')
    message = statuses(robot1__metrichmsr='configure failed: no weights')
    watched.publish(DiagnosticArray, '/diagnostics', message)
    watched.spin_until(lambda: not rclpy.ok())
    assert watched.monitor.failure == 'configure failed: no weights'


@pytest.mark.parametrize('writable', [True, False])
def test_a_failed_recording_is_the_monitors_failure(
    writable: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    video = tmp_path / 'overlay.mp4'
    if not writable:
        video.mkdir()
    image = np.zeros((48, 64, 3), np.uint8)
    snapshot = Snapshot(
        stamp=1, image=image, overlay=image, camera=Camera.from_fov(64, 48, 1.0), depth_z=None,
        prior_z=None, true_z=None, ids=(), joints=np.zeros((0, 24, 3)),
        orientations=np.zeros((0, 4)), meshes=(),
    )  # fmt: skip

    def run(make_node: Callable[[], Monitor], args: list[str]) -> int:
        rclpy.init(args=args)
        node = make_node()
        node.first_result = 1
        node._recorder.offer(snapshot)
        node.destroy_node()
        rclpy.try_shutdown()
        return 0

    monkeypatch.setattr(monitor, 'run_node', run)
    monkeypatch.setattr(monitor.os, 'nice', lambda _: None)
    code = monitor.main(['--ros-args', '-p', f'output:={tmp_path}', '-p', 'rerun_rate:=0.0'])
    told = capsys.readouterr().err
    assert (tmp_path / 'summary.json').is_file()
    if writable:
        assert (code, told) == (0, '')
        assert video.stat().st_size > 0
    else:
        assert code == 1
        lines = [line for line in told.splitlines() if line.startswith('monitor: ')]
        assert lines == [f'monitor: the recording failed: cannot write the video {video}']
