"""Rates and latencies of the running node. Needs no ROS."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

WINDOW = 300  # newest durations that percentiles are taken over
RATE_SECONDS = 5.0  # span that rates are taken over
LEAST_SPAN = 1.0  # seconds


class Rate:
    """Events per second over the last few seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=1000)

    def tick(self) -> None:
        self._times.append(time.monotonic())

    def per_second(self) -> float:
        """Over the last RATE_SECONDS. Where events are rarer, between the newest two.

        0 before the second event. 0 also when the next event is overdue by the time between the newest two. A span
        shorter than LEAST_SPAN counts as LEAST_SPAN: two events right after a pause say little about what follows.
        """
        times, now = list(self._times), time.monotonic()
        recent = [moment for moment in times if moment > now - RATE_SECONDS]
        if len(recent) < 2:
            recent = times[-2:]
            if len(recent) < 2 or now - recent[1] > 2 * (recent[1] - recent[0]):
                return 0.0
        return (len(recent) - 1) / max(recent[-1] - recent[0], LEAST_SPAN)


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
