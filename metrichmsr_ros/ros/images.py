"""Images of topics to arrays: what the core cannot decode goes through cv_bridge.

cv_bridge is imported when the first such image comes: its binary package breaks under NumPy 2
(vision_opencv#535) and must not take the other cameras with it.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from metrichmsr_ros.data import image_messages
from metrichmsr_ros.data.image_messages import COLOUR_ENCODINGS, ImageError

_DEPTH = ('16UC1', '32FC1')  # cv_bridge would make a picture of them


def decode_rgb(message: Any) -> np.ndarray:
    """Return a colour or grey ``sensor_msgs/Image`` as (H, W, 3) uint8 RGB.

    Raises:
        ImageError: As ``image_messages.view``; for depth encodings; where cv_bridge is needed and
            absent or refuses.
    """
    if message.encoding in (*COLOUR_ENCODINGS, *_DEPTH):
        return image_messages.decode_rgb(message)
    return _decode_with_cv_bridge(message)


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
        image = CvBridge().imgmsg_to_cv2(message, desired_encoding='rgb8')
    except (CvBridgeError, ValueError, TypeError, KeyError, cv2.error) as error:
        raise ImageError(f'cv_bridge cannot decode {message.encoding!r}: {error}') from error
    if image.shape != (message.height, message.width, 3):
        raise ImageError(f'step {message.step} is too small for {message.width} pixels')
    return image
