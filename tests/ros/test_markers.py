import itertools

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from metrichmsr_ros.ros.markers import marker_id, MeshMarkers
from metrichmsr_ros.ros.messages import to_header
from metrichmsr_ros.visualization import id_color

pytestmark = pytest.mark.ros

STAMP = 12_000_000_345
FACES = np.array([[0, 1, 2], [2, 1, 3]])


def plain_marker(person: str, mesh: np.ndarray, *, action: int, lifetime: float) -> Marker:
    marker = Marker(ns='people', id=marker_id(person), type=Marker.TRIANGLE_LIST, action=action)
    marker.header = to_header(STAMP, 'cam')
    marker.pose.orientation.w = 1.0
    marker.scale = Vector3(x=1.0, y=1.0, z=1.0)
    r, g, b = (channel / 255 for channel in id_color(person))
    marker.color = ColorRGBA(r=r, g=g, b=b, a=1.0)
    marker.lifetime = Duration(sec=int(lifetime), nanosec=round(lifetime % 1 * 1e9))
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in mesh[FACES.reshape(-1)].tolist()]
    return marker


def written(markers: MeshMarkers, meshes: np.ndarray, *ids: str) -> MarkerArray:
    data = markers.bytes(meshes, ids, stamp=STAMP, frame_id='cam', lifetime=0.5)
    return deserialize_message(data, MarkerArray)


def assert_equal(received: Marker, expected: Marker) -> None:
    # Colours are float32 on the wire.
    np.testing.assert_allclose(
        [received.color.r, received.color.g, received.color.b],
        [expected.color.r, expected.color.g, expected.color.b],
        atol=1e-6,
    )
    expected.color = received.color
    assert received == expected


def test_equals_the_messages_built_the_plain_way() -> None:
    meshes = np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32)
    ids = ('abcde', 'zzzzz', 'kfxqa')
    array = written(MeshMarkers(FACES), meshes, *ids)
    assert len(array.markers) == 3
    for marker, person, mesh in zip(array.markers, ids, meshes, strict=True):
        assert_equal(marker, plain_marker(person, mesh, action=Marker.ADD, lifetime=0.5))


def test_lost_people_are_deleted_once() -> None:
    markers = MeshMarkers(FACES)
    meshes = np.ones((2, 4, 3), np.float32)
    written(markers, meshes, 'abcde', 'fghij')
    second = written(markers, meshes[:1], 'fghij').markers
    assert [(m.id, m.action, len(m.points)) for m in second] == [
        (marker_id('fghij'), Marker.ADD, 6),
        (marker_id('abcde'), Marker.DELETE, 0),
    ]
    assert [m.action for m in written(markers, meshes[:1], 'fghij').markers] == [Marker.ADD]
    assert [m.action for m in written(markers, meshes[:0]).markers] == [Marker.DELETE]
    assert written(markers, meshes[:0]).markers == []


def test_a_mesh_that_is_not_finite_is_left_out() -> None:
    meshes = np.ones((2, 4, 3), np.float32)
    meshes[0, 3, 1] = np.nan
    array = written(MeshMarkers(FACES), meshes, 'abcde', 'fghij')
    assert [m.id for m in array.markers] == [marker_id('fghij')]


def test_marker_ids_fit_and_never_collide() -> None:
    ids = [''.join(letters) for n in (1, 2, 3) for letters in itertools.product('abz', repeat=n)]
    assert len({marker_id(person) for person in ids}) == len(ids)
    assert 0 < marker_id('zzzzzz') < 2**31
    for bad in ('', 'Abcde', 'abc1e', 'abcdefg', 'äbcde'):
        with pytest.raises(ValueError, match='one to six letters'):
            marker_id(bad)
