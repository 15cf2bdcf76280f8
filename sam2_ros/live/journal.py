"""What the node counts, measures and complains about. Safe to use from several threads."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from sam2_ros.live.measurements import Latencies, Rate

LOG_PERIOD = 5.0  # seconds between two lines that differ in numbers only
MAX_LINES = 10  # for one reason in that time
MAX_SENTENCE = 400  # characters that are logged and kept of a sentence


class Logger(Protocol):
    """The part of an rclpy logger that is used."""

    def warning(self, message: str, /) -> object: ...


@dataclass(frozen=True)
class _Line:
    """One line of the log: when it was written, in seconds of the monotonic clock, and what it was about."""

    when: float
    kind: str


def shortened(sentence: str) -> str:
    """The sentence, cut at MAX_SENTENCE characters. It may quote megabytes from a message."""
    return sentence if len(sentence) <= MAX_SENTENCE else sentence[: MAX_SENTENCE - 3] + '...'


class Journal:
    """Counts events by reason. Writes a sentence to the log at most once every LOG_PERIOD."""

    def __init__(self, logger: Logger) -> None:
        self.arrived = Rate()  # images, without those that have the stamp of the one before
        self.published = Rate()  # processed images
        self.waiting_since: float | None = None  # monotonic clock: first image that came after the newest processed one
        self.latencies = Latencies()
        self.last_refusal = ''  # of a prompt
        self._logger = logger
        self._counts: Counter[str] = Counter()
        self._logged: dict[str, list[_Line]] = {}  # by reason, those of the last LOG_PERIOD
        self._unsaid: Counter[str] = Counter()  # by reason, events since the last line that were not logged
        self._lock = threading.Lock()

    def count(self, reason: str, number: int = 1) -> None:
        with self._lock:
            self._counts[reason] += number

    def note(self, reason: str, sentence: str) -> None:
        """Count an event, and log the sentence unless it was logged a moment ago."""
        self._say(reason, sentence, kind=re.sub('[0-9]+', '', sentence))

    def refuse_prompt(self, sentence: str) -> None:
        """Count a refused prompt and log why. Somebody waits for it, so it is logged each time; of a flood only the
        first.
        """
        self.last_refusal = shortened(sentence)
        self._say('prompts_refused', f'prompt refused: {sentence}', kind='')

    def _say(self, reason: str, sentence: str, *, kind: str) -> None:
        """Count an event. Log it unless its reason had MAX_LINES lines, or one of the same `kind`, which may be empty
        for none.
        """
        now = time.monotonic()
        with self._lock:
            self._counts[reason] += 1
            number = self._counts[reason]
            said = [line for line in self._logged.get(reason, ()) if now - line.when < LOG_PERIOD]
            self._logged[reason] = said
            if len(said) >= MAX_LINES or (kind and any(line.kind == kind for line in said)):
                self._unsaid[reason] += 1
                return
            said.append(_Line(now, kind))
            unsaid = self._unsaid.pop(reason, 0)
        self._logger.warning(
            shortened(sentence) + (f' ({reason}: {number} so far)' if unsaid or (kind and number > 1) else '')
        )

    def counts(self) -> dict[str, int]:
        """Events so far, by reason."""
        with self._lock:
            return dict(self._counts)
