"""What the node counts, measures and complains about, in one place and safe to use from several threads."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from typing import Protocol

from sam2_ros.nodes.measurements import Latencies, Rate

LOG_PERIOD = 5.0  # seconds between two lines about the same trouble, whatever the numbers in it


class Logger(Protocol):
    """The part of an rclpy logger that is used."""

    def warning(self, message: str, /) -> object: ...


class Journal:
    """Counts events by reason and writes each sentence to the log, at most once every LOG_PERIOD."""

    def __init__(self, logger: Logger) -> None:
        self.arrived = Rate()  # images
        self.published = Rate()  # processed images
        self.waiting_since: float | None = None  # monotonic clock: first image that came after the newest processed one
        self.latencies = Latencies()
        self.last_refusal = ''  # of a prompt
        self._logger = logger
        self._counts: Counter[str] = Counter()
        self._logged: dict[str, float] = {}
        self._lock = threading.Lock()

    def count(self, reason: str, number: int = 1) -> None:
        with self._lock:
            self._counts[reason] += number

    def note(self, reason: str, sentence: str) -> None:
        """Count an event and say it in the log, unless the same sentence was there a moment ago."""
        now, kind = time.monotonic(), re.sub('[0-9]+', '', sentence)
        with self._lock:
            self._counts[reason] += 1
            number = self._counts[reason]
            self._logged = {said: when for said, when in self._logged.items() if now - when < LOG_PERIOD}
            if kind in self._logged:
                return
            self._logged[kind] = now
        self._logger.warning(sentence if number == 1 else f'{sentence} ({reason}: {number} so far)')

    def refuse_prompt(self, sentence: str) -> None:
        """Count a refused prompt and say why in the log, each time: someone waits for it."""
        self.count('prompts_refused')
        self.last_refusal = sentence
        self._logger.warning(f'prompt refused: {sentence}')

    def counts(self) -> dict[str, int]:
        """Events so far, by reason."""
        with self._lock:
            return dict(self._counts)
