"""What the monitor can put together from messages."""

from geometry_msgs.msg import Point
from metrichmsr_msgs.msg import Person, PersonArray
import numpy as np
import pytest
from rclpy.serialization import serialize_message

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.ros.cdr import image_bytes
from metrichmsr_ros.ros.messages import to_header
from metrichmsr_ros.ros.monitor_messages import is_complete, snapshot_of

pytestmark = pytest.mark.ros


def messages(people: int) -> dict[str, bytes]:
    image = image_bytes(np.zeros((4, 6, 3), np.uint8), encoding='rgb8', stamp=7, frame_id='c')
    joints = [Point() for _ in range(24)]
    array = PersonArray(
        header=to_header(7, 'c'), people=[Person(id='abcde', joints=joints)] * people
    )
    return {'image': image, 'overlay': image, 'people': serialize_message(array)}


def test_an_empty_room_is_recorded_though_its_markers_have_no_stamp() -> None:
    at = messages(0)
    assert is_complete(at)
    snapshot = snapshot_of(7, at, Camera.from_fov(6, 4, 1.0), prior_z=None)
    assert snapshot.ids == ()
    assert snapshot.meshes == ()


def test_people_wait_for_their_markers() -> None:
    at = messages(1)
    assert not is_complete(at)
    assert is_complete(at | {'markers': b''})


def test_what_every_snapshot_has_is_waited_for() -> None:
    at = messages(0)
    assert not is_complete(at, ['depth/image', 'truth/depth'])
    assert not is_complete(at | {'depth/image': b''}, ['depth/image', 'truth/depth'])
    assert is_complete(at | {'depth/image': b'', 'truth/depth': b''}, ['truth/depth'])


@pytest.mark.parametrize(
    ('encoding', 'pixel'), [('rgb8', [1, 2, 3]), ('bgr8', [3, 2, 1]), ('mono8', 7)]
)
def test_the_cameras_image_is_recorded_in_its_own_colours(encoding: str, pixel: object) -> None:
    pixels = np.empty((4, 6, 3) if encoding != 'mono8' else (4, 6), np.uint8)
    pixels[...] = pixel
    at = messages(0) | {'image': image_bytes(pixels, encoding=encoding, stamp=7, frame_id='c')}
    snapshot = snapshot_of(7, at, Camera.from_fov(6, 4, 1.0), prior_z=None)
    expected = [7, 7, 7] if encoding == 'mono8' else [1, 2, 3]
    np.testing.assert_array_equal(snapshot.image, np.tile(expected, (4, 6, 1)))


@pytest.mark.parametrize('missing', ['image', 'overlay', 'people'])
def test_incomplete(missing: str) -> None:
    at = messages(0)
    del at[missing]
    assert not is_complete(at)
