"""Bags as sources: rosbag2 (sqlite3, mcap) and ROS 1."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import cv2
from made_bags import DEPTH, Recorder, RED
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from metrichmsr_ros.data.sources import BagTopics, open_source, SourceError
from metrichmsr_ros.geometry.camera import Camera

REAL_BAGS = Path(__file__).parents[2] / 'shared' / 'data' / 'real' / 'tue'


@pytest.mark.parametrize('kind', ['ros1', 'sqlite3', 'mcap'])
def test_rgbd_bag(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ('walk.bag' if kind == 'ros1' else 'walk')
    recorder = Recorder(path, kind)
    with recorder.writer:
        recorder.info('/cam/rgb/camera_info', 10.0)
        for n in range(4):
            recorder.image('/cam/depth_registered/image', 10.02 + n / 4, DEPTH + n, '16UC1')
            recorder.image('/cam/rgb/image_raw', 10.0 + n / 4, RED[..., ::-1].copy(), 'bgr8')
    source = open_source(path)
    frames = list(source)
    assert not source.loop
    assert source.frame_id == 'eye'
    assert source.rate == pytest.approx(4.0, rel=0.05)
    assert source.topics == BagTopics(
        '/cam/rgb/image_raw', '/cam/rgb/camera_info', '/cam/depth_registered/image'
    )
    assert [f.stamp for f in frames] == [10_000_000_000 + n * 250_000_000 for n in range(4)]
    np.testing.assert_array_equal(frames[0].image, RED)
    assert frames[0].camera.K[0, 0] == 70
    assert frames[0].camera.has_distortion
    assert frames[2].depth.depth_z[3, 3] == pytest.approx(1.502)
    assert frames[2].depth.camera == frames[2].camera.resized(32, 24)
    assert frames[2].depth.measured
    assert frames[2].depth_stamp == 10_520_000_000


@pytest.fixture
def single(tmp_path: Path) -> Path:
    recorder = Recorder(tmp_path / 'single', 'mcap')
    with recorder.writer:
        recorder.info('/rgb/camera_info', 5.0)
        recorder.image('/depth/image', 4.8, DEPTH.astype(np.float32) / 1000, '32FC1')
        recorder.image('/rgb/image_raw', 5.0, RED, 'rgb8')
    return tmp_path / 'single'


def test_single_image_repeats_at_ten_hertz(single: Path) -> None:
    source = open_source(single)
    frames = list(islice(source, 12))
    assert (source.rate, source.loop) == (10.0, True)
    assert [f.stamp - frames[0].stamp for f in frames] == [100_000_000 * n for n in range(12)]
    assert frames[11].stamp - frames[11].depth_stamp == 200_000_000
    assert frames[11].as_frame().depth.stamp == frames[11].stamp - 200_000_000  # the depth's age


def test_a_given_rate_holds_for_a_single_image(single: Path) -> None:
    frames = list(islice(open_source(single, rate=4.0), 3))
    assert [f.stamp - frames[0].stamp for f in frames] == [0, 250_000_000, 500_000_000]
    assert frames[2].stamp - frames[2].depth_stamp == 200_000_000


def test_depth_beyond_the_slop_is_left_out(single: Path) -> None:
    assert next(iter(open_source(single, depth_slop=0.1))).depth is None
    assert next(iter(open_source(single, depth_slop=0.21))).depth is not None


def test_bare_storage_file(single: Path) -> None:
    (storage,) = single.glob('*.mcap')
    assert next(iter(open_source(storage))).image.shape == (48, 64, 3)


def test_intrinsics_only_where_the_bag_has_none(single: Path, tmp_path: Path) -> None:
    assert next(iter(open_source(single, fov=1.0))).camera.K[0, 0] == 70
    recorder = Recorder(tmp_path / 'bare', 'mcap')
    with recorder.writer:
        recorder.image('/rgb', 5.0, RED, 'rgb8')
    assert next(iter(open_source(tmp_path / 'bare', fov=1.0))).camera == Camera.from_fov(64, 48, 1)
    assert not next(iter(open_source(tmp_path / 'bare'))).camera.calibrated


def test_topics_are_chosen_by_type_and_encoding(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / 'many', 'mcap')
    png = cv2.imencode('.png', RED[..., ::-1])[1].ravel()
    with recorder.writer:
        recorder.info('/colour/camera_info', 5.0)
        recorder.info('/ir/camera_info', 5.0, frame_id='ir')
        recorder.image('/a_mask', 5.0, RED[..., 0].copy(), 'mono8')
        recorder.image('/ir/depth', 5.0, DEPTH, '16UC1', frame_id='ir')
        recorder.write(
            '/colour/image_raw/compressed', 'CompressedImage', 5.0,
            header=recorder.header(5.0, 'eye'), format='bgr8; png compressed', data=png,
        )  # fmt: skip
    source = open_source(tmp_path / 'many')
    assert source.topics == BagTopics('/colour/image_raw/compressed', '/colour/camera_info', '')
    np.testing.assert_array_equal(next(iter(source)).image, RED)
    mask = open_source(tmp_path / 'many', topics=BagTopics(image='/a_mask', depth='/ir/depth'))
    frame = next(iter(mask))
    assert frame.image[0, 0].tolist() == [250, 250, 250]
    assert frame.depth is not None
    with pytest.raises(SourceError, match='no topic /typo; it has /a_mask'):
        open_source(tmp_path / 'many', topics=BagTopics(image='/typo'))


WIDE = np.zeros((36, 64, 3), np.uint8)


def rgbd_bag(path: Path, *infos: tuple[str, float, str], depth_topic: str) -> Path:
    """A bag of a 64x36 image of focal length 70 and its 32x24 depth, with more CameraInfos."""
    recorder = Recorder(path, 'mcap')
    with recorder.writer:
        recorder.info('/cam/color/camera_info', 5.0, size=(64, 36))
        for topic, focal, frame_id in infos:
            recorder.info(topic, 5.0, focal, frame_id, size=(32, 24))
        recorder.image('/cam/color/image_raw', 5.0, WIDE, 'rgb8')
        if depth_topic.endswith('/compressedDepth'):
            png = cv2.imencode('.png', DEPTH)[1].ravel()
            recorder.write(
                depth_topic, 'CompressedImage', 5.0, header=recorder.header(5.0, 'eye'),
                format='16UC1; compressedDepth', data=np.append(np.zeros(12, np.uint8), png),
            )  # fmt: skip
        else:
            recorder.image(depth_topic, 5.0, DEPTH, '16UC1')
    return path


@pytest.mark.parametrize(
    'depth_topic', ['/cam/depth/image_raw', '/cam/depth/image_raw/compressedDepth']
)
def test_depth_has_the_camera_info_beside_it(tmp_path: Path, depth_topic: str) -> None:
    infos = ('/cam/depth/camera_info', 40.0, '/eye')
    source = open_source(rgbd_bag(tmp_path / 'own', infos, depth_topic=depth_topic))
    assert source.topics == BagTopics(
        '/cam/color/image_raw', '/cam/color/camera_info', depth_topic, '/cam/depth/camera_info'
    )
    frame = next(iter(source))
    assert (frame.camera.K[0, 0], frame.camera.height) == (70, 36)
    seen_by = frame.depth.camera
    assert (seen_by.width, seen_by.height) == (32, 24)
    assert (seen_by.K[0, 0], seen_by.K[1, 1], seen_by.K[0, 2]) == (40, 40, 33)
    assert seen_by.has_distortion


@pytest.mark.parametrize(
    'infos',
    [
        [],
        [('/cam/depth/camera_info', 40.0, 'depth_sensor')],  # depth was registered since
        [('/cam/camera_info', 40.0, 'eye')],  # of somebody else
        [('/cam/depth/camera_info', 0.0, 'eye')],  # uncalibrated
    ],
)
def test_depth_of_another_aspect_needs_its_own_camera_info(
    tmp_path: Path, infos: list[tuple[str, float, str]]
) -> None:
    path = rgbd_bag(tmp_path / 'walk', *infos, depth_topic='/cam/depth/image_raw')
    with pytest.raises(SourceError, match=r'walk: depth is 32x24, the image 64x36: without a'):
        open_source(path)


def test_a_camera_info_that_contradicts_the_depth_is_named(tmp_path: Path) -> None:
    path = rgbd_bag(tmp_path / 'walk', depth_topic='/cam/depth/image_raw')
    topics = BagTopics(depth_camera_info='/cam/color/camera_info')
    with pytest.raises(SourceError, match=r'/cam/color/camera_info: image is 32x24, not a unif'):
        open_source(path, topics=topics)
    with pytest.raises(SourceError, match='no topic /typo'):
        open_source(path, topics=BagTopics(depth_camera_info='/typo'))


def test_calibration_that_changes(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / 'zoom', 'mcap')
    with recorder.writer:
        for stamp, focal in ((5.1, 70.0), (5.15, 70.0), (5.2, 80.0)):
            recorder.info('/camera_info', stamp, focal)
        for stamp in (5.0, 5.11, 5.21):
            recorder.image('/image_raw', stamp, RED, 'rgb8')
    assert [f.camera.K[0, 0] for f in open_source(tmp_path / 'zoom')] == [70.0, 70.0, 80.0]


def test_bag_without_images(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / 'numbers', 'mcap')
    with recorder.writer:
        recorder.info('/camera_info', 5.0)
    with pytest.raises(SourceError, match='has no colour image; it has /camera_info'):
        open_source(tmp_path / 'numbers')


@pytest.mark.parametrize('damage', ['cut', 'garbled'])
def test_damaged_bag(tmp_path: Path, damage: str) -> None:
    path = tmp_path / 'walk.bag'
    recorder = Recorder(path, 'ros1')
    with recorder.writer:
        for n in range(8):
            recorder.image('/rgb', 1 + n / 10, RED, 'rgb8')
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle:] = b'' if damage == 'cut' else bytes(3000) + data[middle + 3000 :]
    path.write_bytes(bytes(data))
    with pytest.raises(SourceError, match=r'walk\.bag is (damaged|not a readable bag)'):
        list(open_source(path))


@pytest.mark.parametrize('kind', ['ros1', 'sqlite3', 'mcap'])
def test_a_truncated_message_ends_the_images_with_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ('walk.bag' if kind == 'ros1' else 'walk')
    recorder = Recorder(path, kind)
    with recorder.writer:
        for n in range(6):
            recorder.image('/rgb', 1 + 2 * n, RED, 'rgb8', cut=100 if n == 3 else 0)
    frames = iter(open_source(path))
    assert [next(frames).stamp for _ in range(2)] == [1_000_000_000, 3_000_000_000]
    with pytest.raises(SourceError, match=r'walk(\.bag)? is damaged: \w+') as caught:
        list(frames)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('error', [RuntimeError('lz4'), AssertionError(), MemoryError()])
def test_whatever_a_reader_raises_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    recorder = Recorder(tmp_path / 'walk', 'mcap')
    with recorder.writer:
        recorder.image('/rgb', 1.0, RED, 'rgb8')

    def fail(*_arguments: Any, **_options: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(AnyReader, 'messages', fail)
        with pytest.raises(SourceError, match=f'walk is damaged: {type(error).__name__}'):
            open_source(tmp_path / 'walk')
    monkeypatch.setattr(AnyReader, 'open', fail)
    with pytest.raises(SourceError, match=f'not a readable bag: {type(error).__name__}'):
        open_source(tmp_path / 'walk')


def test_truncated_image_is_told_when_opening(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / 'short', 'mcap')
    with recorder.writer:
        recorder.write(
            '/rgb', 'Image', 1.0, header=recorder.header(1.0, 'eye'), height=48, width=64,
            encoding='rgb8', is_bigendian=0, step=192, data=np.zeros(100, np.uint8),
        )  # fmt: skip
    with pytest.raises(SourceError, match=r'data has 100 bytes: .* needs 9216'):
        open_source(tmp_path / 'short')


@pytest.mark.skipif(not REAL_BAGS.is_dir(), reason='the development data are not here')
def test_real_ros1_bags() -> None:
    for path in sorted(REAL_BAGS.glob('*.bag')):
        frame = next(iter(open_source(path)))
        assert frame.image.shape == (480, 640, 3)
        assert frame.camera.K[0, 0] == pytest.approx(537.03, abs=0.01)
        assert 0.2 < np.isfinite(frame.depth.depth_z).mean() < 0.6
