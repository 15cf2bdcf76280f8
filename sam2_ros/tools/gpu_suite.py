"""Everything that only a GPU can tell, in one run of less than eight minutes: `bench --gpu-suite OUT`.

Each part runs in a process of its own, with a time after which it is ended: a part that fails, hangs or loses the
device takes nothing from the others. What a part has said by then is on the page. A machine needs no more than Python,
torch, numpy, OpenCV and safetensors; the comparison with the official predictor also needs that, and the training what
it needs elsewhere.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TextIO

import torch

from sam2_ros.tools.gpu_parts import FULL, PARTS, REHEARSAL

PAGE = 'gpu.md'
SECONDS = 460.0  # for everything
MOST_SECONDS = {
    'machine': 60.0, 'correct': 90.0, 'speed': 140.0, 'official': 80.0, 'precision': 40.0, 'cameras': 40.0,
    'long': 60.0, 'start': 30.0, 'training': 45.0, 'optimized': 440.0,
}  # fmt: skip
LEAST_SECONDS = 8.0  # with less, a part is not begun
GRACE = 5.0  # between the time at which a part should end and the one at which it is ended


def run_suite(folder: Path, parts: Sequence[str], *, seconds: float = SECONDS) -> Path:
    """Run parts one after the other.

    Args:
        folder: gets the page.
        parts: keys of `PARTS`.
        seconds: after which nothing runs any more.

    Returns:
        The page.
    """
    begun = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PAGE
    with open(path, 'w', encoding='utf-8') as page:

        def say(line: str) -> None:
            print(line, flush=True)
            page.write(line + '\n')
            page.flush()

        say(f'# On a GPU, {date.today().isoformat()}\n')
        if not torch.cuda.is_available():
            say('PyTorch sees no GPU: a rehearsal on the CPU with tiny sizes, whose figures mean nothing.\n')
        say(f'    python -m sam2_ros.tools.bench --gpu-suite OUT --parts {",".join(parts)}\n')
        for name in parts:
            say(f'## {name}\n\n{(PARTS[name].__doc__ or "").splitlines()[0]}\n')
            left = seconds - (time.monotonic() - begun)
            if left < LEAST_SECONDS + GRACE:
                say('not run: no time left\n')
                continue
            started = time.monotonic()
            outcome = _run_part(name, min(MOST_SECONDS[name], left - GRACE), say)
            say(f'\n{outcome} after {time.monotonic() - started:.0f} s\n')
        say(f'Whole: {time.monotonic() - begun:.0f} s')
    return path


def _run_part(name: str, seconds: float, say: Callable[[str], None]) -> str:
    """Run a part in a process of its own and pass on what it says. Returns how it ended, in words."""
    command = [sys.executable, '-c', f'from {__name__} import say_part; say_part({name!r}, {seconds})']
    environment = {**os.environ, 'TQDM_DISABLE': '1', 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding='utf-8'
    )
    assert process.stdout is not None and process.stderr is not None, 'both are pipes'
    ended_by_us = threading.Event()

    def end() -> None:
        ended_by_us.set()
        process.kill()

    complaints: list[str] = []
    listener = threading.Thread(target=_collect, args=(process.stderr, complaints), daemon=True)
    listener.start()
    timer = threading.Timer(seconds + GRACE, end)
    timer.start()
    try:
        for line in process.stdout:
            say(line.rstrip('\n'))
        code = process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        listener.join()
    if ended_by_us.is_set():
        return 'ended because its time was over,'
    if code:
        say('\nfailed:\n\n' + ''.join(f'    {line}\n' for line in complaints[-8:]))
        return f'exit status {code}'
    return 'done'


def _collect(stream: TextIO, lines: list[str]) -> None:
    for line in stream:
        lines.append(line.rstrip('\n'))
        del lines[:-100]


def chosen_parts(text: str) -> list[str]:
    """Parts by name, separated by commas, in the order of the suite; `all` for all.

    Raises:
        argparse.ArgumentTypeError: for other names.
    """
    names = list(PARTS) if text == 'all' else text.split(',')
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f'{name!r} is not one of all, {", ".join(PARTS)}')
    return [name for name in PARTS if name in names]


def say_part(name: str, seconds: float) -> None:
    """Run one part in this process, and print what it says."""
    deadline = time.monotonic() + seconds
    scale = FULL if torch.cuda.is_available() else REHEARSAL
    for line in PARTS[name](scale, lambda: deadline - time.monotonic()):
        print(line, flush=True)
