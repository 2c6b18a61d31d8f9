"""One side of the two-process tests in test_middleware.py; its role is the argument."""

import array
import sys

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def camera(node: Node) -> None:
    """Publish images until ended."""
    publisher = node.create_publisher(Image, 'image', BEST_EFFORT)
    image = Image(height=720, width=1280, encoding='rgb8', step=3840)
    image.data = array.array('B', bytes(720 * 3840))
    node.create_timer(1 / 20, lambda: publisher.publish(image))
    rclpy.spin(node)


def viewer(node: Node) -> None:
    """Wait for thirty images."""
    received: list[Image] = []
    node.create_subscription(Image, 'image', received.append, BEST_EFFORT)
    while len(received) < 30:
        rclpy.spin_once(node)
    sys.stdout.write(f'30 images of {received[-1].width}x{received[-1].height}\n')


def server(node: Node) -> None:
    """Publish texts and answer a service until ended."""

    def switch(_: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.message = 'switched'
        return response

    publisher = node.create_publisher(String, 'text', 1)
    node.create_timer(0.1, lambda: publisher.publish(String(data='text')))
    node.create_service(SetBool, 'switch', switch)
    rclpy.spin(node)


def client(node: Node) -> None:
    """Wait for a text and an answer."""
    texts: list[String] = []
    node.create_subscription(String, 'text', texts.append, 1)
    caller = node.create_client(SetBool, 'switch')
    caller.wait_for_service()
    answer = caller.call_async(SetBool.Request(data=True))
    while not (texts and answer.done()):
        rclpy.spin_once(node)
    sys.stdout.write(f'heard: {texts[0].data}, answered: {answer.result().message}\n')


if __name__ == '__main__':
    rclpy.init()
    role = {'camera': camera, 'viewer': viewer, 'server': server, 'client': client}[sys.argv[1]]
    role(rclpy.create_node(sys.argv[1]))
