"""What Ctrl-C and SIGTERM do to a tool."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import assert_all_end, children_of

TOOL = """
import time
from sam2_ros.interruption import noted_interruption
with noted_interruption() as interruption:
    print('at work', flush=True)
    while not interruption.came:
        time.sleep(0.01)
    print('noted', flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_and_the_second_ends_the_process(number):
    process = subprocess.Popen(
        [sys.executable, '-c', TOOL], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    for said in ('at work', 'noted'):
        assert process.stdout.readline() == f'{said}\n'
        process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == -number


BURST = """
import signal, sys
from sam2_ros.interruption import noted_interruption
left = int(sys.argv[1])
def trace(frame, event, argument):
    global left
    left -= event == 'line'
    if left == 0:
        left = -1
        signal.raise_signal(signal.SIGTERM)
    return trace
with noted_interruption() as interruption:
    sys.settrace(trace)
    signal.raise_signal(signal.SIGINT)
    sys.settrace(None)
assert interruption.came
"""


@pytest.mark.parametrize('line', range(1, 9))
def test_a_second_signal_while_the_first_is_noted_holds_up_nothing(line):
    """Whatever line of Python the first one has come to: nothing that runs then may wait for a lock."""
    done = subprocess.run([sys.executable, '-c', BURST, str(line)], timeout=30, stderr=subprocess.DEVNULL)
    assert done.returncode in (0, -signal.SIGTERM)


def seconds_of_work(pid):
    """Time of the processor that a process has used."""
    return int(Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[11]) / os.sysconf('SC_CLK_TCK')


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='looks for processes in /proc')
def test_the_benchmark_takes_its_worker_along():
    """Ctrl-C in a terminal reaches both; other signals are for one process only."""
    words = ['--objects', '1', '--frames', '1000000', '--image-sizes', '64', '--camera', '160x96', '--threads', '1']
    bench = subprocess.Popen(
        [sys.executable, '-m', 'sam2_ros.tools.bench', *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    children = []
    deadline = time.monotonic() + 120
    while not any(seconds_of_work(child) > 4 for child in children):  # it is beyond its beginning
        assert time.monotonic() < deadline
        time.sleep(0.1)
        children = children_of(bench.pid)
    bench.terminate()
    bench.wait()
    assert_all_end(children)
