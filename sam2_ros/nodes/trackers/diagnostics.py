"""The state of the process as a diagnostic status: who has how much of the network, and what memory is used."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from sam2_ros.live.measurements import RATE_SECONDS
from sam2_ros.nodes.edge.diagnostics import MEGABYTE, OK, PERIOD, WARN, PeriodicDiagnostics, process_memory, status


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
        self._snapshot = snapshot
        self._past: deque[tuple[float, dict[str, float]]] = deque(maxlen=round(RATE_SECONDS / PERIOD) + 1)
        self._periodic = PeriodicDiagnostics(node, lambda: [self._status(self._snapshot())])

    def _status(self, snapshot: Snapshot) -> DiagnosticStatus:
        shares = self._shares(snapshot.cameras)
        level, message = OK, f'the network is busy {sum(shares.values()):.0%} of the time'
        if not snapshot.model:
            level, message = WARN, f'the node is {snapshot.lifecycle}: no model is loaded'
        values: dict[str, Any] = {'model': snapshot.model, 'device': snapshot.device}
        for name, camera in snapshot.cameras.items():
            values |= {f'{name}: state': camera.lifecycle, f'{name}: share of time, %': f'{100 * shares[name]:.1f}'}
        values['process memory, MB'] = f'{process_memory() / MEGABYTE:.0f}'
        if snapshot.device.startswith('cuda'):
            values['device memory, MB'] = f'{torch.cuda.memory_reserved(snapshot.device) / MEGABYTE:.0f}'
        return status('network', level, message, values, hardware_id=snapshot.device)

    def _shares(self, cameras: Mapping[str, CameraState]) -> dict[str, float]:
        """By camera, the share of the last seconds in which the network worked for it."""
        now = time.monotonic()
        self._past.append((now, {name: camera.seconds for name, camera in cameras.items()}))
        before, seconds = self._past[0]
        span = max(now - before, PERIOD)
        # a camera that was made anew counts from 0
        had = {name: camera.seconds - seconds.get(name, 0.0) for name, camera in cameras.items()}
        return {name: max(0.0, seconds) / span for name, seconds in had.items()}
