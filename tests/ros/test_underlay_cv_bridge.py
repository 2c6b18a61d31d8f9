"""The contract that the node needs of cv_bridge, ours or upstream's."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

try:
    from cv_bridge import CvBridge, CvBridgeError
except ImportError as error:  # the binary package under NumPy 2, vision_opencv#535
    pytest.skip(f'cv_bridge cannot be imported: {error}', allow_module_level=True)

pytestmark = [pytest.mark.ros, pytest.mark.smoke]

# Colours of the mosaic's cells, so that a wrong pattern is a wrong colour.
RED, GREEN, BLUE = 200, 120, 40
BAYER = {'rggb': [[RED, GREEN], [GREEN, BLUE]], 'bggr': [[BLUE, GREEN], [GREEN, RED]],
         'gbrg': [[GREEN, BLUE], [RED, GREEN]], 'grbg': [[GREEN, RED], [BLUE, GREEN]]}  # fmt: skip


def message(pixels: np.ndarray, encoding: str, *, padding: int = 0) -> Image:
    """An image of samples (H, row) with ``padding`` bytes after each row; YUV has two a pixel."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
    width = pixels.shape[1] // 2 if encoding.startswith('yuv') else pixels.shape[1]
    return Image(
        height=rows.shape[0], width=width, encoding=encoding, step=rows.shape[1],
        data=rows.tobytes(),
    )  # fmt: skip


@pytest.mark.parametrize('pattern', BAYER)
@pytest.mark.parametrize(('bits', 'scale'), [(8, 1), (16, 257)])
@pytest.mark.parametrize('padding', [0, 8])
def test_a_mosaic_gets_its_colours(pattern: str, bits: int, scale: int, padding: int):
    pixels = np.tile(np.array(BAYER[pattern]) * scale, (8, 8)).astype(f'u{bits // 8}')
    image = message(pixels, f'bayer_{pattern}{bits}', padding=padding)

    rgb = CvBridge().imgmsg_to_cv2(image, 'rgb8')

    assert (rgb.shape, rgb.dtype) == ((16, 16, 3), np.uint8)
    np.testing.assert_allclose(
        rgb[2:-2, 2:-2], np.broadcast_to([RED, GREEN, BLUE], (12, 12, 3)), atol=1
    )
    bgr = CvBridge().imgmsg_to_cv2(image, 'bgr8')
    np.testing.assert_array_equal(bgr, rgb[..., ::-1])


@pytest.mark.parametrize(('encoding', 'order'), [('yuv422', 'uyvy'), ('yuv422_yuy2', 'yuyv')])
def test_yuv_is_read_in_the_right_order(encoding: str, order: str):
    colour = np.full((1, 1, 3), (RED, GREEN, BLUE), np.uint8)
    luma, red, blue = cv2.cvtColor(colour, cv2.COLOR_RGB2YCrCb)[0, 0].astype(float)
    # video range, as cameras send it
    values = {'y': 16 + luma * 219 / 255, 'u': 128 + (blue - 128) * 224 / 255,
              'v': 128 + (red - 128) * 224 / 255}  # fmt: skip
    pixels = np.tile([round(values[letter]) for letter in order], (4, 8)).astype(np.uint8)

    rgb = CvBridge().imgmsg_to_cv2(message(pixels, encoding), 'rgb8')

    assert rgb.shape == (4, 16, 3)
    np.testing.assert_allclose(rgb, np.broadcast_to([RED, GREEN, BLUE], rgb.shape), atol=4)


def test_sixteen_bits_become_eight():
    pixels = np.array([[0, 128 * 257, 65535]], np.uint16)

    grey = CvBridge().imgmsg_to_cv2(message(pixels, 'mono16'), 'mono8')

    np.testing.assert_array_equal(grey, [[0, 128, 255]])


def test_passthrough_keeps_the_pixels():
    pixels = np.arange(32, dtype=np.uint8).reshape(4, 8)

    image = CvBridge().imgmsg_to_cv2(message(pixels, 'bayer_rggb8', padding=3), 'passthrough')

    np.testing.assert_array_equal(image, pixels)


def test_an_unknown_encoding_is_refused():
    image = message(np.zeros((4, 4), np.uint8), 'mono8')
    image.encoding = 'smell8'

    with pytest.raises(CvBridgeError, match='smell8'):
        CvBridge().imgmsg_to_cv2(image, 'rgb8')


def test_truncated_data_is_refused():
    image = message(np.zeros((4, 4), np.uint8), 'bayer_rggb8')
    image.data = image.data[:-1]

    with pytest.raises(TypeError):
        CvBridge().imgmsg_to_cv2(image, 'rgb8')
