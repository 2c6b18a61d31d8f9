"""NumPy arrays to and from PointCloud2, after the API of ros2/common_interfaces."""

from __future__ import annotations

import array
from collections.abc import Iterable, Sequence
import sys

import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured, unstructured_to_structured
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

_DATATYPES = {
    PointField.INT8: np.dtype(np.int8),
    PointField.UINT8: np.dtype(np.uint8),
    PointField.INT16: np.dtype(np.int16),
    PointField.UINT16: np.dtype(np.uint16),
    PointField.INT32: np.dtype(np.int32),
    PointField.UINT32: np.dtype(np.uint32),
    PointField.FLOAT32: np.dtype(np.float32),
    PointField.FLOAT64: np.dtype(np.float64),
}


def dtype_from_fields(fields: Iterable[PointField], point_step: int | None = None) -> np.dtype:
    """Return the structured type of one point (a field of count > 1 becomes ``name_0``, …)."""
    names, formats, offsets = [], [], []
    for number, item in enumerate(fields):
        datatype = _DATATYPES[item.datatype]
        name = item.name or f'unnamed_field_{number}'
        for i in range(item.count):
            names.append(name if item.count == 1 else f'{name}_{i}')
            formats.append(datatype)
            offsets.append(item.offset + i * datatype.itemsize)
    layout: dict = {'names': names, 'formats': formats, 'offsets': offsets}
    if point_step is not None:
        layout['itemsize'] = point_step
    return np.dtype(layout)


def read_points(
    cloud: PointCloud2,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | None = None,
    reshape_organized_cloud: bool = False,
) -> np.ndarray:
    """Return the points as a structured array, (N,), a view of the message where possible.

    Raises:
        AssertionError: A name in ``field_names`` is not a field of the cloud.
    """
    points = np.ndarray(
        cloud.width * cloud.height,
        dtype_from_fields(cloud.fields, cloud.point_step),
        buffer=cloud.data,
    )
    if field_names is not None:
        missing = set(field_names) - set(points.dtype.names)
        assert not missing, f'the cloud has no field {sorted(missing)}'
        points = points[list(field_names)]
    if cloud.is_bigendian != (sys.byteorder == 'big'):
        points = points.byteswap()
    if skip_nans and not cloud.is_dense:
        points = points[~np.any([np.isnan(points[name]) for name in points.dtype.names], axis=0)]
    if uvs is not None:
        points = points[np.fromiter(uvs, int)]
    if reshape_organized_cloud and cloud.height > 1:
        points = points.reshape(cloud.width, cloud.height)
    return points


def read_points_numpy(
    cloud: PointCloud2,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | None = None,
    reshape_organized_cloud: bool = False,
) -> np.ndarray:
    """Return equally typed fields as a plain array, (N, fields)."""
    return structured_to_unstructured(
        read_points(cloud, field_names, skip_nans, uvs, reshape_organized_cloud)
    )


def create_cloud(
    header: Header,
    fields: Sequence[PointField],
    points: Iterable,
    point_step: int | None = None,
) -> PointCloud2:
    """Return a cloud of ``points``: rows of values, (N, fields), or a structured array.

    Raises:
        AssertionError: A structured array whose type is not that of ``fields``, or a plain array
            for fields of different types.
    """
    dtype = dtype_from_fields(fields, point_step)
    if not isinstance(points, np.ndarray):
        points = np.array([tuple(point) for point in points], dtype)
    elif points.dtype.names is None:
        assert len({item.datatype for item in fields}) == 1, 'the fields differ in their type'
        points = unstructured_to_structured(points, dtype)
    assert points.dtype == dtype, f'points are {points.dtype}, fields say {dtype}'
    width, height = points.shape if points.ndim == 2 else (len(points), 1)
    cloud = PointCloud2(
        header=header,
        height=height,
        width=width,
        is_dense=False,
        is_bigendian=sys.byteorder == 'big',
        fields=fields,
        point_step=dtype.itemsize,
        row_step=dtype.itemsize * width,
    )
    # an array('B') is the one type that the setter takes without looking at every byte
    data = array.array('B')
    data.frombytes(points.tobytes())
    cloud.data = data
    return cloud


def create_cloud_xyz32(header: Header, points: Iterable) -> PointCloud2:
    """Return a cloud of float32 x, y, z in metres."""
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate('xyz')
    ]
    return create_cloud(header, fields, points)
