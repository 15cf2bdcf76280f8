"""The state of the node as diagnostics: which input is missing or late, and what came out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from sam2_ros.live.journal import Journal
from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.msg import Object3DArray
from sam2_ros.nodes.edge.diagnostics import (
    ERROR,
    MEGABYTE,
    OK,
    WARN,
    FreshCounts,
    PeriodicDiagnostics,
    diagnostics_endpoint,
    latency_values,
    status,
)
from sam2_ros.nodes.objects_3d.inputs import Inputs

DIAGNOSTICS = diagnostics_endpoint('which input is missing or late, rates, latency, what was found.')


@dataclass(frozen=True)
class Snapshot:
    """What the diagnostics look at. `inputs` is None while the node is not active."""

    state: str  # of the lifecycle
    timeout: float  # seconds without messages after which an input is missing
    inputs: Inputs | None = None
    newest: Object3DArray | None = None
    waiting: int = 0  # arrays of objects


class Diagnostics:
    """Publishes /diagnostics once a second, in every state of the node."""

    def __init__(self, node: Node, *, journal: Journal, snapshot: Callable[[], Snapshot]) -> None:
        self._node, self._journal, self._snapshot = node, journal, snapshot
        self._fresh = FreshCounts()
        self._periodic = PeriodicDiagnostics(node, self._statuses)

    def _statuses(self) -> list[DiagnosticStatus]:
        snapshot, counts = self._snapshot(), self._journal.counts()
        return [self._inputs(snapshot, counts), self._objects(snapshot, counts, self._fresh.since_last(counts))]

    def _inputs(self, snapshot: Snapshot, counts: dict[str, int]) -> DiagnosticStatus:
        inputs, values = snapshot.inputs, {}
        if inputs is None:
            return status('inputs', WARN, f'the node is {snapshot.state}: it does not listen', {})
        calibrations = [part for part in (inputs.image_info, inputs.depth_info) if part is not None]
        missing: list[Any] = [inputs.objects.silence(snapshot.timeout), inputs.depth.silence(snapshot.timeout)]
        missing += [part.missing() for part in calibrations]
        found = [sentence for sentence in missing if sentence]
        ring = inputs.ring
        values = {
            'objects topic': inputs.objects.topic,
            'depth topic': inputs.depth.topic,
            'objects/s': f'{self._journal.arrived.per_second():.2f}',
            'depth messages': counts.get('depth', 0),
            'depth unstamped': counts.get('depth_unstamped', 0),
            'depth kept': len(ring),
            'depth kept, MB': f'{ring.nbytes / MEGABYTE:.1f}',
            'depth stamps went back': ring.went_back,
        }
        return status('inputs', ERROR if found else OK, '; '.join(found) or 'all inputs are there', values)

    def _objects(self, snapshot: Snapshot, counts: dict[str, int], fresh: dict[str, int]) -> DiagnosticStatus:
        newest, failed = snapshot.newest, fresh.get('unmeasured', 0)
        objects = newest.objects if newest is not None else []
        level, message = OK, f'{sum(found.measured for found in objects)} of {len(objects)} objects are measured'
        if snapshot.inputs is None:
            level, message = WARN, f'the node is {snapshot.state}'
        elif newest is not None and newest.problem:
            level, message = WARN, f'nothing was measured: {newest.problem}'
        elif failed:
            level, message = WARN, f'{failed} times lately nothing was measured: {self._journal.last_refusal}'
        elif fresh.get('overtaken'):
            level, message = (
                WARN,
                f'{fresh["overtaken"]} arrays of objects had to go on without waiting for depth or tf',
            )
        values: dict[str, Any] = {
            'processed/s': f'{self._journal.published.per_second():.2f}',
            'measured': sum(found.measured for found in objects),
            'predicted': sum(found.has_pose and not found.measured for found in objects),
            'unknown': sum(not found.has_pose for found in objects),
            'waiting for depth or tf': snapshot.waiting,
            'processed without a measurement': counts.get('unmeasured', 0),
            'last reason': self._journal.last_refusal,
        }
        if newest is not None and stamp_nanoseconds(newest.header.stamp):
            age = self._node.get_clock().now().nanoseconds - stamp_nanoseconds(newest.header.stamp)
            values['age of newest output, s'] = f'{age / NANOSECONDS:.3f}'
        values |= latency_values(self._journal.latencies.percentiles())
        return status('objects', level, message, values)
