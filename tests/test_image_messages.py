"""Decoding of image messages as rosbags has them; tests/ros/test_images.py has those of rclpy."""

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from metrichmsr_ros.data.image_messages import (
    decode_compressed,
    decode_compressed_depth,
    decode_depth,
    decode_rgb,
    ImageError,
    is_colour,
    is_depth,
)

RED = np.zeros((48, 64, 3), np.uint8) + np.array([250, 10, 20], np.uint8)
DEPTH = np.full((24, 32), 1500, np.uint16)


def message(array: np.ndarray, encoding: str, **changed: Any) -> SimpleNamespace:
    fields = {
        'height': array.shape[0], 'width': array.shape[1], 'step': array.strides[0],
        'encoding': encoding, 'is_bigendian': 0, 'data': array.view(np.uint8).ravel(),
    }  # fmt: skip
    return SimpleNamespace(**fields | changed)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'rgba8', 'bgra8'])
def test_colour_encodings(encoding: str) -> None:
    planes = [RED[..., 'rgba'.index(letter) % 3] for letter in encoding[:-1]]
    assert is_colour(message(RED, encoding))
    np.testing.assert_array_equal(decode_rgb(message(np.stack(planes, -1), encoding)), RED)


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_patterns(pattern: str) -> None:
    mosaic = np.empty((8, 8), np.uint8)
    for place, letter in enumerate(pattern):
        mosaic[place // 2 :: 2, place % 2 :: 2] = {'r': 200, 'g': 90, 'b': 30}[letter]
    image = decode_rgb(message(mosaic, f'bayer_{pattern}8'))
    assert image[4, 4].tolist() == [200, 90, 30]


def test_rows_with_padding_and_other_endianness() -> None:
    padded = np.zeros((48, 70, 3), np.uint8)
    padded[:, :64] = RED
    np.testing.assert_array_equal(decode_rgb(message(padded, 'rgb8', width=64)), RED)
    swapped = message(DEPTH.byteswap(), '16UC1', is_bigendian=1)
    np.testing.assert_allclose(decode_depth(swapped), 1.5, rtol=1e-6)


def test_unknown_depth_is_nan() -> None:
    depth = np.array([[0.0, np.inf, -1.0, np.nan, 2.0]], np.float32)
    assert is_depth(message(depth, '32FC1'))
    np.testing.assert_array_equal(
        decode_depth(message(depth, '32FC1')), np.array([[np.nan] * 4 + [2]], np.float32)
    )


def test_compressed_depth() -> None:
    png = cv2.imencode('.png', DEPTH)[1].ravel()
    data = np.concatenate([np.zeros(12, np.uint8), png])
    compressed = SimpleNamespace(format='16UC1; compressedDepth', data=data)
    assert is_depth(compressed)
    np.testing.assert_allclose(decode_compressed_depth(compressed), 1.5, rtol=1e-6)
    with pytest.raises(ValueError, match='not a 16-bit PNG'):
        decode_compressed_depth(SimpleNamespace(format='16UC1; compressedDepth', data=data[:12]))


@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'])
def test_yuv(encoding: str) -> None:
    order = [128, 120] if encoding in ('yuv422', 'uyvy') else [120, 128]
    grey = np.tile(np.array(order, np.uint8), (4, 8, 1))  # both chroma samples are 128
    np.testing.assert_allclose(
        decode_rgb(message(grey, encoding)), np.full((4, 8, 3), 121), atol=1
    )
    with pytest.raises(ImageError, match=f'{encoding} image of 7x4'):
        decode_rgb(message(grey, encoding, width=7))


def test_pixels_that_may_not_be_written_are_read() -> None:
    frozen = message(RED, 'bgr8')
    frozen.data.flags.writeable = False
    np.testing.assert_array_equal(decode_rgb(frozen), RED[..., ::-1])


def test_encodings_without_colour() -> None:
    with pytest.raises(ImageError, match="'16UC1' is depth"):
        decode_rgb(message(DEPTH, '16UC1'))
    with pytest.raises(ImageError, match="'purple' is unknown"):
        decode_rgb(message(RED, 'purple'))


def test_cut_jpeg() -> None:
    jpeg = cv2.imencode('.jpg', RED)[1].ravel()
    assert decode_compressed(SimpleNamespace(format='jpeg', data=jpeg)).shape == RED.shape
    with pytest.raises(ImageError, match='cut short'):
        decode_compressed(SimpleNamespace(format='jpeg', data=jpeg[:-90]))
