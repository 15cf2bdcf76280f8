"""Rates and latencies of the running node. Needs no ROS."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

WINDOW = 300  # newest durations that percentiles are taken over
RATE_SECONDS = 5.0  # span that rates are taken over


class Rate:
    """Events per second over the last few seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=1000)

    def tick(self) -> None:
        self._times.append(time.monotonic())

    def per_second(self) -> float:
        """0 with fewer than two events in the last RATE_SECONDS."""
        recent = [moment for moment in list(self._times) if moment > time.monotonic() - RATE_SECONDS]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / (recent[-1] - recent[0]) if recent[-1] > recent[0] else 0.0

    @property
    def newest(self) -> float | None:
        """When the newest event was, in seconds of the monotonic clock; None before the first."""
        return self._times[-1] if self._times else None


class Latencies:
    """The newest durations of each stage, in seconds."""

    def __init__(self) -> None:
        self._stages: dict[str, deque[float]] = {}

    def add(self, stage: str, seconds: float) -> None:
        self._stages.setdefault(stage, deque(maxlen=WINDOW)).append(seconds)

    def percentiles(self) -> dict[str, tuple[float, float]]:
        """Median and 95th percentile of every stage, in seconds."""
        return {
            stage: (float(np.percentile(values, 50)), float(np.percentile(values, 95)))
            for stage, values in ((stage, list(window)) for stage, window in list(self._stages.items()))
        }
