"""The contract that the node's users and tests need of sensor_msgs_py, ours or upstream's."""

import numpy as np
import pytest
from sensor_msgs.msg import PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header

pytestmark = [pytest.mark.ros, pytest.mark.smoke]

XYZ = [
    PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
    for i, name in enumerate('xyz')
]
COLOURED = [*XYZ, PointField(name='rgb', offset=16, datatype=PointField.UINT32, count=1)]


def test_a_cloud_of_an_array_is_read_back():
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)

    cloud = point_cloud2.create_cloud(Header(frame_id='camera'), XYZ, points)

    assert cloud.header.frame_id == 'camera'
    assert (cloud.width, cloud.height, cloud.point_step, cloud.row_step) == (50, 1, 12, 600)
    assert not cloud.is_bigendian
    np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud), points)


def test_a_structured_array_keeps_types_and_gaps():
    dtype = point_cloud2.dtype_from_fields(COLOURED, point_step=32)
    points = np.zeros(4, dtype)
    points['z'], points['rgb'] = [1, 2, 3, 4], [0xFF0000, 0x00FF00, 0x0000FF, 0xFFFFFF]

    cloud = point_cloud2.create_cloud(Header(), COLOURED, points, point_step=32)
    read = point_cloud2.read_points(cloud, field_names=['z', 'rgb'])

    assert (cloud.point_step, len(cloud.data)) == (32, 128)
    assert read.dtype.names == ('z', 'rgb')
    np.testing.assert_array_equal(read['rgb'], points['rgb'])


def test_a_list_of_points_will_do():
    cloud = point_cloud2.create_cloud_xyz32(Header(), [(1, 2, 3), (4, 5, 6)])

    np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud), [[1, 2, 3], [4, 5, 6]])


def test_nan_points_are_skipped_on_request():
    points = np.array([[1, 2, 3], [np.nan, 0, 1], [4, 5, 6]], np.float32)
    cloud = point_cloud2.create_cloud_xyz32(Header(), points)

    assert len(point_cloud2.read_points(cloud)) == 3
    read = point_cloud2.read_points_numpy(cloud, skip_nans=True)

    np.testing.assert_array_equal(read, points[[0, 2]])


def test_chosen_points_are_read():
    cloud = point_cloud2.create_cloud_xyz32(Header(), np.eye(3, dtype=np.float32))

    read = point_cloud2.read_points_numpy(cloud, field_names=['z'], uvs=[2, 0])

    np.testing.assert_array_equal(read, [[1], [0]])


def test_a_field_of_several_values_becomes_several_fields():
    fields = [PointField(name='normal', offset=0, datatype=PointField.FLOAT32, count=3)]

    assert point_cloud2.dtype_from_fields(fields).names == ('normal_0', 'normal_1', 'normal_2')


def test_big_endian_data_is_understood():
    cloud = point_cloud2.create_cloud_xyz32(Header(), [(1, 2, 3)])
    cloud.data = np.array([1, 2, 3], '>f4').tobytes()
    cloud.is_bigendian = True

    np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud), [[1, 2, 3]])


def test_an_unknown_field_is_refused():
    cloud = point_cloud2.create_cloud_xyz32(Header(), [(1, 2, 3)])

    with pytest.raises(AssertionError):
        point_cloud2.read_points(cloud, field_names=['intensity'])


def test_an_array_of_another_type_is_refused():
    with pytest.raises(AssertionError):
        point_cloud2.create_cloud(
            Header(), XYZ, np.zeros(3, point_cloud2.dtype_from_fields(COLOURED))
        )
