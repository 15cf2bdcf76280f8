"""Both launch files under the real `ros2 launch`. Skipped where that is not installed: it is not on PyPI."""

import os
import runpy
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.common import REPOSITORY
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


def test_rviz_finds_the_calibration_beside_the_image() -> None:
    """Its camera display asks for /camera_info when its image is called image, whatever that is remapped to."""
    from launch import LaunchContext
    launch_file = runpy.run_path(str(REPOSITORY / 'launch/tracker.launch.py'))
    context = LaunchContext()
    expected = {'/camera/image_raw': '/camera/camera_info', 'image': 'camera_info', '/image': '/camera_info'}
    for image, info in expected.items():
        context.launch_configurations.update(image=image, namespace='', use_sim_time='', rviz='true')
        (rviz,) = launch_file['_rviz'](context)
        rviz._perform_substitutions(context)
        assert dict(rviz.expanded_remapping_rules) == {'image': image, '/camera_info': info}
