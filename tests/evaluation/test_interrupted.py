"""Evaluations that are stopped, or whose processes are killed: nothing that was done is lost or done again."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sam2_ros.evaluation.__main__ import main
from tests.common import REPOSITORY
from tests.evaluation import layouts
from tests.evaluation.filmed import write_clip
from tests.processes import ray_workers_of

pytestmark = pytest.mark.slow
PATIENCE = 120  # seconds
VIDEOS = 5


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos whose work takes long enough to be disturbed."""
    root = tmp_path_factory.mktemp('evaluation') / 'data'
    for number in range(VIDEOS):
        write_clip(root / f'street_{number}', layouts.ALONE.repeat(3, axis=0))
    return root


@pytest.fixture(scope='module')
def undisturbed(data: Path, micro_weights: Path) -> Path:
    """Results of a run in one process that nobody disturbs."""
    out = data.parent / 'undisturbed'
    assert main(arguments(data, out, micro_weights)) == 0
    return out


def arguments(data: Path, out: Path, weights: Path, *more: str) -> list[str]:
    network = ('--checkpoint', str(weights), '--image-size', '128')
    return ['folder', str(data), '--memory', 'dam', *network, '--output', str(out), *more]


def finished(out: Path) -> set[str]:
    """Names of the videos whose tracks are there."""
    return {file.stem for file in out.glob('tracks/dam/*.npz')}


def assert_same_results(out: Path, undisturbed: Path, *, arguments: str = '') -> None:
    """The page, pictures and scores, to the bit."""
    for file in sorted(undisturbed.rglob('*')):
        if file.is_file() and file.suffix != '.npz':  # which also say how long it took
            before, now = file.read_bytes(), (out / file.relative_to(undisturbed)).read_bytes()
            commands = (str(undisturbed.name).encode(), f'{out.name}{arguments}'.encode())
            assert before.replace(*commands) == now, file


@contextmanager
def command(words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, which ends with the block."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'sam2_ros.evaluation', *words], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        if not process.stderr.closed:
            process.communicate()


def wait_for(condition, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_after_ctrl_c_the_same_command_goes_on(
    data: Path, undisturbed: Path, micro_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = data.parent / 'stopped'
    words = arguments(data, out, micro_weights)
    with command(words) as process:
        wait_for(lambda: finished(out), process)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130 and error.endswith('stopped\n') and 'Traceback' not in error
    kept = {name: (out / f'tracks/dam/{name}.npz').stat().st_mtime_ns for name in finished(out)}
    assert 0 < len(kept) < VIDEOS and not list(out.rglob('*.part'))
    assert main(words) == 0
    assert {name: (out / f'tracks/dam/{name}.npz').stat().st_mtime_ns for name in kept} == kept
    assert_same_results(out, undisturbed)


@pytest.mark.skipif(importlib.util.find_spec('ray') is None, reason="needs Ray: pip install '.[cluster]'")
def test_a_killed_worker_of_a_ray_cluster_loses_nothing(data: Path, undisturbed: Path, micro_weights: Path) -> None:
    out = data.parent / 'cluster'
    with command(arguments(data, out, micro_weights, '--ray', 'local', '--processes', '2')) as process:
        wait_for(lambda: finished(out) and ray_workers_of(process.pid), process)
        killed = ray_workers_of(process.pid)[0]
        os.kill(killed, signal.SIGKILL)
        before = finished(out)
        error = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0, error
    assert len(before) < VIDEOS, 'it came too late'
    assert_same_results(out, undisturbed, arguments=' --ray local --processes 2')
