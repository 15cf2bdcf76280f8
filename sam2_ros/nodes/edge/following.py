"""A subscription that takes the reliability that its publishers offer, and says why nothing comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from sam2_ros.nodes.edge.qos import QUEUE, chosen_reliability, make_subscription

FOLLOW_PERIOD = 0.2  # seconds between two looks at who publishes


class Silence(Enum):
    """Why nothing comes, as the end of a sentence."""

    NOBODY = 'nobody publishes it; check the topic name, ROS_DOMAIN_ID and that the sender runs'
    OTHER_TYPE = 'it is published as {others}, but this node listens to {expected}'
    ASKS_TOO_MUCH = 'the publisher is best effort, but qos_overrides makes this node ask for reliable messages'
    BEST_EFFORT = 'the publisher is there, as best effort, but sends nothing that arrives'
    MUTE = 'the publisher is there but sends nothing that arrives'


class FollowingSubscription:
    """Subscribes reliably where all publishers are reliable, otherwise with best effort, which hears them all.

    Attributes:
        topic: its full name.
        newest: arrival of the newest message, or our start, in seconds of the monotonic clock.
    """

    def __init__(
        self,
        node: Node,
        type_: type,
        topic: str,
        callback: Callable[[Any], None],
        *,
        depth: int,
        hints: Mapping[Silence, str] | None = None,
        **options: Any,
    ) -> None:
        """Subscribe.

        Args:
            node: that subscribes.
            type_: of the messages.
            topic: its name, before remapping.
            callback: is given each message.
            depth: of the queue, in messages.
            hints: what is said in brackets after a reason of silence.
            options: for rclpy, as `event_callbacks`.
        """
        self._node, self._type, self._callback, self._depth = node, type_, callback, depth
        self._hints, self._options = hints or {}, options
        self.topic: str = node.resolve_topic_name(topic)
        self.newest = time.monotonic()
        self._chosen = chosen_reliability(node, self.topic)
        # best effort hears all publishers; what they offer is not known yet
        self._reliability = self._chosen or ReliabilityPolicy.BEST_EFFORT
        self._subscription = self._subscribe()
        self._timer = node.create_timer(FOLLOW_PERIOD, self._follow, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def publishers(self) -> list[TopicEndpointInfo]:
        """Those of the topic, whatever type they publish."""
        return self._node.get_publishers_info_by_topic(self.topic)

    def silence(self, timeout: float) -> str | None:
        """That no message came for `timeout` seconds, and why, as a sentence; None if one did."""
        why = self.why_silent(timeout)
        return f'nothing on {self.topic} for {self.seconds_silent:.0f} s: {why}' if why else None

    @property
    def seconds_silent(self) -> float:
        """Since the newest message, or our start."""
        return time.monotonic() - self.newest

    def why_silent(self, timeout: float) -> str | None:
        """Why no message came for `timeout` seconds, as the end of a sentence; None if one did."""
        if self.seconds_silent < timeout:
            return None
        publishers = self.publishers()
        expected = f'{self._type.__module__.split(".")[0]}/msg/{self._type.__name__}'
        others = sorted({info.topic_type for info in publishers} - {expected})
        best_effort = any(info.qos_profile.reliability != ReliabilityPolicy.RELIABLE for info in publishers)
        reason = Silence.MUTE
        if not publishers:
            reason = Silence.NOBODY
        elif len(others) == len({info.topic_type for info in publishers}):
            reason = Silence.OTHER_TYPE
        elif best_effort:
            asks_too_much = self._chosen is ReliabilityPolicy.RELIABLE
            reason = Silence.ASKS_TOO_MUCH if asks_too_much else Silence.BEST_EFFORT
        hint = self._hints.get(reason)
        return reason.value.format(others=', '.join(others), expected=expected) + (f' ({hint})' if hint else '')

    def _subscribe(self) -> Any:
        profile = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=self._depth, reliability=self._reliability)
        return make_subscription(
            self._node, self._type, self.topic, self._take, profile, policies=QUEUE, **self._options
        )

    def _take(self, message: Any) -> None:
        self.newest = time.monotonic()
        self._callback(message)

    def _follow(self) -> None:
        publishers = self.publishers()
        if not publishers or self._chosen is not None:
            return
        reliable = all(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in publishers)
        wanted = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        if wanted != self._reliability:
            self._node.destroy_subscription(self._subscription)
            self._reliability = wanted
            self._subscription = self._subscribe()
