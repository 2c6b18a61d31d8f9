"""A running node under test and a probe that plays camera and listener, in one executor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from fakes import draw, FakePipeline
from lifecycle_msgs.srv import ChangeState
from metrichmsr_msgs.msg import PersonArray
import numpy as np
from rcl_interfaces.srv import SetParameters
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.ros.messages import to_header
from metrichmsr_ros.ros.node import MetricHmsrNode
from metrichmsr_ros.stamps import to_nanoseconds

WIDTH, HEIGHT, FRAME = 64, 48, 'camera'
RELIABLE = QoSProfile(depth=10)


def make_image(
    *, stamp: int, width: int = WIDTH, height: int = HEIGHT, frame: str = FRAME
) -> Image:
    message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
    message.header = to_header(stamp, frame)
    message.data = bytes(range(256)) * (3 * width * height // 256) + bytes(
        3 * width * height % 256
    )
    return message


def make_depth(pixels: np.ndarray, *, stamp: int, frame: str = FRAME) -> Image:
    encoding = {'uint16': '16UC1', 'float32': '32FC1'}[pixels.dtype.name]
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    message.step = pixels.strides[0]
    message.header = to_header(stamp, frame)
    message.data = pixels.tobytes()
    return message


def make_info(
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
    frame: str = FRAME,
    focal: float = 50.0,
    **more: Any,
) -> CameraInfo:
    k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    values = {'distortion_model': 'plumb_bob', 'd': [0.0] * 5, 'k': k, 'p': p, **more}
    return CameraInfo(width=width, height=height, header=to_header(0, frame), **values)


class Graph:
    """The node, its fake pipeline and a probe."""

    def __init__(self, build: Callable[[PipelineConfig], Any], **parameters: Any) -> None:
        self.executor = SingleThreadedExecutor()
        self.pipelines: list[Any] = []
        self._make = build
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = MetricHmsrNode(build=self._build, draw=draw, parameter_overrides=overrides)
        self.probe = rclpy.create_node('probe')
        self.executor.add_node(self.node)
        self.executor.add_node(self.probe)
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.image = self.probe.create_publisher(Image, 'image', RELIABLE)
        self.info = self.probe.create_publisher(CameraInfo, 'camera_info', RELIABLE)
        self.listen(DiagnosticArray, '/diagnostics')
        self.stamp = time.time_ns()

    @property
    def pipeline(self) -> Any:
        """The one that was built last."""
        return self.pipelines[-1]

    @property
    def people(self) -> list[PersonArray]:
        return self.received['metrichmsr/people']

    def listen(self, kind: type, topic: str, qos: QoSProfile = RELIABLE) -> Any:
        return self.probe.create_subscription(kind, topic, self.received[topic].append, qos)

    def listen_to_people(self) -> None:
        self.listen(PersonArray, 'metrichmsr/people')
        self.listen(TFMessage, '/tf')

    def spin_until(self, condition: Callable[[], Any], timeout: float = 30.0) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f'waited {timeout} s in vain; {self.status()}'
            self.executor.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def start(self, info: CameraInfo | None = None) -> None:
        """Wait until the node is active, matched and fed with a CameraInfo."""
        self.spin_until(lambda: self.state == 'active')
        self.spin_until(self._settled)
        if info is None:
            info = make_info()
        self.info.publish(info)
        self.spin_until(lambda: self.node._inputs.cameras.seen)

    def next_stamp(self) -> int:
        self.stamp += 50_000_000
        return self.stamp

    def send(self, image: Image | None = None) -> Image:
        """Publish an image, the next in time unless given."""
        image = image or make_image(stamp=self.next_stamp())
        self.image.publish(image)
        return image

    def expect(self, image: Image | None = None) -> PersonArray:
        """Publish an image and return the people of its stamp."""
        image = self.send(image)
        stamp = to_nanoseconds(image.header.stamp)
        self.spin_until(lambda: self._people_at(stamp))
        return self._people_at(stamp)[-1]

    def expect_nothing(self, image: Image | None, error: str) -> str:
        """Publish a bad image; return the text of the error that it raised, and no people."""
        before, count = len(self.people), self.errors().get(error, (0, ''))[0]
        self.send(image)
        self.spin_until(lambda: self.errors().get(error, (0, ''))[0] > count)
        text = self.errors()[error][1]
        self.spin_until(lambda: text in self.status().message)
        assert self.status().level == DiagnosticStatus.ERROR
        assert len(self.people) == before
        return text

    def errors(self) -> dict[str, tuple[int, str]]:
        return self.node._health.snapshot().errors

    def status(self) -> DiagnosticStatus:
        """The newest diagnostics."""
        reports = self.received['/diagnostics']
        return reports[-1].status[0] if reports else DiagnosticStatus(message='no diagnostics')

    @property
    def state(self) -> str:
        return self.node._state_machine.current_state[1]

    def close(self) -> None:
        if self.pipelines and isinstance(self.pipeline, FakePipeline):
            self.pipeline.gate.set()
        self.executor.shutdown()
        self.node.destroy_node()
        self.probe.destroy_node()

    def _build(self, config: PipelineConfig) -> Any:
        self.pipelines.append(self._make(config))
        return self.pipelines[-1]

    def _people_at(self, stamp: int) -> list[PersonArray]:
        return [m for m in self.people if to_nanoseconds(m.header.stamp) == stamp]

    def _settled(self) -> bool:
        """Whether publishers and subscribers have found each other with their final QoS."""
        inputs = self.node._inputs
        outputs = [topic for topic in self.received if topic.startswith('metrichmsr/')]
        return (
            all(s.qos.reliability == RELIABLE.reliability for s in (
                inputs._subscriptions['image'], inputs._subscriptions['camera_info']
            ))
            and self.image.get_subscription_count() == 1
            and self.info.get_subscription_count() == 1
            and all(self.probe.count_publishers(topic) for topic in outputs)
            and (not outputs or bool(self.node._outputs.wanted(self.node._server.read())))
        )  # fmt: skip


@contextmanager
def running(
    *, build: Callable[[PipelineConfig], Any] = FakePipeline, **parameters: Any
) -> Iterator[Graph]:
    graph = Graph(build, **parameters)
    try:
        yield graph
    finally:
        graph.close()


def call(graph: Graph, kind: type, name: str, request: object) -> object:
    client = graph.probe.create_client(kind, f'/metrichmsr/{name}')
    graph.spin_until(client.service_is_ready)
    future = client.call_async(request)
    graph.spin_until(future.done)
    graph.probe.destroy_client(client)
    return future.result()


def change_state(graph: Graph, label: str) -> bool:
    """Ask for a transition; return whether it succeeded."""
    numbers = {'configure': 1, 'cleanup': 2, 'activate': 3, 'deactivate': 4, 'shutdown': 7}
    return request_transition(graph, numbers[label], label)


def request_transition(graph: Graph, number: int, label: str = '') -> bool:
    """Ask for a transition by its number, as C++ programs do, or with its label as well."""
    request = ChangeState.Request()
    request.transition.id, request.transition.label = number, label
    return call(graph, ChangeState, 'change_state', request).success


def set_parameter(graph: Graph, name: str, value: object) -> tuple[bool, str]:
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    result = call(graph, SetParameters, 'set_parameters', request).results[0]
    return result.successful, result.reason
