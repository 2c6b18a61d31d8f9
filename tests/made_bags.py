"""Bags for tests, written with rosbags: rosbag2 (sqlite3, mcap) and ROS 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rosbags import rosbag1, rosbag2
from rosbags.typesys import get_typestore, Stores

RED = np.zeros((48, 64, 3), np.uint8) + np.array([250, 10, 20], np.uint8)
DEPTH = np.full((24, 32), 1500, np.uint16)


class Recorder:
    """Writes messages of any ROS to a bag of any kind."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.ros1 = path, kind == 'ros1'
        self.store = get_typestore(Stores.ROS1_NOETIC if self.ros1 else Stores.ROS2_JAZZY)
        if self.ros1:
            self.writer: Any = rosbag1.Writer(path)
        else:
            plugin = (
                rosbag2.StoragePlugin.MCAP if kind == 'mcap' else rosbag2.StoragePlugin.SQLITE3
            )
            self.writer = rosbag2.Writer(path, version=9, storage_plugin=plugin)
        self.connections: dict[str, Any] = {}

    def header(self, stamp: float, frame_id: str) -> Any:
        types = self.store.types
        time = types['builtin_interfaces/msg/Time'](int(stamp), round(stamp % 1 * 1e9))
        extra = {'seq': 0} if self.ros1 else {}
        return types['std_msgs/msg/Header'](stamp=time, frame_id=frame_id, **extra)

    def write(self, topic: str, kind: str, time: float, *, cut: int = 0, **fields: Any) -> None:
        """Write a message without its last ``cut`` bytes."""
        name = f'sensor_msgs/msg/{kind}'
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(topic, name, typestore=self.store)
        message = self.store.types[name](**fields)
        raw = (self.store.serialize_ros1 if self.ros1 else self.store.serialize_cdr)(message, name)
        raw = raw[: len(raw) - cut]
        self.writer.write(self.connections[topic], round(time * 1e9), raw)

    def image(
        self,
        topic: str,
        stamp: float,
        array: np.ndarray,
        encoding: str,
        frame_id: str = 'eye',
        cut: int = 0,
        recorded: float | None = None,
    ) -> None:
        time = stamp + 0.01 if recorded is None else recorded
        self.write(
            topic, 'Image', time, cut=cut, header=self.header(stamp, frame_id),
            height=array.shape[0], width=array.shape[1], encoding=encoding, is_bigendian=0,
            step=array.strides[0], data=array.view(np.uint8).ravel(),
        )  # fmt: skip

    def info(
        self,
        topic: str,
        stamp: float,
        focal: float = 70.0,
        frame_id: str = 'eye',
        size: tuple[int, int] = (64, 48),
    ) -> None:
        K = np.array([focal, 0, 33, 0, focal, 22, 0, 0, 1], float)
        P = np.array([focal, 0, 33, 0, 0, focal, 22, 0, 0, 0, 1, 0], float)
        values = {'d': np.array([0.1, 0, 0, 0, 0]), 'k': K, 'r': np.eye(3).ravel(), 'p': P}
        roi = self.store.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
        self.write(
            topic, 'CameraInfo', stamp, header=self.header(stamp, frame_id),
            height=size[1], width=size[0], distortion_model='plumb_bob', binning_x=0, binning_y=0,
            roi=roi,
            **{name.upper() if self.ros1 else name: value for name, value in values.items()},
        )  # fmt: skip
