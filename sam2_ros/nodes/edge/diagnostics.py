"""What all nodes share to say how they are: /diagnostics once a second, in every state of the lifecycle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.edge.qos import make_publisher

PERIOD = 1.0  # seconds
MEGABYTE = 1e6
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def diagnostics_endpoint(contents: str) -> Endpoint:
    """The topic, for the tables of the documentation. `contents`: what a node says there."""
    return Endpoint(
        name='/diagnostics',
        type_name='diagnostic_msgs/DiagnosticArray',
        type=DiagnosticArray,
        description=f'Once a second, in every state: {contents}',
    )


class PeriodicDiagnostics:
    """Publishes what the node says of itself once a second of real time."""

    def __init__(self, node: Node, statuses: Callable[[], Sequence[DiagnosticStatus]]) -> None:
        """`statuses`: says how the node is. The name of the node is put before that of each status."""
        self._node, self._statuses = node, statuses
        self._publisher = make_publisher(node, DiagnosticArray, '/diagnostics', 10)
        self._timer = node.create_timer(PERIOD, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _report(self) -> None:
        report = DiagnosticArray(status=list(self._statuses()))
        report.header.stamp = self._node.get_clock().now().to_msg()
        for part in report.status:
            part.name = f'{self._node.get_fully_qualified_name().lstrip("/")}: {part.name}'
        self._publisher.publish(report)


class FreshCounts:
    """How much counters have grown since the last report."""

    def __init__(self) -> None:
        self._counted: Mapping[str, int] = {}

    def since_last(self, counts: Mapping[str, int]) -> dict[str, int]:
        """By reason, what was counted since this was last asked."""
        fresh = {reason: number - self._counted.get(reason, 0) for reason, number in counts.items()}
        self._counted = counts
        return fresh


def status(
    name: str, level: bytes, message: str, values: Mapping[str, Any], *, hardware_id: str = ''
) -> DiagnosticStatus:
    """A diagnostic_msgs/DiagnosticStatus. Values are shown as texts."""
    return DiagnosticStatus(
        name=name,
        level=level,
        message=message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def latency_values(percentiles: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    """Median and 95th percentile, in seconds by stage, as values of a status in milliseconds."""
    values: dict[str, str] = {}
    for stage, (median, high) in percentiles.items():
        values |= {f'{stage} p50, ms': f'{median * 1e3:.1f}', f'{stage} p95, ms': f'{high * 1e3:.1f}'}
    return values


def process_memory() -> int:
    """Resident bytes of this process."""
    return int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
