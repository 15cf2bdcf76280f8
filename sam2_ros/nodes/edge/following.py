"""A subscription that takes the reliability that its publishers offer, and says why nothing comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from sam2_ros.nodes.edge.qos import QUEUE, chosen_reliability, make_subscription

FOLLOW_PERIOD = 0.2  # seconds between two looks at who publishes


class FollowingSubscription:
    """Subscribes reliably where all publishers are reliable, otherwise with best effort, which hears them all.

    Attributes:
        topic: its full name.
        newest: arrival of the newest message, or our start, in seconds of the monotonic clock.
    """

    def __init__(self, node: Node, type_: type, topic: str, callback: Callable[[Any], None], *, depth: int) -> None:
        """Subscribe.

        Args:
            node: that subscribes.
            type_: of the messages.
            topic: its name, before remapping.
            callback: is given each message.
            depth: of the queue, in messages.
        """
        self._node, self._type, self._callback, self._depth = node, type_, callback, depth
        self.topic: str = node.resolve_topic_name(topic)
        self.newest = time.monotonic()
        self._chosen = chosen_reliability(node, self.topic)
        self._reliability = self._chosen or ReliabilityPolicy.BEST_EFFORT
        self._subscription = self._subscribe()
        self._timer = node.create_timer(FOLLOW_PERIOD, self._follow, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def silence(self, timeout: float) -> str | None:
        """Why no message came for `timeout` seconds, as a sentence; None if one did."""
        silent = time.monotonic() - self.newest
        if silent < timeout:
            return None
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        expected = f'{self._type.__module__.split(".")[0]}/msg/{self._type.__name__}'
        others = {info.topic_type for info in publishers} - {expected}
        if not publishers:
            why = 'nobody publishes it; check the topic name and ROS_DOMAIN_ID'
        elif len(others) == len({info.topic_type for info in publishers}):
            why = f'it is published as {", ".join(sorted(others))}, but this node listens to {expected}'
        else:
            why = 'the publisher is there but sends nothing that arrives'
        return f'nothing on {self.topic} for {silent:.0f} s: {why}'

    def _subscribe(self) -> Any:
        profile = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=self._depth, reliability=self._reliability)
        return make_subscription(self._node, self._type, self.topic, self._take, profile, policies=QUEUE)

    def _take(self, message: Any) -> None:
        self.newest = time.monotonic()
        self._callback(message)

    def _follow(self) -> None:
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if not publishers or self._chosen is not None:
            return
        reliable = all(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in publishers)
        wanted = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        if wanted != self._reliability:
            self._node.destroy_subscription(self._subscription)
            self._reliability = wanted
            self._subscription = self._subscribe()
