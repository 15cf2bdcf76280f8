"""What Ctrl-C and SIGTERM do to a tool."""

import signal
import subprocess
import sys

import pytest

TOOL = """
import time
from sam2_ros.tools.interruption import noted_interruption
with noted_interruption() as interrupted:
    print('at work', flush=True)
    interrupted.wait()
    print('noted', flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_and_the_second_ends_the_process(number):
    process = subprocess.Popen([sys.executable, '-c', TOOL], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    for said in ('at work', 'noted'):
        assert process.stdout.readline() == f'{said}\n'
        process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == -number
