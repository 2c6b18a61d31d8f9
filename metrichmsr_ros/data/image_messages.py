"""Image messages to arrays, on duck-typed messages of a topic or a bag, without ROS.

Plain encodings are NumPy views of the message's own bytes (row step and byte order honoured,
nothing copied); only a colour order other than RGB costs one pass.
"""

from __future__ import annotations

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
    'bayer_rggb8': ('u1', 1),
    'bayer_bggr8': ('u1', 1),
    'bayer_gbrg8': ('u1', 1),
    'bayer_grbg8': ('u1', 1),
    'yuv422': ('u1', 2),
    'uyvy': ('u1', 2),
    'yuv422_yuy2': ('u1', 2),
    'yuyv': ('u1', 2),
    '16UC1': ('u2', 1),
    'mono16': ('u2', 1),
    '32FC1': ('f4', 1),
}
_TO_RGB = {
    'bgr8': cv2.COLOR_BGR2RGB,
    'rgba8': cv2.COLOR_RGBA2RGB,
    'bgra8': cv2.COLOR_BGRA2RGB,
    'mono8': cv2.COLOR_GRAY2RGB,
    # ROS names a Bayer pattern by its first row, OpenCV by the second row's second pixel onwards.
    'bayer_rggb8': cv2.COLOR_BayerBG2RGB,
    'bayer_bggr8': cv2.COLOR_BayerRG2RGB,
    'bayer_gbrg8': cv2.COLOR_BayerGR2RGB,
    'bayer_grbg8': cv2.COLOR_BayerGB2RGB,
    'yuv422': cv2.COLOR_YUV2RGB_UYVY,
    'uyvy': cv2.COLOR_YUV2RGB_UYVY,
    'yuv422_yuy2': cv2.COLOR_YUV2RGB_YUY2,
    'yuyv': cv2.COLOR_YUV2RGB_YUY2,
}
COLOUR_ENCODINGS = ('rgb8', *_TO_RGB)
_MILLIMETRES = ('16UC1', 'mono16')  # the latter from zed_wrapper in its OpenNI mode
DEPTH_ENCODINGS = ('32FC1', *_MILLIMETRES)
_MILLIMETRE = np.float32(0.001)
_MAX_DEPTH = np.float32(1e4)  # m; the largest float is some drivers' word for nothing
_MAX_PIXELS = 2**26  # twice 8K
_COMPRESSED_DEPTH_HEADER = 12  # bytes before the PNG: format and two quantisation floats


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


def is_colour(message: Any) -> bool:
    """Return whether an Image or CompressedImage is colour or grey, by its encoding or format."""
    if hasattr(message, 'encoding'):
        return message.encoding in COLOUR_ENCODINGS
    return not is_depth(message)


def is_depth(message: Any) -> bool:
    """Return whether an Image or CompressedImage holds depth, by its encoding or format."""
    if hasattr(message, 'encoding'):
        return message.encoding in DEPTH_ENCODINGS
    return 'compressedDepth' in message.format


def decode_rgb(message: Any) -> np.ndarray:
    """Return a colour or grey ``sensor_msgs/Image`` as (H, W, 3) uint8 RGB.

    Raises:
        ImageError: As :func:`view`, and for encodings without colour.
    """
    if message.encoding not in COLOUR_ENCODINGS:
        kind = 'depth' if message.encoding in DEPTH_ENCODINGS else 'unknown'
        raise ImageError(f'encoding {message.encoding!r} is {kind}: the image must have colour')
    pixels = view(message)
    if message.encoding == 'rgb8':
        return pixels
    try:
        return cv2.cvtColor(pixels, _TO_RGB[message.encoding])
    except cv2.error as error:  # a Bayer image of one row, a YUV one of odd width
        size = f'{message.width}x{message.height}'
        raise ImageError(f'{message.encoding} image of {size}: {error.err}') from error


def decode_compressed(message: Any) -> np.ndarray:
    """Return a ``sensor_msgs/CompressedImage`` (JPEG, PNG) as (H, W, 3) uint8 RGB.

    Raises:
        ImageError: On data that OpenCV cannot decode, a JPEG that was cut short, or a size that
            no camera has.
    """
    data = np.frombuffer(message.data, np.uint8)
    if data.size == 0:
        raise ImageError(f'compressed image ({message.format!r}) is empty')
    encoded = data.tobytes()
    _check_encoded_size(message.format, encoded)
    if _is_cut_jpeg(encoded):
        raise ImageError(f'compressed image ({message.format!r}, {data.size} bytes) is cut short')
    # The orientation tag is ignored: the calibration is that of the sensor's pixels.
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError(f'compressed image ({message.format!r}): {error.err}') from error
    if pixels is None:
        raise ImageError(f'compressed image ({message.format!r}, {data.size} bytes) is no image')
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _is_cut_jpeg(data: bytes) -> bool:
    """Whether a JPEG has no end: OpenCV fills what it lacks with grey and says nothing.

    Drivers may send a buffer that is longer than the JPEG in it, and a picture within its header
    (a thumbnail) has an end of its own: what counts is an end after the last start of a scan.
    """
    if not data.startswith(b'\xff\xd8'):
        return False
    scan = data.rfind(b'\xff\xda')
    return data.find(b'\xff\xd9', max(scan, 0)) < 0


def decode_depth(message: Any) -> np.ndarray:
    """Return a depth ``sensor_msgs/Image`` as (H, W) float32 metres, NaN where unknown.

    16UC1 and mono16 are millimetres with 0 unknown (REP-118); 32FC1 is metres, where NaN, zero,
    negative values and ten kilometres or more are unknown to us.

    Raises:
        ImageError: As :func:`view`, and for encodings other than these.
    """
    if message.encoding not in DEPTH_ENCODINGS:
        raise ImageError(
            f'depth encoding {message.encoding!r} is neither 16UC1 (mm) nor 32FC1 (m)'
        )
    unit = _MILLIMETRE if message.encoding in _MILLIMETRES else np.float32(1)
    return _metres(view(message), unit)


def decode_compressed_depth(message: Any) -> np.ndarray:
    """Return depth as compressed_depth_image_transport sends it, (H, W) float32 metres.

    Raises:
        ImageError: It is not a 16-bit PNG, which holds millimetres.
    """
    png = np.frombuffer(message.data, np.uint8)[_COMPRESSED_DEPTH_HEADER:]
    _check_encoded_size(message.format, png.tobytes())
    depth = cv2.imdecode(png, cv2.IMREAD_UNCHANGED) if png.size else None
    if depth is None or depth.dtype != np.uint16:
        raise ImageError(f'depth of format {message.format!r} is not a 16-bit PNG')
    return _metres(depth, _MILLIMETRE)


def _metres(depth: np.ndarray, unit: np.float32) -> np.ndarray:
    depth_z = depth.astype(np.float32) * unit
    depth_z[~((depth_z > 0) & (depth_z < _MAX_DEPTH))] = np.nan
    return depth_z


def _check_encoded_size(kind: str, data: bytes) -> None:
    width, height = _encoded_size(data)
    if width * height > _MAX_PIXELS:  # a few kilobytes may ask for gigabytes
        raise ImageError(
            f'compressed image ({kind!r}) is {width}x{height}: more than {_MAX_PIXELS} pixels are '
            'not decoded'
        )


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
