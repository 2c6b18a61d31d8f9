"""A subscription that takes the quality of service of whoever publishes.

Best effort matches every publisher, but on stock Fast DDS a best-effort stream of large images
arrives not at all, and a latched CameraInfo is only given to who asks for it. So: best effort
until a publisher is seen, then as it publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

RELIABILITY = {
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
    'reliable': ReliabilityPolicy.RELIABLE,
}


class AdaptiveSubscription:
    """Keep-last-1 subscription that is re-created when the publishers' QoS asks for it."""

    def __init__(
        self,
        node: Node,
        message_type: type,
        topic: str,
        callback: Callable[[Any], None],
        *,
        reliability: str = 'auto',
    ) -> None:
        """Subscribe.

        Args:
            node: Owner.
            message_type: Type of the topic.
            topic: Its full name, remapped.
            callback: Called with each message in the executor's thread.
            reliability: 'auto', or 'best_effort' or 'reliable' whatever the publisher does.
        """
        self.topic = topic
        self._node = node
        self._type = message_type
        self._callback = callback
        self._forced = RELIABILITY.get(reliability)
        self._qos = matching_qos((), self._forced)
        self._subscription = self._subscribe()

    @property
    def qos(self) -> QoSProfile:
        """What is asked for now."""
        return self._qos

    def publishers(self) -> int:
        """Return how many publishers the topic has."""
        return self._node.count_publishers(self.topic)

    def refresh(self) -> bool:
        """Look at the publishers; return whether the subscription was re-created for them."""
        infos = self._node.get_publishers_info_by_topic(self.topic)
        wanted = matching_qos([info.qos_profile for info in infos], self._forced)
        if not infos or wanted == self._qos:
            return False
        self._node.destroy_subscription(self._subscription)
        self._qos = wanted
        self._subscription = self._subscribe()
        return True

    def destroy(self) -> None:
        """End the subscription."""
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self) -> Any:
        return self._node.create_subscription(self._type, self.topic, self._callback, self._qos)


def matching_qos(
    publishers: Iterable[QoSProfile], reliability: ReliabilityPolicy | None = None
) -> QoSProfile:
    """Return the strongest QoS that every one of ``publishers`` offers, depth 1.

    Args:
        publishers: What they offer; none: best effort, volatile.
        reliability: Asked for in any case; None = as offered.
    """
    publishers = list(publishers)
    reliable = bool(publishers) and all(
        offer.reliability == ReliabilityPolicy.RELIABLE for offer in publishers
    )
    latched = bool(publishers) and all(
        offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in publishers
    )
    return QoSProfile(
        depth=1,
        reliability=reliability or RELIABILITY['reliable' if reliable else 'best_effort'],
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
