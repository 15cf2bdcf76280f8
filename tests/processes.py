"""Processes that must not outlive the one that started them. Linux only."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 20  # seconds


def children_of(pid: int) -> list[str]:
    """The process numbers of its children."""
    return Path(f'/proc/{pid}/task/{pid}/children').read_text().split()


def ray_workers_of(pid: int) -> list[int]:
    """Processes of a local Ray cluster that do an item at this moment: Ray says so in their title."""
    found = []
    for daemon in children_of(pid):
        for child in children_of(int(daemon)):
            if Path(f'/proc/{child}/cmdline').read_bytes().startswith(b'ray::_Worker.do'):
                found.append(int(child))
    return found


def assert_all_end(children: Sequence[str]) -> None:
    """They end soon; what does not is killed, so that it does not disturb other tests."""
    deadline = time.monotonic() + PATIENCE
    while (left := [child for child in children if Path(f'/proc/{child}').exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for child in left:
        os.kill(int(child), signal.SIGKILL)
    assert not left
