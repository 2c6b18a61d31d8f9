"""The contract that the node needs of tf2_ros, ours or upstream's."""

from collections.abc import Iterator

from geometry_msgs.msg import TransformStamped
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage
import tf2_ros

pytestmark = [pytest.mark.ros, pytest.mark.smoke]


def transform(child: str, x: float = 0.0) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = 'camera'
    message.transform.translation.x = x
    return message


@pytest.fixture
def node() -> Iterator[Node]:
    rclpy.init()
    node = rclpy.create_node('broadcaster')
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


class Listener:
    """Children in every message of a topic."""

    def __init__(self, node: Node, topic: str, qos: QoSProfile):
        self.received: list[list[str]] = []
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self.subscription = node.create_subscription(TFMessage, topic, self._listen, qos)

    def _listen(self, message: TFMessage) -> None:
        self.received.append([item.child_frame_id for item in message.transforms])

    def spin(self, condition) -> None:
        for _ in range(200):
            if condition():
                return
            self._executor.spin_once(timeout_sec=0.05)
        raise AssertionError(f'waited in vain, got {self.received}')


def test_one_or_several_transforms_are_one_message(node: Node):
    broadcaster = tf2_ros.TransformBroadcaster(node)
    listener = Listener(node, '/tf', QoSProfile(depth=100))
    listener.spin(lambda: node.count_subscribers('/tf'))
    a, b = transform('pelvis_aaaaa'), transform('pelvis_bbbbb')

    for message in (a, [a, b], (b, a), []):
        broadcaster.sendTransform(message)
    listener.spin(lambda: len(listener.received) == 4)

    names = ['pelvis_aaaaa', 'pelvis_bbbbb']
    assert listener.received == [names[:1], names, names[::-1], []]


def test_tf_is_reliable_volatile_and_deep(node: Node):
    tf2_ros.TransformBroadcaster(node)

    (info,) = node.get_publishers_info_by_topic('/tf')

    assert info.qos_profile.durability == DurabilityPolicy.VOLATILE
    assert info.topic_type == 'tf2_msgs/msg/TFMessage'


def test_static_transforms_reach_who_comes_late(node: Node):
    broadcaster = tf2_ros.StaticTransformBroadcaster(node)
    broadcaster.sendTransform(transform('base'))
    broadcaster.sendTransform([transform('camera_link'), transform('base')])

    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    listener = Listener(node, '/tf_static', latched)
    listener.spin(lambda: listener.received)

    assert listener.received == [['base', 'camera_link']]
