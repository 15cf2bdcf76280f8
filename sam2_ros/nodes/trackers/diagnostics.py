"""The state of the process as a diagnostic status: who has how much of the network, and what memory is used."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from sam2_ros.live.measurements import RATE_SECONDS
from sam2_ros.nodes.edge.qos import make_publisher
from sam2_ros.nodes.tracker.diagnostics import DIAGNOSTICS, MEGABYTE, PERIOD, make_status, process_memory


@dataclass(frozen=True)
class CameraState:
    """What the diagnostics look at of one camera. `seconds`: of the network, that it has had so far."""

    lifecycle: str
    seconds: float


@dataclass(frozen=True)
class Snapshot:
    """What the diagnostics look at. `model` and `device` are empty without a network."""

    lifecycle: str
    model: str
    device: str
    cameras: Mapping[str, CameraState]


class ProcessDiagnostics:
    """Adds one status to /diagnostics once a second, in every state of the node."""

    def __init__(self, node: Node, *, snapshot: Callable[[], Snapshot]) -> None:
        self._node = node
        self._snapshot = snapshot
        self._past: deque[tuple[float, dict[str, float]]] = deque(maxlen=round(RATE_SECONDS / PERIOD) + 1)
        self._publisher = make_publisher(node, DIAGNOSTICS.type, DIAGNOSTICS.name, 10)
        self._timer = node.create_timer(PERIOD, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _report(self) -> None:
        status = self._status(self._snapshot())
        report = DiagnosticArray(status=[status])
        report.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(report)

    def _status(self, snapshot: Snapshot) -> DiagnosticStatus:
        shares = self._shares(snapshot.cameras)
        level, message = DiagnosticStatus.OK, f'the network is busy {sum(shares.values()):.0%} of the time'
        if not snapshot.model:
            level, message = DiagnosticStatus.WARN, f'the node is {snapshot.lifecycle}: no model is loaded'
        values: dict[str, Any] = {'model': snapshot.model, 'device': snapshot.device}
        for name, camera in snapshot.cameras.items():
            values |= {f'{name}: state': camera.lifecycle, f'{name}: share of time, %': f'{100 * shares[name]:.1f}'}
        values['process memory, MB'] = f'{process_memory() / MEGABYTE:.0f}'
        if snapshot.device.startswith('cuda'):
            values['device memory, MB'] = f'{torch.cuda.memory_reserved(snapshot.device) / MEGABYTE:.0f}'
        status = make_status('network', level, message, values)
        status.name = f'{self._node.get_fully_qualified_name().lstrip("/")}: {status.name}'
        status.hardware_id = snapshot.device
        return status

    def _shares(self, cameras: Mapping[str, CameraState]) -> dict[str, float]:
        """By camera, the share of the last seconds in which the network worked for it."""
        now = time.monotonic()
        self._past.append((now, {name: camera.seconds for name, camera in cameras.items()}))
        before, seconds = self._past[0]
        span = max(now - before, PERIOD)
        # a camera that was made anew counts from 0
        had = {name: camera.seconds - seconds.get(name, 0.0) for name, camera in cameras.items()}
        return {name: max(0.0, seconds) / span for name, seconds in had.items()}
