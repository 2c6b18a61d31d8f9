"""The node's subscriptions: they exist while it is active and fill the mailbox."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
import math
import time
from typing import Any

from message_filters import ApproximateTimeSynchronizer, SimpleFilter
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from metrichmsr_ros.ros.cameras import CameraKeeper
from metrichmsr_ros.ros.messages import is_stamp
from metrichmsr_ros.ros.parameters import Parameters
from metrichmsr_ros.ros.subscriptions import AdaptiveSubscription
from metrichmsr_ros.stamps import NS_PER_S, to_nanoseconds

_PAIR_QUEUE = 10
_PAIR_PATIENCE = 2.0
"""Seconds without a pair after which images go on without depth."""
_PAIR_SHARE = 0.55
"""Of the shorter period: the nearest partner is within half of it, the next one is not."""
_GAPS = 20
_SURE = 4  # gaps after which a period is known


@dataclass(frozen=True)
class Input:
    """What the worker gets: an image message and, from an RGB-D camera, its depth message."""

    image: Image | CompressedImage
    depth: Image | None = None


class Rhythm:
    """The period of a stream of messages, by their stamps."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._gaps: deque[int] = deque(maxlen=_GAPS)

    def add(self, stamp: int) -> bool:
        """Take a stamp, ns; return whether time goes on, which it does not after a jump back."""
        newest, self._newest = self._newest, stamp
        if newest is None:
            return True
        if stamp > newest:
            self._gaps.append(stamp - newest)
        return stamp >= newest

    @property
    def period(self) -> float:
        """Seconds, infinite while it is unknown; messages may be lost now and then."""
        if len(self._gaps) < _SURE:
            return math.inf
        return sorted(self._gaps)[len(self._gaps) // 4] / NS_PER_S


class Inputs:
    """Subscribes to image, camera_info and, where asked for, depth with its camera_info."""

    def __init__(
        self, node: Node, parameters: Parameters, receive: Callable[[Input], None]
    ) -> None:
        """Subscribe.

        ``depth_offset`` is by how much the newest depth was younger than its image, seconds.

        Args:
            node: Owner.
            parameters: Transport, QoS and depth slop are read.
            receive: Called with every image in the executor's thread; must return at once.
        """
        self.cameras = CameraKeeper()
        self.depth_cameras = CameraKeeper()
        self._receive = receive
        self._with_depth = parameters.depth_source == 'topic'
        self._slop = parameters.depth_slop
        self._paired = time.monotonic()
        self._sent = 0
        self.depth_offset: float | None = None
        self._subscriptions: dict[str, AdaptiveSubscription] = {}
        compressed = parameters.image_transport == 'compressed'

        def subscribe(name: str, message_type: type, callback: Callable[[Any], None]) -> None:
            topic = node.resolve_topic_name(name)
            if name == 'image' and compressed:
                topic += '/compressed'
            self._subscriptions[name] = AdaptiveSubscription(
                node, message_type, topic, callback, reliability=parameters.input_qos
            )

        subscribe('image', CompressedImage if compressed else Image, self._on_image)
        subscribe('camera_info', CameraInfo, self.cameras.update)
        if self._with_depth:
            self._pair_from_scratch()
            subscribe('depth', Image, self._on_depth)
            subscribe('depth_camera_info', CameraInfo, self.depth_cameras.update)

    def topic(self, name: str) -> str:
        """Return the full name of one input."""
        return self._subscriptions[name].topic

    def publishers(self, name: str) -> int:
        """Return how many publishers one input has."""
        return self._subscriptions[name].publishers()

    @property
    def depth_missing(self) -> bool:
        """Whether depth is asked for and no image has been paired with one for a while."""
        return self._with_depth and time.monotonic() - self._paired > _PAIR_PATIENCE

    def refresh(self) -> list[str]:
        """Follow the publishers' QoS; return the inputs that were subscribed anew."""
        return [name for name, item in self._subscriptions.items() if item.refresh()]

    def destroy(self) -> None:
        """End all subscriptions."""
        for subscription in self._subscriptions.values():
            subscription.destroy()

    def _pair_from_scratch(self) -> None:
        self._images, self._depths = SimpleFilter(), SimpleFilter()
        self._synchronizer = ApproximateTimeSynchronizer(
            [self._images, self._depths], _PAIR_QUEUE, self._slop
        )
        self._synchronizer.registerCallback(self._on_pair)
        self._sent = 0
        self._rhythms = {'image': Rhythm(), 'depth': Rhythm()}

    def _follow_time(self, name: str, message: Image | CompressedImage) -> None:
        """Pair from scratch where the time of an input jumps back, and only with the nearest.

        The synchroniser takes the first partner within its slop. Were that as long as a period,
        whoever has lost its partner would take the next one's, that one the one after, and so on.
        """
        stamp = to_nanoseconds(message.header.stamp)
        if not self._rhythms[name].add(stamp):
            # The synchroniser throws the oldest away, so after a jump back nothing new would stay.
            self._pair_from_scratch()
            self._rhythms[name].add(stamp)
        period = min(rhythm.period for rhythm in self._rhythms.values())
        self._synchronizer.slop = Duration(seconds=min(self._slop, _PAIR_SHARE * period))

    def _on_image(self, message: Image | CompressedImage) -> None:
        if not (self._with_depth and is_stamp(to_nanoseconds(message.header.stamp))):
            self._receive(Input(message))
            return
        self._follow_time('image', message)
        self._images.signalMessage(message)
        if self.depth_missing:
            self._send(Input(message))

    def _on_depth(self, message: Image) -> None:
        if not is_stamp(to_nanoseconds(message.header.stamp)):
            return  # message_filters would raise; that no image has a depth is told
        self._follow_time('depth', message)
        self._depths.signalMessage(message)

    def _on_pair(self, image: Image | CompressedImage, depth: Image) -> None:
        self._paired = time.monotonic()
        offset = to_nanoseconds(depth.header.stamp) - to_nanoseconds(image.header.stamp)
        self.depth_offset = offset / NS_PER_S
        # When depth returns, its first partner may be older than images that went on without.
        if to_nanoseconds(image.header.stamp) > self._sent:
            self._send(Input(image, depth))

    def _send(self, item: Input) -> None:
        self._sent = to_nanoseconds(item.image.header.stamp)
        self._receive(item)
