"""Images in encodings that are not plain arrays, after the API of vision_opencv's cv_bridge."""

from __future__ import annotations

import cv2
import numpy as np
from sensor_msgs.msg import Image

# encoding → type of a sample, samples per pixel, OpenCV's name of the format
_FORMATS = {
    'mono8': ('u1', 1, 'GRAY'),
    'mono16': ('u2', 1, 'GRAY'),
    'rgb8': ('u1', 3, 'RGB'),
    'rgb16': ('u2', 3, 'RGB'),
    'bgr8': ('u1', 3, 'BGR'),
    'bgr16': ('u2', 3, 'BGR'),
    'yuv422': ('u1', 2, 'UYVY'),
    'yuv422_yuy2': ('u1', 2, 'YUY2'),
}
# OpenCV names a Bayer pattern after the second row's second and third pixel
for _pattern, _name in {'rggb': 'BG', 'bggr': 'RG', 'gbrg': 'GR', 'grbg': 'GB'}.items():
    _FORMATS[f'bayer_{_pattern}8'] = ('u1', 1, f'Bayer{_name}')
    _FORMATS[f'bayer_{_pattern}16'] = ('u2', 1, f'Bayer{_name}')


class CvBridgeError(TypeError):
    """A conversion that is not possible."""


class CvBridge:
    """Converter between ROS images and OpenCV's arrays."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = 'passthrough') -> np.ndarray:
        """Return the image, (H, W) or (H, W, channels), in ``desired_encoding``.

        Sixteen bits are scaled to eight by 255/65535 and back.

        Raises:
            CvBridgeError: An encoding or a conversion that this stand-in or cv_bridge lacks.
            TypeError: Less data than height and step promise.
        """
        dtype, channels, source = _format(img_msg.encoding)
        native = dtype.newbyteorder('>' if img_msg.is_bigendian else '<')
        shape = (img_msg.height, img_msg.step // (native.itemsize * channels), channels)
        image = np.ndarray(shape, native, buffer=img_msg.data)[:, : img_msg.width]
        image = np.ascontiguousarray(image[..., 0] if channels == 1 else image, dtype)
        if desired_encoding in ('passthrough', img_msg.encoding):
            return image
        wanted, _, target = _format(desired_encoding)
        if source != target:
            prefix = 'YUV2' if channels == 2 else f'{source}2'
            suffix = f'_{source}' if channels == 2 else ''
            code = getattr(cv2, f'COLOR_{prefix}{target}{suffix}', None)
            if code is None:
                raise CvBridgeError(
                    f'Unsupported conversion from [{img_msg.encoding}] to [{desired_encoding}]'
                )
            image = cv2.cvtColor(image, code)
        if wanted == dtype:
            return image
        scale = np.iinfo(wanted).max / np.iinfo(dtype).max
        return np.rint(image * scale).astype(wanted)


def _format(encoding: str) -> tuple[np.dtype, int, str]:
    if encoding not in _FORMATS:
        raise CvBridgeError(f'Unrecognized image encoding [{encoding}]')
    dtype, channels, name = _FORMATS[encoding]
    return np.dtype(dtype), channels, name
