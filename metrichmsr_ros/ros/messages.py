"""Typed results to ROS messages, the plain way."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, TransformStamped, Vector3
from metrichmsr_msgs.msg import Person, PersonArray
import numpy as np
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import DepthState, People, TrackState


def is_stamp(nanoseconds: int) -> bool:
    """Whether ROS can work with a stamp: rclpy refuses negative ones, messages have 31 bits."""
    return 0 <= nanoseconds < 2**31 * NS_PER_S


def to_header(stamp: int, frame_id: str) -> Header:
    """Return a header; ``stamp`` in nanoseconds."""
    seconds, nanoseconds = divmod(stamp, NS_PER_S)
    return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=frame_id)


def person_array(
    people: People,
    *,
    calibrated: bool,
    header: Header,
    depth_state: DepthState = DepthState.NONE,
) -> PersonArray:
    """Return ``~/people`` of one image."""
    orientations = _pelvis_quaternions(people)
    messages = [_person(people, i, orientations[i]) for i in range(len(people))]
    return PersonArray(
        header=header,
        body_model=people.body_model,
        calibrated=calibrated,
        depth_state=int(depth_state),
        people=messages,
    )


def pelvis_transforms(people: People, *, header: Header) -> list[TransformStamped]:
    """Return camera → ``pelvis_<id>`` of everybody but who is NEW: joint 0 and its rotation.

    A listener keeps every frame it has ever heard of, so what was a person for one image and then
    a coat on its hook has none.
    """
    transforms = []
    orientations = _pelvis_quaternions(people)
    for i, state in enumerate(people.states):
        if state != TrackState.NEW:
            message = TransformStamped(header=header, child_frame_id=f'pelvis_{people.ids[i]}')
            message.transform.translation = Vector3(**_xyz(people.pelvis[i]))
            _set_quaternion(message.transform.rotation, orientations[i])
            transforms.append(message)
    return transforms


def camera_info(camera: Camera, *, header: Header) -> CameraInfo:
    """Return the ``CameraInfo`` of images of ``camera``."""
    return CameraInfo(header=header, **camera.camera_info_values())


def _person(people: People, i: int, orientation: np.ndarray) -> Person:
    message = Person(
        id=people.ids[i],
        state=int(people.states[i]),
        score=float(people.scores[i]),
        box=people.boxes[i].astype(np.float32),
        pose=people.pose[i].astype(np.float32).reshape(-1),
        shape=people.shape[i].astype(np.float32),
        translation=people.translation[i].astype(np.float32),
        joints=[Point(x=x, y=y, z=z) for x, y, z in people.joints[i].tolist()],
        height=float(people.heights[i]),
        velocity=Vector3(**_xyz(people.velocities[i])),
    )
    covariance = np.full((6, 6), np.nan)
    covariance[:3, 3:] = covariance[3:, :3] = 0.0
    covariance[:3, :3] = people.pelvis_covariance[i]
    message.pelvis.covariance = covariance.reshape(-1)
    message.pelvis.pose.position = Point(**_xyz(people.pelvis[i]))
    _set_quaternion(message.pelvis.pose.orientation, orientation)
    return message


def _pelvis_quaternions(people: People) -> np.ndarray:
    """Rotation of joint 0 as x, y, z, w, (N, 4) float64."""
    return Rotation.from_rotvec(people.pose[:, 0].astype(np.float64)).as_quat()


def _xyz(vector: np.ndarray) -> dict[str, float]:
    return dict(zip('xyz', vector.tolist(), strict=True))


def _set_quaternion(message: object, orientation: np.ndarray) -> None:
    for name, value in zip('xyzw', orientation.tolist(), strict=True):
        setattr(message, name, value)
