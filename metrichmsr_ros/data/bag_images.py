"""Image and CameraInfo messages of a bag as arrays; duck-typed, no ROS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

DEPTH_ENCODINGS = ('16UC1', '32FC1', 'mono16')
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
_CHANNELS = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4} | dict.fromkeys(
    ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'), 2
)
_COMPRESSED_DEPTH_HEADER = 12  # bytes before the PNG: format and two quantisation floats


def is_depth(message: Any) -> bool:
    """Return whether an Image or CompressedImage holds depth, by its encoding or format."""
    if hasattr(message, 'encoding'):
        return message.encoding in DEPTH_ENCODINGS
    return 'compressedDepth' in message.format


def is_colour(message: Any) -> bool:
    """Return whether ``rgb_image`` can read an Image or CompressedImage."""
    if hasattr(message, 'encoding'):
        return message.encoding == 'rgb8' or message.encoding in _TO_RGB
    return not is_depth(message)


def rgb_image(message: Any) -> np.ndarray:
    """Decode to (H, W, 3) uint8 RGB.

    Raises:
        ValueError: The data are cut short or not of the format they claim.
    """
    if not hasattr(message, 'encoding'):
        image = cv2.imdecode(np.asarray(message.data, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f'compressed image of format {message.format!r} cannot be decoded')
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    array = _rows(message, np.dtype(np.uint8), _CHANNELS.get(message.encoding, 1))
    if message.encoding == 'rgb8':
        return np.ascontiguousarray(array)
    return cv2.cvtColor(array, _TO_RGB[message.encoding])


def depth_z_image(message: Any) -> np.ndarray:
    """Decode to depth along the optical axis, (H, W) float32, metres, NaN where unknown.

    Raises:
        ValueError: The data are cut short or not of the format they claim.
    """
    if hasattr(message, 'encoding'):
        kind = np.float32 if message.encoding == '32FC1' else np.uint16
        depth = _rows(message, np.dtype(kind), 1)
    else:
        depth = _decode_png(message)
    depth_z = depth.astype(np.float32) * (1.0 if depth.dtype == np.float32 else 1e-3)
    depth_z[~(depth_z > 0) | ~np.isfinite(depth_z)] = np.nan
    return depth_z


def _decode_png(message: Any) -> np.ndarray:
    png = np.asarray(message.data, np.uint8)[_COMPRESSED_DEPTH_HEADER:]
    depth = cv2.imdecode(png, cv2.IMREAD_UNCHANGED) if png.size else None
    if depth is None or depth.dtype != np.uint16:
        raise ValueError(f'depth of format {message.format!r} is not a 16-bit PNG')
    return depth


def camera_info_values(message: Any) -> SimpleNamespace:
    """Return CameraInfo with the field names of ROS 2 whichever ROS it comes from."""
    lower = {name: getattr(message, name, None) for name in 'dkrp'}
    values = {
        name: getattr(message, name.upper()) if value is None else value
        for name, value in lower.items()
    }
    copied = ('header', 'width', 'height', 'distortion_model', 'binning_x', 'binning_y', 'roi')
    return SimpleNamespace(**values, **{name: getattr(message, name) for name in copied})


def _rows(message: Any, kind: np.dtype, channels: int) -> np.ndarray:
    used = message.width * channels * kind.itemsize
    data = np.asarray(message.data, np.uint8)
    if message.step < used or data.size < message.step * message.height:
        raise ValueError(
            f'{message.encoding} image of {message.width}x{message.height} with step '
            f'{message.step} does not fit its {data.size} bytes'
        )
    rows = data[: message.step * message.height].reshape(message.height, message.step)[:, :used]
    array = np.ascontiguousarray(rows).view(kind)
    if message.is_bigendian and kind.itemsize > 1:
        array = array.byteswap()
    shape = (message.height, message.width)
    return array.reshape(shape if channels == 1 else (*shape, channels))
