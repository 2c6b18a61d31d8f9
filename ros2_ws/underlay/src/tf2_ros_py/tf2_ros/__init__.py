"""Broadcasters of transforms, after the API of ros2/geometry2 (package tf2_ros_py)."""

from __future__ import annotations

from collections.abc import Iterable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

Transforms = TransformStamped | Iterable[TransformStamped]


class TransformBroadcaster:
    """Sends transforms on ``/tf``."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        self.pub_tf = node.create_publisher(
            TFMessage, '/tf', QoSProfile(depth=100) if qos is None else qos
        )

    def sendTransform(self, transform: Transforms) -> None:  # noqa: N802
        """Send one transform, or several in one message."""
        self.pub_tf.publish(TFMessage(transforms=_as_list(transform)))


class StaticTransformBroadcaster:
    """Sends transforms on ``/tf_static``; who joins later gets all that were ever sent."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        latched = QoSProfile(
            depth=1,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
            history=HistoryPolicy.KEEP_LAST,
        )
        self.pub_tf = node.create_publisher(
            TFMessage, '/tf_static', latched if qos is None else qos
        )
        self._sent: dict[str, TransformStamped] = {}

    def sendTransform(self, transform: Transforms) -> None:  # noqa: N802
        """Send one transform or several; the first of each child frame is the one that counts."""
        for item in _as_list(transform):
            self._sent.setdefault(item.child_frame_id, item)
        self.pub_tf.publish(TFMessage(transforms=list(self._sent.values())))


def _as_list(transform: Transforms) -> list[TransformStamped]:
    return [transform] if isinstance(transform, TransformStamped) else list(transform)
