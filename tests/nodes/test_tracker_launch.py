"""Both launch files under the real `ros2 launch`. Skipped where that is not installed: it is not on PyPI."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.nodes.graph import IMAGE, TIMEOUT, Client, client_of

pytest.importorskip('ros2launch', reason='ros2 launch is not installed; it is not on PyPI')


@contextmanager
def launched(client: Client, *arguments: str) -> Iterator[None]:
    """`ros2 launch sam2_ros ...` on the graph of the client; interrupted at the end, as by Ctrl-C."""
    environment = os.environ | {'ROS_DOMAIN_ID': str(client.context.get_domain_id())}
    process = subprocess.Popen(['ros2', 'launch', 'sam2_ros', *arguments], env=environment)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 0


def test_the_tracker(micro_weights: Path) -> None:
    with client_of('/front/tracker') as client, launched(
            client, 'tracker.launch.py', 'namespace:=front', f'image:={IMAGE}',
            f'checkpoint:={micro_weights}'):
        client.connected()
        assert client.step(0).frame_index == 0


def test_the_demo(micro_weights: Path) -> None:
    with client_of('/tracker') as client, launched(
            client, 'demo.launch.py', 'rviz:=false', f'checkpoint:={micro_weights}'):
        assert client.wait_for(lambda: client.received['objects'], 'an output')[0].image_width > 0
