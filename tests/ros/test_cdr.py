import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, PointCloud2
from sensor_msgs_py.point_cloud2 import read_points

from metrichmsr_ros.ros.cdr import CdrWriter, image_bytes, points_bytes
from metrichmsr_ros.ros.messages import to_header

pytestmark = pytest.mark.ros

STAMP = 1_700_000_000_123_456_789


@pytest.mark.parametrize('frame_id', ['', 'a', 'cam', 'came', 'kamera_ä', 'camera_optical_frame'])
@pytest.mark.parametrize(
    ('pixels', 'encoding'),
    [
        (np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3), 'rgb8'),
        (np.array([[1.5, np.nan], [-np.inf, 0.1]], np.float32), '32FC1'),
    ],
)
def test_image_equals_the_message(pixels: np.ndarray, encoding: str, frame_id: str) -> None:
    data = image_bytes(pixels, encoding=encoding, stamp=STAMP, frame_id=frame_id)
    height, width = pixels.shape[:2]
    expected = Image(height=height, width=width, encoding=encoding, step=pixels.nbytes // height)
    expected.header = to_header(STAMP, frame_id)
    expected.data = pixels.tobytes()
    assert deserialize_message(data, Image) == expected


def test_image_may_be_a_strided_view() -> None:
    pixels = np.arange(2 * 8 * 3, dtype=np.uint8).reshape(2, 8, 3)[:, ::2, ::-1]
    message = deserialize_message(
        image_bytes(pixels, encoding='rgb8', stamp=0, frame_id='c'), Image
    )
    assert message.data.tobytes() == pixels.tobytes()


def test_points_are_read_by_sensor_msgs_py() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4, 6, 3)).astype(np.float32)
    points[1, 2] = np.nan
    colors = rng.integers(0, 256, (4, 6, 3), np.uint8)
    data = points_bytes(points, colors, stamp=STAMP, frame_id='cam')
    message = deserialize_message(data, PointCloud2)
    assert message.header == to_header(STAMP, 'cam')
    assert (message.height, message.width, message.row_step) == (4, 6, 96)
    assert not message.is_dense
    cloud = read_points(message).reshape(4, 6)
    np.testing.assert_array_equal(np.stack([cloud[axis] for axis in 'xyz'], -1), points)
    rgb = np.ascontiguousarray(cloud['rgb']).view(np.uint32)
    np.testing.assert_array_equal(np.stack([rgb >> s & 255 for s in (16, 8, 0)], -1), colors)


def test_values_are_aligned_to_their_own_size() -> None:
    data = CdrWriter().pack('B', 1).pack('d', 2.0).string('ab').pack('H', 3).getvalue()
    assert data[4:] == (
        b'\x01' + bytes(7) + np.float64(2).tobytes() + b'\x03\0\0\0ab\0' + b'\0' + b'\x03\0'
    )
