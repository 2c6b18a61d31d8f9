"""Videos, photographs, webcams as sources; the errors of all of them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from metrichmsr_ros.data import image_sources
from metrichmsr_ros.data.source_frame import Intrinsics, repeat, SourceFrame
from metrichmsr_ros.data.sources import open_source, SourceError
from metrichmsr_ros.geometry.camera import Camera

CALIBRATION = """
image_width: {width}
image_height: {height}
camera_name: test
camera_matrix: {{rows: 3, cols: 3, data: [70, 0, 33, 0, 71, 22, 0, 0, 1]}}
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}}
rectification_matrix: {{rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{rows: 3, cols: 4, data: [70, 0, 33, 0, 0, 71, 22, 0, 0, 0, 1, 0]}}
"""


def write_calibration(path: Path, width: int = 64, height: int = 48) -> Path:
    path.write_text(CALIBRATION.format(width=width, height=height))
    return path


def write_photograph(path: Path, grey: int = 128) -> Path:
    image = np.full((48, 64, 3), grey, np.uint8)
    image[:, :32] = (0, 0, 255)  # red on the left, as OpenCV writes it
    cv2.imwrite(str(path), image)
    return path


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('video') / 'tiny.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 12.0, (64, 48))
    for grey in (40, 90, 140, 190):
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    return path


def test_video(video: Path) -> None:
    source = open_source(video)
    frames = list(source)
    assert (source.rate, source.loop, source.name) == (12.0, False, 'tiny.avi')
    assert [round(f.image.mean() / 10) for f in frames] == [4, 9, 14, 19]
    assert [f.stamp for f in frames] == [round(n * 1e9 / 12) for n in range(4)]
    assert frames[0].camera == Camera.uncalibrated(64, 48)
    assert len(list(source)) == 4  # a second iteration starts again


def test_video_with_field_of_view_rate_and_loop(video: Path) -> None:
    source = open_source(video, fov=1.2, rate=5.0, loop=True)
    frames = list(islice(source, 6))
    assert frames[0].camera == Camera.from_fov(64, 48, 1.2)
    assert [f.stamp for f in frames] == [200_000_000 * n for n in range(6)]


def test_camera_info_scales_to_the_video(video: Path, tmp_path: Path) -> None:
    path = write_calibration(tmp_path / 'camera.yaml', width=128, height=96)
    camera = next(iter(open_source(video, camera_info=path))).camera
    assert camera.calibrated
    assert camera.K[0, 0] == pytest.approx(35)
    assert camera.has_distortion


def test_photographs(tmp_path: Path) -> None:
    write_photograph(tmp_path / 'b.png', 50)
    write_photograph(tmp_path / 'a.jpg', 200)
    write_calibration(tmp_path / 'b.yaml')
    (tmp_path / 'notes.txt').write_text('not a picture')
    source = open_source(tmp_path)
    frames = list(islice(source, 21))
    assert source.loop
    assert [f.stamp for f in frames] == [100_000_000 * n for n in range(21)]
    assert frames[0].image[20, 60].mean() == pytest.approx(200, abs=3)
    assert frames[9].camera == Camera.uncalibrated(64, 48)
    assert frames[10].image[20, 60].mean() == pytest.approx(50)
    assert frames[10].camera.K[0, 0] == 70
    np.testing.assert_array_equal(frames[20].image, frames[0].image)


def test_photograph_is_rgb(tmp_path: Path) -> None:
    frame = next(iter(open_source(write_photograph(tmp_path / 'one.png'), fov=1.0)))
    assert frame.image[10, 10].tolist() == [255, 0, 0]
    assert frame.image.flags.c_contiguous
    assert frame.as_frame().camera == Camera.from_fov(64, 48, 1.0)
    assert frame.depth is None
    assert frame.truth is None


def test_one_pass_of_photographs(tmp_path: Path) -> None:
    path = write_photograph(tmp_path / 'one.png')
    assert len(list(open_source(path, loop=False, rate=12.0))) == 12


class FakeCapture:
    """A camera of two pictures."""

    pictures = 2

    def __init__(self, _device: str) -> None:
        self.left = self.pictures + 1

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, _key: int, _value: float) -> None:
        pass

    def get(self, _key: int) -> float:
        return 0.0  # as many drivers say

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (
            (True, np.full((48, 64, 3), (0, 0, 9), np.uint8)) if self.left >= 0 else (False, None)
        )


def test_webcam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_sources.cv2, 'VideoCapture', FakeCapture)
    source = image_sources.WebcamSource('/dev/video7', Intrinsics())
    frames = list(source)
    assert source.rate == 30.0
    assert len(frames) == 2
    assert frames[0].image[0, 0].tolist() == [9, 0, 0]
    assert frames[1].stamp >= frames[0].stamp > 0


def test_webcam_without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCapture, 'pictures', -1)
    monkeypatch.setattr(image_sources.cv2, 'VideoCapture', FakeCapture)
    with pytest.raises(SourceError, match='/dev/video7 opens but gives no picture'):
        image_sources.WebcamSource('/dev/video7', Intrinsics())


def test_repeat_of_nothing_ends() -> None:
    def nothing() -> list[SourceFrame]:
        return []

    assert not list(repeat(lambda: iter(nothing()), loop=True, rate=1.0))


def test_missing_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'nowhere\.mp4 does not exist'):
        open_source(tmp_path / 'nowhere.mp4')


def test_missing_calibration(tmp_path: Path) -> None:
    photograph = write_photograph(tmp_path / 'a.png')
    with pytest.raises(SourceError, match=r'nowhere\.yaml: No such file or directory$'):
        open_source(photograph, camera_info=tmp_path / 'nowhere.yaml')


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='holds no image'):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('broken.mp4', 'is not a video'),
        ('broken.jpg', 'is not an image'),
        ('broken.bag', 'is not a readable bag'),
        ('broken.mcap', 'is not a readable bag'),
    ],
)
def test_unreadable_file(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b'no such format' * 20)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(tmp_path / name)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('given', 'rule'),
    [
        ({'fov': 4.0}, 'fov=4.0'),
        ({'rate': 0.0}, 'rate=0.0'),
        ({'fov': 1.0, 'camera_info': 'camera.yaml'}, 'not both'),
        ({'camera_info': 'nowhere.yaml'}, 'nowhere.yaml'),
    ],
)
def test_rejects_bad_options(video: Path, given: dict[str, float], rule: str) -> None:
    with pytest.raises(SourceError, match=rule):
        open_source(video, **given)


def test_calibration_of_another_aspect(video: Path, tmp_path: Path) -> None:
    path = write_calibration(tmp_path / 'camera.yaml', width=64, height=64)
    with pytest.raises(SourceError, match=r'camera\.yaml'):
        open_source(video, camera_info=path)
