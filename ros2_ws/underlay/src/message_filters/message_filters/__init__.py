"""Pairing of messages by their stamps, after the API of ros2/message_filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
import threading
from typing import Any

from rclpy.clock import ROSClock
from rclpy.duration import Duration
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.time import Time


class SimpleFilter:
    """Something with callbacks."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable, tuple]] = {}

    def registerCallback(self, cb: Callable, *args: Any) -> int:  # noqa: N802
        """Call ``cb(*messages, *args)`` for every output; return the connection's number."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802
        """Pass an output to everybody who registered."""
        for cb, args in self.callbacks.values():
            cb(*msg, *args)


class Subscriber(SimpleFilter):
    """A subscription as a filter; the arguments are those of ``Node.create_subscription``.

    The subscription itself is the attribute ``sub``.
    """

    def __init__(self, node: Node, msg_type: type, topic: str, **kwargs: Any) -> None:
        super().__init__()
        self.node = node
        self.topic = topic
        kwargs.setdefault('qos_profile', 10)
        self.sub = node.create_subscription(msg_type, topic, self.callback, **kwargs)

    def callback(self, msg: Any) -> None:
        """Take a message from the subscription."""
        self.signalMessage(msg)

    def getTopic(self) -> str:  # noqa: N802
        """Return the topic as it was given."""
        return self.topic


class TimeSynchronizer(SimpleFilter):
    """Outputs one message of every input when their stamps are equal.

    Args:
        fs: Input filters.
        queue_size: How many unpaired messages of each input are remembered.
    """

    def __init__(self, fs: Sequence[SimpleFilter], queue_size: int) -> None:
        super().__init__()
        self.queue_size = queue_size
        self.lock = threading.Lock()
        self.queues: list[dict[int, Any]] = [{} for _ in fs]
        self.input_connections = [
            f.registerCallback(self.add, queue, index)
            for index, (f, queue) in enumerate(zip(fs, self.queues, strict=True))
        ]

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int | None = None) -> None:
        """Take a message of one input."""
        with self.lock:
            self._remember(msg, Time.from_msg(msg.header.stamp).nanoseconds, my_queue)
            for stamp in sorted(set.intersection(*map(set, self.queues))):
                self._output([stamp] * len(self.queues))

    def _remember(self, msg: Any, stamp: int, queue: dict[int, Any]) -> None:
        queue[stamp] = msg
        while len(queue) > self.queue_size:
            del queue[min(queue)]

    def _output(self, stamps: Sequence[int]) -> None:
        pairs = list(zip(self.queues, stamps, strict=True))
        self.signalMessage(*(queue[stamp] for queue, stamp in pairs))
        for queue, stamp in pairs:
            del queue[stamp]


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Outputs one message of every input when their stamps differ by less than ``slop``.

    Args:
        fs: Input filters.
        queue_size: How many unpaired messages of each input are remembered.
        slop: Largest difference of stamps, seconds.
        allow_headerless: Stamp messages without a header with the time of their arrival; else
            they are dropped with a warning.
    """

    def __init__(
        self,
        fs: Sequence[SimpleFilter],
        queue_size: int,
        slop: float,
        allow_headerless: bool = False,
    ) -> None:
        super().__init__(fs, queue_size)
        self.slop = Duration(seconds=slop)
        self.allow_headerless = allow_headerless

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int | None = None) -> None:
        """Take a message of one input."""
        if hasattr(msg, 'header'):
            now = Time.from_msg(msg.header.stamp).nanoseconds
        elif self.allow_headerless:
            now = ROSClock().now().nanoseconds
        else:
            get_logger('message_filters_approx').warning(
                'a message without header is dropped: allow_headerless is off'
            )
            return
        slop = self.slop.nanoseconds
        with self.lock:
            self._remember(msg, now, my_queue)
            near = [
                [now]
                if queue is my_queue
                else sorted((s for s in queue if abs(s - now) <= slop), key=lambda s: abs(s - now))
                for queue in self.queues
            ]
            for stamps in product(*near):
                complete = all(s in queue for queue, s in zip(self.queues, stamps, strict=True))
                if complete and max(stamps) - min(stamps) < slop:
                    self._output(stamps)
                    return
