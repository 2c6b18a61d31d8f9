"""ROS messages written straight as CDR bytes, for ``publisher.publish(bytes)``.

rclpy converts a message of many small messages one Python attribute at a time (70 ms for one
mesh marker) and copies large arrays more than once. The wire format is public: 4 bytes of
encapsulation, then the fields in order, each aligned to its own size counted from the end of those
4 bytes. All ROS middlewares take these bytes as they are. Little endian, like every machine that
runs ROS 2.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np

from metrichmsr_ros.stamps import NS_PER_S

_ENCAPSULATION = b'\x00\x01\x00\x00'
_PADDING = tuple(bytes(n) for n in range(8))


class CdrWriter:
    """Collects fields in the order of a message definition and joins them once."""

    def __init__(self) -> None:
        self._chunks: list[bytes | memoryview] = [_ENCAPSULATION]
        self._size = 0

    def pack(self, code: str, *values: float) -> CdrWriter:
        """Append numbers of one ``struct`` type code, aligned to its size."""
        size = struct.calcsize(code)
        self._align(size)
        return self._append(struct.pack(f'<{len(values)}{code}', *values))

    def string(self, text: str) -> CdrWriter:
        """Append a string: length with the closing NUL, UTF-8, NUL."""
        data = text.encode() + b'\0'
        return self.pack('I', len(data))._append(data)

    def header(self, stamp: int, frame_id: str) -> CdrWriter:
        """Append a ``std_msgs/Header``; ``stamp`` in nanoseconds."""
        seconds, nanoseconds = divmod(stamp, NS_PER_S)
        return self.pack('i', seconds).pack('I', nanoseconds).string(frame_id)

    def array(self, values: np.ndarray, *, count: int) -> CdrWriter:
        """Append a sequence of ``count`` elements made of ``values`` in order."""
        self.pack('I', count)
        values = np.ascontiguousarray(values)
        if values.size == 0:
            return self
        self._align(values.itemsize)
        return self._append(values.data.cast('B'))

    def getvalue(self) -> bytes:
        """Return the serialised message."""
        return b''.join(self._chunks)

    def _align(self, size: int) -> None:
        self._append(_PADDING[-self._size % size])

    def _append(self, data: bytes | memoryview) -> CdrWriter:
        self._chunks.append(data)
        self._size += len(data)
        return self


def image_bytes(pixels: np.ndarray, *, encoding: str, stamp: int, frame_id: str) -> bytes:
    """Return a serialised ``sensor_msgs/Image``.

    Args:
        pixels: (H, W) or (H, W, C) in the type of ``encoding``.
        encoding: Its name, e.g. ``'32FC1'``.
        stamp: Nanoseconds.
        frame_id: Camera optical frame.
    """
    height, width = pixels.shape[:2]
    writer = CdrWriter().header(stamp, frame_id).pack('I', height, width).string(encoding)
    writer.pack('B', 0).pack('I', pixels.nbytes // height)
    return writer.array(pixels, count=pixels.nbytes).getvalue()


def points_bytes(points: np.ndarray, colors: np.ndarray, *, stamp: int, frame_id: str) -> bytes:
    """Return a serialised organised ``sensor_msgs/PointCloud2`` with fields x, y, z, rgb.

    Args:
        points: (H, W, 3) float32, metres, camera frame, NaN where unknown.
        colors: (H, W, 3) uint8, RGB.
        stamp: Nanoseconds.
        frame_id: Camera optical frame.
    """
    height, width = points.shape[:2]
    cloud = np.empty((height, width, 4), np.float32)
    cloud[..., :3] = points
    # PCL's rgb: the bytes b, g, r, 0 read as one float.
    packed = cv2.cvtColor(colors, cv2.COLOR_RGB2BGRA)
    packed[..., 3] = 0
    cloud[..., 3] = packed.view(np.float32)[..., 0]
    writer = CdrWriter().header(stamp, frame_id).pack('I', height, width, 4)
    for offset, name in enumerate(('x', 'y', 'z', 'rgb')):
        writer.string(name).pack('I', 4 * offset).pack('B', 7).pack('I', 1)
    writer.pack('B', 0).pack('I', 16, 16 * width)
    return writer.array(cloud, count=cloud.nbytes).pack('B', 0).getvalue()
