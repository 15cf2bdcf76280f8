"""Quality of service of our publishers and subscriptions. Users can override it for each topic.

The parameters are `qos_overrides.<topic>.publisher.<policy>` and `qos_overrides.<topic>.subscription.<policy>`, with
the full name of the topic and one of POLICIES. They are read when an endpoint is first made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions

POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)
QUEUE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH)  # those beside the reliability
FOLLOW = 'best_available'  # whatever the publishers offer, as newer ROS versions call it
RELIABILITIES = {'reliable': ReliabilityPolicy.RELIABLE, 'best_effort': ReliabilityPolicy.BEST_EFFORT, FOLLOW: None}

# The newest message is kept for those who subscribe later, if they ask for it (transient local).
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def make_publisher(node: Node, message_type: type, topic: str, qos: QoSProfile | int) -> Any:
    """A publisher whose quality of service may be overridden.

    Args:
        qos: a profile, or the depth of the queue in messages.

    Raises:
        ValueError: a sentence, if the override is no such policy.
    """
    with _refusals(f'publisher of {topic}'):
        # a copy, because rclpy writes the overrides into the profile
        return node.create_publisher(message_type, topic, copy(qos), qos_overriding_options=_overriding(POLICIES))


def make_subscription(
    node: Node,
    message_type: type,
    topic: str,
    callback: Callable[[Any], None],
    qos: QoSProfile | int,
    *,
    policies: Sequence[QoSPolicyKind] = POLICIES,
    **options: Any,
) -> Any:
    """A subscription of which `policies` may be overridden; see `make_publisher`."""
    with _refusals(f'subscription to {topic}'):
        return node.create_subscription(
            message_type, topic, callback, copy(qos), qos_overriding_options=_overriding(policies), **options
        )


def chosen_reliability(node: Node, topic: str) -> ReliabilityPolicy | None:
    """The reliability that the user asks for at the subscription to `topic`, a full name. None: that of the publishers.

    The override of rclpy itself would keep the reliability that the first subscription had.

    Raises:
        ValueError: a sentence, if there is no such reliability.
    """
    name = f'qos_overrides.{topic}.subscription.reliability'
    if not node.has_parameter(name):
        with _refusals(f'subscription to {topic}'):
            node.declare_parameter(
                name,
                FOLLOW,
                ParameterDescriptor(
                    description=f'Reliability of the subscription to {topic}; {FOLLOW}: that of its publishers.',
                    read_only=True,
                ),
            )
    given = node.get_parameter(name).value
    if given not in RELIABILITIES:
        raise ValueError(f'{name} is {given!r}, but must be one of {", ".join(RELIABILITIES)}')
    return RELIABILITIES[given]


@contextmanager
def _refusals(endpoint: str) -> Iterator[None]:
    """Turns what rclpy says about a bad override into a ValueError."""
    try:
        yield
    except (InvalidParameterTypeException, InvalidQosOverridesError) as error:
        raise ValueError(f'{endpoint}: {error}') from error
    except RuntimeError as error:
        if 'QoS override' not in str(error):
            raise
        raise ValueError(f'{endpoint}: {error}') from error


def _overriding(policies: Sequence[QoSPolicyKind]) -> QoSOverridingOptions:
    return QoSOverridingOptions(policies, callback=_check)


def _check(profile: QoSProfile) -> SetParametersResult:
    """Whether the middleware takes the profile; it would fail without a sentence."""
    if profile.history is HistoryPolicy.KEEP_LAST and profile.depth < 1:
        return SetParametersResult(successful=False, reason=f'depth is {profile.depth}, but must be 1 at least')
    return SetParametersResult(successful=True)
