from array import array
import struct
import sys

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from metrichmsr_ros.data.image_messages import decode_compressed, decode_depth, ImageError, view
from metrichmsr_ros.ros.images import decode_rgb

pytestmark = pytest.mark.ros


def make_image(pixels: np.ndarray, encoding: str, *, padding: int = 0) -> Image:
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    message = Image(height=height, width=width, encoding=encoding, step=rows.shape[1])
    message.is_bigendian = int(pixels.dtype.byteorder == '>')
    message.data = array('B', rows.tobytes())
    return message


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def test_rgb8_shares_memory_and_honours_step(rgb: np.ndarray) -> None:
    message = make_image(rgb, 'rgb8', padding=5)
    pixels = decode_rgb(message)
    np.testing.assert_array_equal(pixels, rgb)
    message.data[0] = 255 - message.data[0]
    assert pixels[0, 0, 0] == message.data[0]


@pytest.mark.parametrize('padding', [0, 3])
def test_colour_orders(rgb: np.ndarray, padding: int) -> None:
    alpha = np.full((5, 7, 1), 7, np.uint8)
    for encoding, pixels in {
        'bgr8': rgb[..., ::-1],
        'rgba8': np.concatenate((rgb, alpha), 2),
        'bgra8': np.concatenate((rgb[..., ::-1], alpha), 2),
    }.items():
        message = make_image(pixels, encoding, padding=padding)
        np.testing.assert_array_equal(decode_rgb(message), rgb, err_msg=encoding)
        assert np.shares_memory(view(message), np.frombuffer(message.data, np.uint8))
    grey = decode_rgb(make_image(rgb[..., 0], 'mono8', padding=padding))
    np.testing.assert_array_equal(grey, np.repeat(rgb[..., :1], 3, 2))


@pytest.mark.parametrize('order', ['<', '>'])
def test_depth_units_byte_orders_and_unknown(order: str) -> None:
    millimetres = np.array([[1500, 0, 65535]], f'{order}u2')
    for encoding in ('16UC1', 'mono16'):
        depth_z = decode_depth(make_image(millimetres, encoding, padding=1))
        np.testing.assert_allclose(depth_z, [[1.5, np.nan, 65.535]], rtol=1e-6)
    metres = np.array([[1.5, 0, np.nan, np.inf, -np.inf, -1, 3.4e38]], f'{order}f4')
    depth_z = decode_depth(make_image(metres, '32FC1', padding=2))
    np.testing.assert_array_equal(depth_z, [[1.5] + [np.nan] * 6])
    assert depth_z.dtype == np.float32
    assert depth_z.dtype.isnative


def test_other_encodings_go_through_cv_bridge() -> None:
    mosaic = np.full((8, 8), 30 * 257, np.uint16)
    mosaic[::2, ::2] = 200 * 257  # red of an RGGB mosaic
    image = decode_rgb(make_image(mosaic, 'bayer_rggb16'))
    np.testing.assert_array_equal(image[4, 4], [200, 30, 30])


def test_common_encodings_do_not_import_cv_bridge(
    rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    decode_rgb(make_image(rgb, 'bgr8'))
    decode_rgb(make_image(rgb[..., 0], 'bayer_rggb8'))
    with pytest.raises(ImageError, match=r"'rgb16' needs cv_bridge"):
        decode_rgb(make_image(rgb.astype(np.uint16), 'rgb16'))


def spoil(message: Image, **values: object) -> Image:
    for name, value in values.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ('fault', 'text'),
    [
        ({'step': 20}, 'step 20 is less than the 21 bytes'),
        ({'step': 22}, '105 bytes: step 22 times height 5 needs 110'),
        ({'data': array('B', bytes(104))}, '104 bytes: step 21 times height 5 needs 105'),
        ({'width': 0}, 'image is 0x5'),
        ({'height': 0}, 'image is 7x0'),
        ({'encoding': 'purple'}, "'purple'"),
        ({'encoding': ''}, "''"),
        ({'encoding': '32FC1'}, "'32FC1' is depth"),
        ({'encoding': 'bayer_rggb16', 'step': 3}, 'step 3 is too small'),
    ],
)
def test_rejects_bad_images(rgb: np.ndarray, fault: dict, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        decode_rgb(spoil(make_image(rgb, 'rgb8'), **fault))


def test_depth_rejects_colour(rgb: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"'rgb8' is neither 16UC1"):
        decode_depth(make_image(rgb, 'rgb8'))


def test_compressed_png_is_exact_and_jpeg_close() -> None:
    rows, columns = np.mgrid[:32, :48]
    image = np.stack((rows * 7, columns * 5, rows + columns), -1).astype(np.uint8)
    png = cv2.imencode('.png', image[..., ::-1])[1]
    decoded = decode_compressed(CompressedImage(format='png', data=png.tobytes()))
    np.testing.assert_array_equal(decoded, image)
    jpeg = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    decoded = decode_compressed(CompressedImage(format='rgb8; jpeg compressed bgr8', data=jpeg))
    assert np.abs(decoded.astype(int) - image).mean() < 4
    for data, text in (
        (jpeg[: len(jpeg) // 2], 'cut short'),
        (b'', 'empty'),
        (b'xyz', 'no image'),
    ):
        with pytest.raises(ImageError, match=text):
            decode_compressed(CompressedImage(format='jpeg', data=data))


@pytest.mark.parametrize('rest', [bytes(63), bytes(5000), b'scan of before\xff\xd9' + bytes(99)])
def test_a_jpeg_in_a_longer_buffer_is_whole(rest: bytes) -> None:
    image = np.full((32, 48, 3), 90, np.uint8)
    jpeg = cv2.imencode('.jpg', image)[1].tobytes() + rest
    decoded = decode_compressed(CompressedImage(format='jpeg', data=jpeg))
    assert np.abs(decoded.astype(int) - image).max() < 4


def test_the_end_of_a_thumbnail_is_not_the_end_of_a_jpeg() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    jpeg = cv2.imencode('.jpg', image)[1].tobytes()
    thumbnail = cv2.imencode('.jpg', image[:8, :8])[1].tobytes()
    comment = b'\xff\xfe' + struct.pack('>H', 2 + len(thumbnail)) + thumbnail
    whole = jpeg[:2] + comment + jpeg[2:]
    assert decode_compressed(CompressedImage(format='jpeg', data=whole)).shape == (64, 64, 3)
    with pytest.raises(ImageError, match='cut short'):
        decode_compressed(CompressedImage(format='jpeg', data=whole[:-500]))


def test_a_small_message_cannot_ask_for_gigabytes() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    png = bytearray(cv2.imencode('.png', image)[1].tobytes())
    png[16:24] = struct.pack('>II', 32000, 32000)
    jpeg = bytearray(cv2.imencode('.jpg', image)[1].tobytes())
    size = jpeg.find(b'\xff\xc0') + 5
    jpeg[size : size + 4] = struct.pack('>HH', 65500, 65499)
    for data, text in ((png, '32000x32000'), (jpeg, '65499x65500')):
        with pytest.raises(ImageError, match=f'is {text}: more than 67108864 pixels'):
            decode_compressed(CompressedImage(format='', data=bytes(data)))
