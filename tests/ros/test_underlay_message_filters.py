"""The contract that the node needs of message_filters, ours or upstream's."""

import message_filters
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

pytestmark = [pytest.mark.ros, pytest.mark.smoke]


def image(milliseconds: int) -> Image:
    message = Image()
    message.header.stamp.sec = milliseconds // 1000
    message.header.stamp.nanosec = milliseconds % 1000 * 1_000_000
    return message


def stamps(messages: tuple) -> list[int]:
    return [m.header.stamp.sec * 1000 + m.header.stamp.nanosec // 1_000_000 for m in messages]


class Pair:
    """Two inputs of a synchronizer and what came out, as stamps in milliseconds."""

    def __init__(self, kind: type, *args, **kwargs):
        self.colour, self.depth = message_filters.SimpleFilter(), message_filters.SimpleFilter()
        self.output: list[list[int]] = []
        synchronizer = kind([self.colour, self.depth], *args, **kwargs)
        synchronizer.registerCallback(lambda *messages: self.output.append(stamps(messages)))


def test_callbacks_get_the_message_and_their_own_arguments():
    source, calls = message_filters.SimpleFilter(), []
    assert source.registerCallback(lambda *args: calls.append(args), 'colour') == 0
    assert source.registerCallback(lambda *args: calls.append(args)) == 1

    source.signalMessage('message')

    assert calls == [('message', 'colour'), ('message',)]


def test_equal_stamps_are_paired_in_the_order_of_the_inputs():
    pair = Pair(message_filters.TimeSynchronizer, 10)
    pair.depth.signalMessage(image(20))
    pair.colour.signalMessage(image(10))
    assert pair.output == []

    pair.colour.signalMessage(image(20))
    pair.depth.signalMessage(image(10))

    assert pair.output == [[20, 20], [10, 10]]


def test_a_full_queue_forgets_the_oldest():
    pair = Pair(message_filters.TimeSynchronizer, 2)
    for stamp in (10, 20, 30):
        pair.colour.signalMessage(image(stamp))

    for stamp in (10, 20, 30):
        pair.depth.signalMessage(image(stamp))

    assert pair.output == [[20, 20], [30, 30]]


def test_the_nearest_stamp_within_the_slop_is_taken():
    pair = Pair(message_filters.ApproximateTimeSynchronizer, 10, 0.05)
    for stamp in (100, 130, 145):
        pair.depth.signalMessage(image(stamp))

    pair.colour.signalMessage(image(135))

    assert pair.output == [[135, 130]]


def test_a_message_is_used_once():
    pair = Pair(message_filters.ApproximateTimeSynchronizer, 10, 0.05)
    pair.depth.signalMessage(image(100))
    pair.colour.signalMessage(image(110))
    pair.colour.signalMessage(image(120))

    pair.depth.signalMessage(image(130))

    assert pair.output == [[110, 100], [120, 130]]


@pytest.mark.parametrize('distance', [50, 51, 1000])
def test_stamps_as_far_apart_as_the_slop_are_not_paired(distance: int):
    pair = Pair(message_filters.ApproximateTimeSynchronizer, 10, 0.05)
    pair.depth.signalMessage(image(1000))

    pair.colour.signalMessage(image(1000 + distance))
    pair.colour.signalMessage(image(1000 - distance))

    assert pair.output == []


def test_stamps_that_jump_back_are_paired_again():
    pair = Pair(message_filters.ApproximateTimeSynchronizer, 10, 0.05)
    for stamp in (5000, 1000):
        pair.depth.signalMessage(image(stamp))
        pair.colour.signalMessage(image(stamp + 10))

    assert pair.output == [[5010, 5000], [1010, 1000]]


def test_a_message_without_header_is_dropped():
    pair = Pair(message_filters.ApproximateTimeSynchronizer, 10, 0.05)
    pair.depth.signalMessage(image(1000))

    pair.colour.signalMessage(String())

    assert pair.output == []


def test_a_subscriber_is_a_subscription_and_a_filter():
    rclpy.init()
    try:
        node, executor = rclpy.create_node('listener'), SingleThreadedExecutor()
        executor.add_node(node)
        publisher = node.create_publisher(CameraInfo, 'camera_info', 1)
        subscriber = message_filters.Subscriber(
            node, CameraInfo, 'camera_info', qos_profile=qos_profile_sensor_data
        )
        received: list[CameraInfo] = []
        subscriber.registerCallback(received.append)
        assert subscriber.getTopic() == 'camera_info'
        assert subscriber.sub.qos_profile.reliability == qos_profile_sensor_data.reliability

        for _ in range(200):
            publisher.publish(CameraInfo(width=7))
            executor.spin_once(timeout_sec=0.05)
            if received:
                break

        assert received[0].width == 7
        assert node.destroy_subscription(subscriber.sub)
    finally:
        rclpy.try_shutdown()
