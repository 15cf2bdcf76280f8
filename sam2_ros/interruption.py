"""How a command line ends: with its files complete, one sentence, and an exit status."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

INTERRUPTED = 130  # exit status after Ctrl-C, as in a shell


def command_status(work: Callable[[], int], *, errors: tuple[type[Exception], ...] = (ValueError, OSError)) -> int:
    """Carry out a command line.

    Args:
        work: returns the exit status.
        errors: that are told in one sentence; others are mistakes of ours.

    Returns:
        What `work` returns; 1 after an error; 130 after Ctrl-C.
    """
    try:
        return work()
    except errors as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('stopped', file=sys.stderr)
        return INTERRUPTED


@dataclass
class Interruption:
    """Whether a signal came.

    This is no threading.Event: if a second signal came while the first holds the lock of the event, it would wait for
    ever.
    """

    came: bool = False


@contextmanager
def noted_interruption() -> Iterator[Interruption]:
    """Note that SIGINT or SIGTERM came, instead of ending the process. A second signal ends it.

    For the main thread only.
    """
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


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does: raise KeyboardInterrupt. For the main thread only."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_with_parent() -> None:
    """Let this worker process end when its parent process ends. Call it at the start of the worker."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
