from itertools import product
import time

from graph import RELIABLE as TEN_DEEP
import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from metrichmsr_ros.ros.subscriptions import AdaptiveSubscription, matching_qos

pytestmark = pytest.mark.ros

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
VOLATILE, LATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL


def offer(reliability: ReliabilityPolicy, durability: DurabilityPolicy = VOLATILE) -> QoSProfile:
    return QoSProfile(depth=7, reliability=reliability, durability=durability)


def test_best_effort_and_volatile_until_a_publisher_is_seen() -> None:
    qos = matching_qos([])
    assert (qos.depth, qos.reliability, qos.durability) == (1, BEST_EFFORT, VOLATILE)


def test_asks_for_the_strongest_that_everybody_offers() -> None:
    offers = [offer(r, d) for r, d in product((RELIABLE, BEST_EFFORT), (VOLATILE, LATCHED))]
    for some in (offers[:1], offers[1:2], offers[2:3], offers[:2], offers[1:3], offers):
        qos = matching_qos(some)
        assert qos.depth == 1
        assert (qos.reliability == RELIABLE) == all(o.reliability == RELIABLE for o in some)
        assert (qos.durability == LATCHED) == all(o.durability == LATCHED for o in some)


def test_a_forced_reliability_stays() -> None:
    assert matching_qos([offer(RELIABLE)], BEST_EFFORT).reliability == BEST_EFFORT
    assert matching_qos([offer(BEST_EFFORT)], RELIABLE).reliability == RELIABLE
    assert matching_qos([], RELIABLE).reliability == RELIABLE


def test_follows_a_publisher_that_returns_with_another_qos(context: None) -> None:
    node, camera = rclpy.create_node('listener'), rclpy.create_node('camera')
    received: list[Image] = []
    subscription = AdaptiveSubscription(node, Image, '/image', received.append)
    assert subscription.publishers() == 0
    assert not subscription.refresh()
    for qos in (TEN_DEEP, offer(BEST_EFFORT), TEN_DEEP):
        publisher = camera.create_publisher(Image, '/image', qos)
        wait(lambda: subscription.publishers() == 1)
        assert subscription.refresh()
        assert subscription.qos.reliability == qos.reliability
        assert not subscription.refresh()
        wait(lambda publisher=publisher: publisher.get_subscription_count() == 1)
        received.clear()
        publisher.publish(Image(width=5))
        wait(lambda: received or rclpy.spin_once(node, timeout_sec=0.01))
        assert received[0].width == 5
        camera.destroy_publisher(publisher)
        wait(lambda: subscription.publishers() == 0)
        assert not subscription.refresh()  # nobody there: nothing to follow
    subscription.destroy()
    camera.destroy_node()
    node.destroy_node()


def wait(condition: object) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
