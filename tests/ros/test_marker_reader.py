import numpy as np
import pytest
from rclpy.serialization import serialize_message
from visualization_msgs.msg import Marker, MarkerArray

from metrichmsr_ros.ros.marker_reader import read_meshes
from metrichmsr_ros.ros.markers import MeshMarkers

pytestmark = pytest.mark.ros

FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_reads_what_the_node_writes():
    vertices = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    written = MeshMarkers(FACES).bytes(
        vertices, ('abcde', 'fghij'), lifetime=0.5, stamp=5, frame_id='camera'
    )
    meshes = read_meshes(written)
    assert len(meshes) == 2
    for mesh, expected in zip(meshes, vertices, strict=True):
        np.testing.assert_allclose(mesh.corners, expected[FACES].reshape(-1, 3))
        assert len(mesh.color) == 3


def test_reads_what_rclpy_writes_and_skips_other_markers():
    triangle = Marker(type=Marker.TRIANGLE_LIST, id=7, ns='odd')
    triangle.color.g = 0.5
    triangle.points = [type(triangle.pose.position)(x=float(i), y=2.0, z=3.0) for i in range(3)]
    others = [Marker(type=Marker.SPHERE, ns='a'), Marker(action=Marker.DELETE)]
    data = serialize_message(MarkerArray(markers=[others[0], triangle, others[1]]))
    (mesh,) = read_meshes(data)
    assert mesh.id == 7
    assert mesh.color == (0.0, 0.5, 0.0)
    np.testing.assert_array_equal(mesh.corners, [[0, 2, 3], [1, 2, 3], [2, 2, 3]])


def test_nobody():
    assert read_meshes(serialize_message(MarkerArray())) == []
