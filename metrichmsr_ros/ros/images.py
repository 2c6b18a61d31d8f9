"""Image messages to arrays, on duck-typed messages, without ROS.

Plain encodings are NumPy views of the message's own bytes (row step and byte order honoured,
nothing copied); only a colour order other than RGB costs one pass. What is not a plain array
(Bayer, YUV) goes through cv_bridge, which is imported when the first such image comes: its binary
package breaks under NumPy 2 (vision_opencv#535) and must not take the plain cameras with it.
"""

from __future__ import annotations

from copy import copy
import struct
from typing import Any

import cv2
import numpy as np

# encoding: (type without byte order, channels)
_PLAIN = {
    'rgb8': ('u1', 3),
    'bgr8': ('u1', 3),
    'rgba8': ('u1', 4),
    'bgra8': ('u1', 4),
    'mono8': ('u1', 1),
    '16UC1': ('u2', 1),
    'mono16': ('u2', 1),
    '32FC1': ('f4', 1),
}
_TO_RGB = {
    'bgr8': cv2.COLOR_BGR2RGB,
    'rgba8': cv2.COLOR_RGBA2RGB,
    'bgra8': cv2.COLOR_BGRA2RGB,
    'mono8': cv2.COLOR_GRAY2RGB,
}
_DEPTH = ('16UC1', '32FC1')
_MILLIMETRES = ('16UC1', 'mono16')  # the latter from zed_wrapper in its OpenNI mode
_CV_BRIDGE_NAMES = {'uyvy': 'yuv422', 'yuyv': 'yuv422_yuy2'}  # it knows the older names only
_MILLIMETRE = np.float32(0.001)
_MAX_DEPTH = np.float32(1e4)  # m; the largest float is some drivers' word for nothing
_MAX_PIXELS = 2**26  # twice 8K


class ImageError(ValueError):
    """An image message that contradicts itself or that nobody here can decode."""


def view(message: Any) -> np.ndarray:
    """Return the pixels of a plain ``sensor_msgs/Image`` without a copy.

    Args:
        message: Its fields height, width, encoding, is_bigendian, step and data are read.

    Returns:
        (H, W) or (H, W, C) in the message's own type and byte order; shares the message's memory.

    Raises:
        ImageError: On a zero size, a row step too small for the width, fewer bytes than step times
            height, or an encoding that is not plain.
    """
    if message.encoding not in _PLAIN:
        raise ImageError(f'encoding {message.encoding!r} is not one of {", ".join(_PLAIN)}')
    if message.height < 1 or message.width < 1:
        raise ImageError(f'image is {message.width}x{message.height}: both must be at least 1')
    kind, channels = _PLAIN[message.encoding]
    dtype = np.dtype(('>' if message.is_bigendian else '<') + kind)
    row = message.width * channels * dtype.itemsize
    if message.step < row:
        raise ImageError(
            f'step {message.step} is less than the {row} bytes of a row of {message.width} '
            f'{message.encoding} pixels'
        )
    if len(message.data) < message.step * message.height:
        raise ImageError(
            f'image data has {len(message.data)} bytes: step {message.step} times height '
            f'{message.height} needs {message.step * message.height}'
        )
    shape = (message.height, message.width, channels)
    strides = (message.step, channels * dtype.itemsize, dtype.itemsize)
    pixels = np.ndarray(shape, dtype, buffer=message.data, strides=strides)
    return pixels[..., 0] if channels == 1 else pixels


def decode_rgb(message: Any) -> np.ndarray:
    """Return a colour or grey ``sensor_msgs/Image`` as (H, W, 3) uint8 RGB.

    Raises:
        ImageError: As :func:`view`; for depth encodings; where cv_bridge is needed and absent or
            refuses.
    """
    if message.encoding == 'rgb8':
        return view(message)
    if message.encoding in _TO_RGB:
        return cv2.cvtColor(view(message), _TO_RGB[message.encoding])
    if message.encoding in _DEPTH:
        raise ImageError(f'encoding {message.encoding!r} is depth: the image must have colour')
    return _decode_with_cv_bridge(message)


def decode_compressed(message: Any) -> np.ndarray:
    """Return a ``sensor_msgs/CompressedImage`` (JPEG, PNG) as (H, W, 3) uint8 RGB.

    Raises:
        ImageError: On data that OpenCV cannot decode, a JPEG that was cut short, or a size that
            no camera has.
    """
    data = np.frombuffer(message.data, np.uint8)
    if data.size == 0:
        raise ImageError(f'compressed image ({message.format!r}) is empty')
    width, height = _encoded_size(data.tobytes())
    if width * height > _MAX_PIXELS:  # a few kilobytes may ask for gigabytes
        raise ImageError(
            f'compressed image ({message.format!r}) is {width}x{height}: more than '
            f'{_MAX_PIXELS} pixels are not decoded'
        )
    # OpenCV fills what a cut JPEG lacks with grey and says nothing.
    if data[:2].tobytes() == b'\xff\xd8' and b'\xff\xd9' not in data[-64:].tobytes():
        raise ImageError(f'compressed image ({message.format!r}, {data.size} bytes) is cut short')
    # The orientation tag is ignored: the calibration is that of the sensor's pixels.
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError(f'compressed image ({message.format!r}): {error.err}') from error
    if pixels is None:
        raise ImageError(f'compressed image ({message.format!r}, {data.size} bytes) is no image')
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _encoded_size(data: bytes) -> tuple[int, int]:
    """Return width and height as the header of a JPEG or PNG says, zeros where there is none."""
    if data.startswith(b'\x89PNG') and len(data) >= 24:
        width, height = struct.unpack_from('>II', data, 16)
        return width, height
    offset = 2 if data.startswith(b'\xff\xd8') else len(data)
    while offset + 9 <= len(data):
        marker, length = struct.unpack_from('>HH', data, offset)
        # Frame headers are the markers C0 to CF but for three tables.
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack_from('>HH', data, offset + 5)
            return width, height
        offset += 2 + length
    return 0, 0


def decode_depth(message: Any) -> np.ndarray:
    """Return a depth ``sensor_msgs/Image`` as (H, W) float32 metres, NaN where unknown.

    16UC1 and mono16 are millimetres with 0 unknown (REP-118); 32FC1 is metres, where NaN, zero,
    negative values and ten kilometres or more are unknown to us.

    Raises:
        ImageError: As :func:`view`, and for encodings other than these.
    """
    if message.encoding not in (*_DEPTH, *_MILLIMETRES):
        raise ImageError(
            f'depth encoding {message.encoding!r} is neither 16UC1 (mm) nor 32FC1 (m)'
        )
    depth_z = view(message).astype(np.float32)
    if message.encoding in _MILLIMETRES:
        depth_z *= _MILLIMETRE
    depth_z[~((depth_z > 0) & (depth_z < _MAX_DEPTH))] = np.nan
    return depth_z


def _decode_with_cv_bridge(message: Any) -> np.ndarray:
    try:
        from cv_bridge import CvBridge, CvBridgeError
    except Exception as error:  # a binary built for NumPy 1 fails with more than ImportError
        raise ImageError(
            f'encoding {message.encoding!r} needs cv_bridge, which does not import: {error}'
        ) from error
    if message.height < 1 or message.width < 1:
        raise ImageError(f'image is {message.width}x{message.height}: both must be at least 1')
    try:
        renamed = copy(message)
        renamed.encoding = _CV_BRIDGE_NAMES.get(message.encoding, message.encoding)
        image = CvBridge().imgmsg_to_cv2(renamed, desired_encoding='rgb8')
    except (CvBridgeError, ValueError, TypeError, KeyError, cv2.error) as error:
        raise ImageError(f'cv_bridge cannot decode {message.encoding!r}: {error}') from error
    if image.shape != (message.height, message.width, 3):
        raise ImageError(f'step {message.step} is too small for {message.width} pixels')
    return image
