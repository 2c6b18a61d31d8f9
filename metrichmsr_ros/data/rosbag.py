"""Recorded ROS cameras (rosbag2, mcap, ROS 1) as a source, through ``rosbags``: no ROS needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection
from rosbags.typesys import get_typestore, Stores

from metrichmsr_ros.data.bag_topics import BagTopics, choose_topics
from metrichmsr_ros.data.image_messages import (
    decode_compressed,
    decode_compressed_depth,
    decode_depth,
    decode_rgb,
)
from metrichmsr_ros.data.source_frame import Intrinsics, repeat, SourceError, SourceFrame
from metrichmsr_ros.geometry.camera import Camera, CameraError
from metrichmsr_ros.geometry.registered import registered_camera
from metrichmsr_ros.stamps import NS_PER_S, to_nanoseconds
from metrichmsr_ros.structures import DepthImage

BAG_SUFFIXES = frozenset({'.bag', '.mcap', '.db3'})
SINGLE_IMAGE_RATE = 10.0
DEPTH_SLOP = 0.5
_IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
_INFO_TYPE = 'sensor_msgs/msg/CameraInfo'


class BagSource:
    """The camera of a bag at its own stamps; a bag with a single image shows it at 10 Hz.

    With ``rate`` all times are stretched about the first image, so that images come at that rate
    on average: a faster or slower world, as with a video at another rate than its own.

    Attributes:
        topics: The topics that were chosen.
    """

    def __init__(
        self,
        path: Path,
        intrinsics: Intrinsics,
        *,
        rate: float | None = None,
        loop: bool | None = None,
        depth_slop: float | None = None,
        topics: BagTopics | None = None,
    ) -> None:
        self.name = path.name
        self._path = path
        self._intrinsics = intrinsics
        self._slop = round((DEPTH_SLOP if depth_slop is None else depth_slop) * NS_PER_S)
        if self._slop < 0:
            raise SourceError(f'depth_slop={depth_slop} s is negative')
        with closing(self._open()) as reader:
            heads = _first_messages(reader)
            self.topics = choose_topics(heads, topics or BagTopics(), str(path))
            self._infos = _calibrations(_messages(reader, self.topics.camera_info))
            self._depth_infos = _calibrations(_messages(reader, self.topics.depth_camera_info))
            self.frame_id = heads[self.topics.image].header.frame_id
            count = sum(c.msgcount for c in reader.connections if c.topic == self.topics.image)
            self._start = _stamp(heads[self.topics.image])
            own_rate = SINGLE_IMAGE_RATE if count == 1 else self._own_rate(reader, count)
        self.rate = rate or own_rate
        self._stretch = own_rate / self.rate if count > 1 else 1.0
        self.loop = count == 1 if loop is None else loop
        first = next(self._one_pass())  # an undecodable image or calibration is told at once
        self._only = first if count == 1 else None

    def __iter__(self) -> Iterator[SourceFrame]:
        only = self._only
        one_pass = self._one_pass if only is None else lambda: iter([only])
        return repeat(one_pass, loop=self.loop, rate=self.rate)

    def _open(self) -> AnyReader:
        try:
            reader = AnyReader([self._path], default_typestore=get_typestore(Stores.ROS2_JAZZY))
            reader.open()
        except Exception as error:
            raise SourceError(f'{self._path} is not a readable bag: {_told(error)}') from None
        return reader

    def _one_pass(self) -> Iterator[SourceFrame]:
        with closing(self._open()) as reader:
            wanted = (self.topics.image, self.topics.depth)
            messages = (
                (connection.topic == self.topics.depth, time, message)
                for connection, time, message in _decoded(reader, wanted)
            )
            for image, depth in pair_depth(messages, self._slop):
                try:
                    yield self._at_rate(self._frame(image, depth))
                except ValueError as error:
                    raise SourceError(f'{self._path}: {error}') from None

    def _own_rate(self, reader: AnyReader, count: int) -> float:
        """Return the mean rate by the stamps of the images, as their recording may come late."""
        topic = self.topics.image
        first, last = self._start / NS_PER_S, _stamp(_last_message(reader, topic)) / NS_PER_S
        if last <= first:
            raise SourceError(
                f'{self._path}: the {count} images of {topic} cannot be played: their stamps go '
                f'from {first:.3f} s to {last:.3f} s'
            )
        return (count - 1) / (last - first)

    def _at_rate(self, frame: SourceFrame) -> SourceFrame:
        if self._stretch == 1.0:
            return frame

        def stretched(time: int) -> int:
            return self._start + round((time - self._start) * self._stretch)

        depth_stamp = None if frame.depth_stamp is None else stretched(frame.depth_stamp)
        return replace(frame, stamp=stretched(frame.stamp), depth_stamp=depth_stamp)

    def _frame(self, message: Any, depth: Any | None) -> SourceFrame:
        image = (decode_rgb if hasattr(message, 'encoding') else decode_compressed)(message)
        height, width = image.shape[:2]
        stamp = _stamp(message)
        camera = _camera_at(self._infos, stamp, width, height, self.topics.image)
        camera = camera or self._intrinsics.camera(width, height)
        if depth is None:
            return SourceFrame(image, camera, stamp, self.frame_id)
        depth_z = (decode_depth if hasattr(depth, 'encoding') else decode_compressed_depth)(depth)
        seen_by = self._depth_camera(camera, depth_z, _stamp(depth))
        return SourceFrame(
            image, camera, stamp, self.frame_id,
            depth=DepthImage(depth_z, seen_by, source=self.topics.depth, measured=True),
            depth_stamp=_stamp(depth),
        )  # fmt: skip

    def _depth_camera(self, camera: Camera, depth_z: np.ndarray, stamp: int) -> Camera:
        """Return the camera of a depth: its own, else that of the image at the depth's size."""
        height, width = depth_z.shape
        try:
            own = _camera_at(self._depth_infos, stamp, width, height, self.topics.depth)
        except CameraError as error:
            raise CameraError(f'{self.topics.depth_camera_info}: {error}') from None
        return own or registered_camera(camera, width, height)


def pair_depth(
    messages: Iterable[tuple[bool, int, Any]], slop: int
) -> Iterator[tuple[Any, Any | None]]:
    """Pair each image with the depth nearest in stamp, within ``slop`` nanoseconds.

    Args:
        messages: (is depth, time of recording, message) in the order of recording; the two streams
            may be recorded late by up to a second.
        slop: Largest difference of stamps, nanoseconds.

    Yields:
        Every image, in order, with its depth or None.
    """
    images: deque[tuple[int, Any]] = deque()
    depths: deque[Any] = deque()

    def nearest(image: Any) -> Any | None:
        stamp = _stamp(image)
        while depths and _stamp(depths[0]) < stamp - slop:
            depths.popleft()
        best = min(depths, key=lambda depth: abs(_stamp(depth) - stamp), default=None)
        return best if best is not None and abs(_stamp(best) - stamp) <= slop else None

    for is_depth_message, time, message in messages:
        (depths.append(message) if is_depth_message else images.append((time, message)))
        while images:
            recorded, image = images[0]
            newest = _stamp(depths[-1]) if depths else None
            if (newest is None or newest < _stamp(image)) and time < recorded + slop + NS_PER_S:
                break
            images.popleft()
            yield image, nearest(image)
    for _, image in images:
        yield image, nearest(image)


def _first_messages(reader: AnyReader) -> dict[str, Any]:
    heads = {}
    for connection in reader.connections:
        if connection.msgtype in (*_IMAGE_TYPES, _INFO_TYPE) and connection.topic not in heads:
            for message in _messages(reader, connection.topic):
                heads[connection.topic] = message
                break
    return heads


def _messages(reader: AnyReader, topic: str) -> Iterator[Any]:
    return (message for _, _, message in _decoded(reader, (topic,)))


def _last_message(reader: AnyReader, topic: str) -> Any:
    """Return the last message of a topic that has some, without reading the whole bag."""
    span = NS_PER_S
    while True:
        last = None
        for _, _, message in _decoded(reader, (topic,), start=reader.end_time - span):
            last = message
        if last is not None:
            return last
        span *= 8


def _decoded(
    reader: AnyReader, topics: tuple[str, ...], start: int | None = None
) -> Iterator[tuple[Connection, int, Any]]:
    """Yield connection, time of recording and message, from the time ``start`` on."""
    connections = [c for c in reader.connections if c.topic in topics]
    if not connections:  # rosbags takes an empty choice for all
        return
    try:
        for connection, time, raw in reader.messages(connections, start):
            yield connection, time, reader.deserialize(raw, connection.msgtype)
    except Exception as error:
        raise SourceError(f'{reader.paths[0]} is damaged: {_told(error)}') from None


def _told(error: Exception) -> str:
    """Return what a reader raised, in one line.

    On garbled bytes that may be anything: the errors of rosbags, of its storages and codecs, and
    failed assertions, overflows and requests for all memory. A list of them is never complete.
    """
    return ' '.join(f'{type(error).__name__}: {error}'.split())


def _calibrations(infos: Iterable[Any]) -> list[tuple[int, SimpleNamespace]]:
    """Return stamp and values of every CameraInfo that differs from the one before it."""
    changes: list[tuple[int, SimpleNamespace]] = []
    for message in infos:
        info = _ros2_names(message)
        if not changes or _numbers(info) != _numbers(changes[-1][1]):
            changes.append((_stamp(message), info))
    return changes


def _camera_at(
    infos: list[tuple[int, SimpleNamespace]], stamp: int, width: int, height: int, topic: str
) -> Camera | None:
    """Return the camera of an image of ``topic``; None where the bag does not calibrate it."""
    if not infos:
        return None
    # The first calibration also holds before its own stamp: drivers start image first.
    info = [item[1] for item in infos if item[0] <= stamp or item is infos[0]][-1]
    rectified = 'image_rect' in topic
    camera = Camera.from_camera_info(info, width=width, height=height, rectified=rectified)
    return camera if camera.calibrated else None


def _ros2_names(message: Any) -> SimpleNamespace:
    """Return CameraInfo with the field names of ROS 2 whichever ROS it comes from."""
    own = {name: name if hasattr(message, name) else name.upper() for name in 'dkrp'}
    same = ('header', 'width', 'height', 'distortion_model', 'binning_x', 'binning_y', 'roi')
    own |= {name: name for name in same}
    return SimpleNamespace(**{name: getattr(message, there) for name, there in own.items()})


def _numbers(info: SimpleNamespace) -> tuple[Any, ...]:
    roi = (info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height)
    size = (info.width, info.height, info.binning_x, info.binning_y)
    return (*info.d, *info.k, *info.r, *info.p, *size, *roi)


def _stamp(message: Any) -> int:
    return to_nanoseconds(message.header.stamp)
