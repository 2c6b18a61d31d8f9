"""The topics that the monitor listens to, and their serialised messages as values."""

from __future__ import annotations

from collections.abc import Collection
import struct

from diagnostic_msgs.msg import DiagnosticStatus
from metrichmsr_msgs.msg import PersonArray
import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from metrichmsr_ros.data.image_messages import decode_depth, view
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.ros.diagnostics import STAGE
from metrichmsr_ros.ros.images import decode_rgb
from metrichmsr_ros.ros.marker_reader import read_meshes
from metrichmsr_ros.ros.monitor_statistics import PeopleAt
from metrichmsr_ros.ros.snapshot import Snapshot
from metrichmsr_ros.stamps import NS_PER_S

# Topic: its type, and where the stamp lies in the serialised message (behind a count if the
# message is an array without a header of its own).
INPUTS: dict[str, tuple[type, int]] = {'image': (Image, 4)}
RESULTS: dict[str, tuple[type, int]] = {
    'people': (PersonArray, 4),
    'markers': (MarkerArray, 8),
    'tf': (TFMessage, 8),
    'depth/image_rect': (Image, 4),
    'depth/camera_info': (CameraInfo, 4),
    'depth/image': (Image, 4),
    'points': (PointCloud2, 4),
    'overlay': (Image, 4),
}
TRUTH: dict[str, tuple[type, int]] = {
    'truth/people': (PersonArray, 4),
    'truth/depth': (Image, 4),
}


def stamp_of(data: bytes, offset: int) -> int | None:
    """Return the stamp at ``offset`` in nanoseconds; None for an array of nothing."""
    if len(data) < offset + 8:
        return None
    seconds, nanoseconds = struct.unpack_from('<iI', data, offset)
    return seconds * NS_PER_S + nanoseconds


def to_array(data: bytes) -> np.ndarray:
    """Return the pixels of a serialised ``sensor_msgs/Image``."""
    return view(deserialize_message(data, Image))


def to_depth(data: bytes) -> np.ndarray:
    """Return a serialised depth ``sensor_msgs/Image`` in metres, (H, W), NaN where unknown."""
    return decode_depth(deserialize_message(data, Image))


def people_at(data: bytes) -> PeopleAt:
    """Return ids, boxes and pelvises of a serialised ``PersonArray``."""
    people = deserialize_message(data, PersonArray).people
    points = [person.pelvis.pose.position for person in people]
    return PeopleAt(
        ids=tuple(person.id for person in people),
        boxes=np.array([person.box for person in people]).reshape(-1, 4),
        pelvis=np.array([(p.x, p.y, p.z) for p in points]).reshape(-1, 3),
    )


def stages_of(status: DiagnosticStatus) -> dict[str, float]:
    """Return the milliseconds of each stage, as the node tells them."""
    return {
        value.key.removeprefix(STAGE).removesuffix(' (ms)'): float(value.value)
        for value in status.values
        if value.key.startswith(STAGE)
    }


def is_complete(at: dict[str, bytes], also: Collection[str] = ()) -> bool:
    """Whether the messages of one stamp make a snapshot.

    Markers are asked for only with people: an array of none has no stamp to be found by.

    Args:
        at: By name.
        also: Names that every snapshot has, so that pictures do not change from one to the next
            where a busy machine drops some of their messages.
    """
    if not {'image', 'overlay', 'people', *also} <= set(at):
        return False
    return 'markers' in at or not deserialize_message(at['people'], PersonArray).people


def snapshot_of(
    stamp: int, at: dict[str, bytes], camera: Camera, *, prior_z: np.ndarray | None
) -> Snapshot:
    """Return the messages of one stamp as arrays, with a prior that no topic carries.

    Raises:
        ImageError: An image cannot be decoded.
    """
    people = deserialize_message(at['people'], PersonArray).people
    turns = [person.pelvis.pose.orientation for person in people]
    joints = [[(j.x, j.y, j.z) for j in person.joints] for person in people]
    return Snapshot(
        stamp=stamp,
        image=decode_rgb(deserialize_message(at['image'], Image)),
        overlay=to_array(at['overlay']),
        camera=camera,
        depth_z=to_depth(at['depth/image']) if 'depth/image' in at else None,
        prior_z=prior_z,
        true_z=to_depth(at['truth/depth']) if 'truth/depth' in at else None,
        ids=tuple(person.id for person in people),
        joints=np.array(joints).reshape(-1, 24, 3),
        orientations=np.array([(q.x, q.y, q.z, q.w) for q in turns]).reshape(-1, 4),
        meshes=tuple(read_meshes(at['markers'])) if 'markers' in at else (),
    )
