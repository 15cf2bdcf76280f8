"""Ctrl-C and SIGTERM end a tool after the step in work, so that its files are whole."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Interruption:
    """Whether a signal came.

    It is no threading.Event: the first signal would hold its lock while the second waits for it for ever.
    """

    came: bool = False


@contextmanager
def noted_interruption() -> Iterator[Interruption]:
    """Notes that SIGINT or SIGTERM came. The second one ends the process. For the main thread only."""
    interruption = Interruption()

    def note(*_: object) -> None:
        interruption.came = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """For the start of a worker process: it ends when the process that started it does."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
