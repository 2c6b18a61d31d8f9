"""What the monitor writes: the pictures of its video, the scene in its recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
import resource
import sys
import time
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.ros.marker_reader import MeshMarker
from metrichmsr_ros.ros.markers import marker_id
from metrichmsr_ros.ros.recorder import Recorder, RerunWriter, VideoWriter
from metrichmsr_ros.ros.snapshot import side_by_side, Snapshot

SHAPE = (48, 64)


def snapshot(**depths: np.ndarray | None) -> Snapshot:
    image = np.full((*SHAPE, 3), 90, np.uint8)
    return Snapshot(
        stamp=0, image=image, overlay=image // 2, camera=Camera.from_fov(64, 48, 1.0),
        ids=(), joints=np.zeros((0, 24, 3)), orientations=np.zeros((0, 4)), meshes=(),
        **{'depth_z': None, 'prior_z': None, 'true_z': None, **depths},
    )  # fmt: skip


def test_without_truth_there_is_one_row():
    depth_z = np.full(SHAPE, 2.0, np.float32)
    picture = side_by_side(snapshot(depth_z=depth_z, prior_z=depth_z))
    assert picture.shape == (48, 192, 3)
    assert (picture[:, :64] == 90).all()
    assert (picture[:, 64:128] == 45).all()
    assert side_by_side(snapshot()).shape == (48, 192, 3)


def test_with_truth_the_second_row_shows_what_was_gained():
    true_z = np.full(SHAPE, 2.0, np.float32)
    refined = true_z.copy()
    refined[30:, 32:] = 3.0
    refined[20:30, 32:] = np.nan
    picture = side_by_side(snapshot(depth_z=refined, prior_z=1.5 * true_z, true_z=true_z))
    assert picture.shape == (96, 192, 3)
    below = picture[48:]
    refined_of, error = below[:, 64:128], below[:, 128:]
    # Where refined depth is that of the prior it has the prior's colour; elsewhere the truth's.
    assert (refined_of[40, 60] == below[40, 60]).all()
    assert (refined_of[40, 5] == picture[40, 128 + 5]).all()
    assert error[40, 60].sum() > 500
    assert error[40, 5].sum() < 20
    assert error[25, 60].sum() < 20


class FakeRerun:
    """Keeps what is logged: archetypes are their names and arguments."""

    def __init__(self) -> None:
        self.logged: dict[str, tuple[str, dict[str, Any]]] = {}

    def log(self, path: str, entity: Any, **_: Any) -> None:
        self.logged[path] = entity

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **arguments: (name, arguments)


@pytest.fixture
def rerun(monkeypatch: pytest.MonkeyPatch) -> FakeRerun:
    fake = FakeRerun()
    fake.RecordingStream = lambda _: SimpleNamespace(flush=lambda: None)
    fake.Image = lambda _: SimpleNamespace(compress=lambda **_: None)
    fake.ViewCoordinates = SimpleNamespace(RDF=None)
    monkeypatch.setitem(sys.modules, 'rerun', fake)
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    return fake


def mesh(person: str, *, x: float) -> MeshMarker:
    corners = np.array([[x, 0, 2], [x + 1, 0, 2], [x, 1, 2]], float)
    return MeshMarker(marker_id(person), (1.0, 0.0, 0.0), corners)


def with_people(meshes: tuple[MeshMarker, ...]) -> Snapshot:
    return replace(
        snapshot(), ids=('aaaaa', 'bbbbb'), joints=np.zeros((2, 24, 3)),
        orientations=np.tile([0.0, 0, 0, 1], (2, 1)), meshes=meshes,
    )  # fmt: skip


def test_each_mesh_is_recorded_under_its_own_person(rerun: FakeRerun, tmp_path: Path):
    writer = RerunWriter(tmp_path / 'scene.rrd')
    path = 'camera/people/{}/mesh'.format

    writer.add(with_people((mesh('aaaaa', x=1.0), mesh('bbbbb', x=5.0))))
    kind, mesh_of_a = rerun.logged[path('aaaaa')]
    assert kind == 'Mesh3D'
    assert mesh_of_a['vertex_positions'][:, 0].min() == 1.0
    # The first one's vertices are not finite now, so the node leaves his marker out.
    writer.add(with_people((mesh('bbbbb', x=6.0),)))
    assert rerun.logged[path('aaaaa')] == ('Clear', {'recursive': False})
    kind, mesh_of_b = rerun.logged[path('bbbbb')]
    assert kind == 'Mesh3D'
    assert mesh_of_b['vertex_positions'][:, 0].min() == 6.0


@contextmanager
def full_disk(*, after: int) -> Iterator[None]:
    """No file can grow beyond ``after`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def record(recorder: Recorder, *, count: int = 20) -> None:
    """Give a recorder that many pictures of noise, and finish its files."""
    noise = np.random.default_rng(0).integers(0, 255, (count, 240, 320, 3), np.uint8)
    for image in noise:
        picture = replace(
            snapshot(), image=image, overlay=image, camera=Camera.from_fov(320, 240, 1.0),
            depth_z=np.ones((240, 320)),
        )  # fmt: skip
        while not recorder.offer(picture):
            time.sleep(0.01)
    recorder.close()


def test_a_video_has_every_picture(tmp_path: Path):
    recorder = Recorder(VideoWriter(tmp_path / 'a.mp4', rate=10), None, rerun_every=1)
    record(recorder)
    assert recorder.failure is None
    video = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 20


def test_a_video_of_one_picture_and_of_none_is_no_failure(tmp_path: Path):
    for count in (0, 1):
        recorder = Recorder(VideoWriter(tmp_path / 'a.mp4', rate=10), None, rerun_every=1)
        record(recorder, count=count)
        assert recorder.failure is None


def test_a_full_disk_is_the_recorders_failure(tmp_path: Path):
    with full_disk(after=100_000):
        recorder = Recorder(VideoWriter(tmp_path / 'a.mp4', rate=10), None, rerun_every=1)
        record(recorder)
    assert isinstance(recorder.failure, OSError)
    assert str(recorder.failure) == (f'{tmp_path}/a.mp4 holds 0 of 20 frames: is the disk full?')


def test_a_video_that_cannot_be_written_is_the_recorders_failure(rerun: FakeRerun, tmp_path: Path):
    scene = RerunWriter(tmp_path / 'scene.rrd')
    closed: list[str] = []
    rerun.disconnect = lambda **_: closed.append('scene')
    video = VideoWriter(tmp_path / 'nowhere' / 'a.mp4', rate=10)
    recorder = Recorder(video, scene, rerun_every=1)
    record(recorder)
    assert 'cannot write the video' in str(recorder.failure)
    assert closed == ['scene']  # the other file is finished all the same


def test_a_recording_that_cannot_be_finished_is_the_recorders_failure(
    rerun: FakeRerun, tmp_path: Path
):
    def flush() -> None:
        raise RuntimeError('shut down prematurely')

    scene = RerunWriter(tmp_path / 'scene.rrd')
    scene.recording = SimpleNamespace(flush=flush)
    video = VideoWriter(tmp_path / 'a.mp4', rate=10)
    recorder = Recorder(video, scene, rerun_every=1)
    record(recorder)
    assert str(recorder.failure) == 'shut down prematurely'
