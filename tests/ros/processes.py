"""Other processes of a graph, as scripts: a camera, and a listener without our DDS profile."""

from __future__ import annotations

import os
import sys
import time

from lifecycle_msgs.srv import GetState
from metrichmsr_msgs.msg import PersonArray
import rclpy  # first: where rclpy comes as wheels it starts this process once more
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image


def camera() -> None:
    """Publish 640x480 at 20 Hz until killed."""
    from graph import make_image, make_info

    from metrichmsr_ros.ros.middleware import use_fastdds_profile

    use_fastdds_profile()
    rclpy.init()
    node = Node('camera')
    image = make_image(stamp=0, width=640, height=480)
    info = make_info(width=640, height=480, focal=500.0)
    images = node.create_publisher(Image, 'image', 1)
    infos = node.create_publisher(CameraInfo, 'camera_info', 1)

    def publish() -> None:
        image.header.stamp = info.header.stamp = node.get_clock().now().to_msg()
        infos.publish(info)
        images.publish(image)

    node.create_timer(0.05, publish)
    rclpy.spin(node)


def listener() -> None:
    """Print the lifecycle state and a line per message of ~/people, as a stock process sees it."""
    assert not any('DEFAULT_PROFILES_FILE' in name for name in os.environ)
    rclpy.init()
    node = Node('listener')
    client = node.create_client(GetState, '/metrichmsr/get_state')
    assert client.wait_for_service(60)
    future = client.call_async(GetState.Request())
    rclpy.spin_until_future_complete(node, future, timeout_sec=30)
    sys.stdout.write(f'state {future.result().current_state.label}\n')
    received: list[PersonArray] = []
    node.create_subscription(PersonArray, '/metrichmsr/people', received.append, 1)
    end = time.monotonic() + 30
    while len(received) < 5 and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    for message in received:
        sys.stdout.write(f'people {len(message.people)}\n')
    rclpy.shutdown()


if __name__ == '__main__':
    {'camera': camera, 'listener': listener}[sys.argv[1]]()
