"""The launch file of several cameras. Skipped where `ros2 launch` is not installed: it is not on PyPI."""

from __future__ import annotations

import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.common import REPOSITORY
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import TIMEOUT, client_of

pytest.importorskip('ros2launch', reason='ros2 launch is not installed; it is not on PyPI')
from launch import LaunchContext
from launch.actions import GroupAction

from tests.nodes.tracker.test_launch import launched

pytestmark = pytest.mark.slow


def started(**arguments: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What the launch file starts: the parameters of the process, and the arguments of each RViz."""
    launch_file = runpy.run_path(str(REPOSITORY / 'launch/cameras.launch.py'))
    context = LaunchContext()
    defaults = {argument.name: '' for argument in launch_file['ARGUMENTS']}
    defaults |= {'params_file': str(REPOSITORY / 'config/tracker.yaml'), 'respawn': 'true', 'rviz': 'true'}
    context.launch_configurations.update(defaults | arguments)
    process, *groups = launch_file['_launch'](context)
    process._perform_substitutions(context)
    files = [file for file, is_file in process._Node__expanded_parameter_arguments if is_file]
    nodes = [launch_file['yaml'].safe_load(Path(file).read_text()) for file in files]
    values = {
        name: value for node in nodes for table in node.values() for name, value in table['ros__parameters'].items()
    }
    shown = []
    for group in groups:
        assert isinstance(group, GroupAction)
        (include,) = group._GroupAction__actions
        shown.append(dict(include.launch_arguments))
    return values, shown


def test_what_is_started() -> None:
    values, shown = started(
        cameras='front left', image='color', namespace='robot', model='sam2.1_hiera_tiny', use_sim_time='true'
    )
    assert (values['cameras'], values['model'], values['use_sim_time']) == (
        ['front', 'left'],
        'sam2.1_hiera_tiny',
        True,
    )
    assert (values['front.image'], values['left.image']) == ('color', 'color')
    assert values['ring_images'] == 90  # of config/tracker.yaml
    assert [(rviz['namespace'], rviz['image'], rviz['tracker']) for rviz in shown] == [
        ('robot/front', 'color', 'false'),
        ('robot/left', 'color', 'false'),
    ]


def test_the_parameter_file_names_the_cameras(tmp_path: Path) -> None:
    file = tmp_path / 'cameras.yaml'
    file.write_text(
        '/**:\n  ros__parameters: {cameras: [a, b], a: {image: /x/image}}\n'
        '/trackers:\n  ros__parameters: {b.image: y}\n/a/tracker:\n  ros__parameters: {memory: sam2}\n'
    )
    values, shown = started(params_file=str(file), rviz='true')
    assert 'front.image' not in values
    assert [(rviz['namespace'], rviz['image']) for rviz in shown] == [('/a', '/x/image'), ('/b', 'y')]
    with pytest.raises(FileNotFoundError, match='there is no file'):
        started(params_file='/nowhere.yaml')


def test_two_cameras(micro_weights: Path, tmp_path: Path) -> None:
    file = tmp_path / 'small.yaml'
    file.write_text('/**:\n  ros__parameters: {image_size: 64, cpu_threads: 1}\n')
    words = ('cameras:=front left', 'namespace:=robot', f'checkpoint:={micro_weights}', f'params_file:={file}')
    with (
        client_of('/robot/left/tracker', image='/robot/left/image_raw') as client,
        launched(client, 'cameras.launch.py', *words),
    ):
        client.connected()
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        names = client.get_node_names_and_namespaces()
        assert {('trackers', '/robot'), ('tracker', '/robot/front'), ('tracker', '/robot/left')} <= {*names}


@pytest.mark.parametrize('argument', ['cameras:=2nd', 'model:=odd'])
def test_what_the_process_refuses_is_not_tried_again(argument: str) -> None:
    words = ['cameras:=front'] if argument.startswith('model') else []
    done = subprocess.run(
        ['ros2', 'launch', 'sam2_ros', 'cameras.launch.py', argument, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.stdout.count('process started') == 1 and 'exit code 2' in done.stdout
