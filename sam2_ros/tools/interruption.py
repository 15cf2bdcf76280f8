"""Ctrl-C and SIGTERM end a tool after the step in work, so that its files are whole."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def noted_interruption() -> Iterator[threading.Event]:
    """An event that is set when SIGINT or SIGTERM comes. The second one ends the process. For the main thread only."""
    interrupted = threading.Event()

    def note(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """For the beginning of a worker process: it ends with the one that started it, which has no use for the rest."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
