"""The launch files of one camera, under the real `ros2 launch`. Skipped where that is missing: it is not on PyPI."""

import os
import runpy
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sam2_ros.msg import Object3DArray

from sam2_ros.nodes.edge.transport import VARIABLES
from tests.common import REPOSITORY
from tests.nodes.graph import IMAGE, TIMEOUT, Client, client_of

pytest.importorskip('ros2launch', reason='ros2 launch is not installed; it is not on PyPI')
from launch.utilities import perform_substitutions

pytestmark = pytest.mark.slow

DEFAULTS = {
    'image': 'image',
    'namespace': '',
    'use_sim_time': '',
    'tracker': 'true',
    'rviz': 'true',
    'frame': '',
    'points': 'points',
    'camera_info': '',
    'transport': '',
    'detections': '',
    'model': '',
    'checkpoint': '',
    'device': '',
    'respawn': 'true',
    'page': 'false',
    'params_file': str(REPOSITORY / 'config/tracker.yaml'),
}


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
    with (
        client_of('/front/tracker') as client,
        launched(client, 'tracker.launch.py', 'namespace:=front', f'image:={IMAGE}', f'checkpoint:={micro_weights}'),
    ):
        client.connected()
        assert client.step(0).frame_index == 0


def test_the_demo(micro_weights: Path) -> None:
    with (
        client_of('/tracker') as client,
        launched(client, 'demo.launch.py', 'rviz:=false', f'checkpoint:={micro_weights}'),
    ):
        assert client.wait_for(lambda: client.received['objects'], 'an output')[0].image_width > 0


def test_the_demo_with_depth(micro_weights: Path) -> None:
    arguments = ('rviz:=false', f'checkpoint:={micro_weights}', 'source:=bodies', 'depth:=true')
    with client_of('/tracker') as client, launched(client, 'demo.launch.py', *arguments):
        found: list[Object3DArray] = []
        client.create_subscription(Object3DArray, '/objects_3d/objects', found.append, 10)
        assert client.wait_for(lambda: found, 'objects in space')[0].header.frame_id == 'camera_optical_frame'


def test_rviz_finds_the_calibration_beside_the_image() -> None:
    """Its camera display asks for /camera_info when its image is called image, whatever that is remapped to."""
    from launch import LaunchContext

    launch_file = runpy.run_path(str(REPOSITORY / 'launch/tracker.launch.py'))
    context = LaunchContext()
    expected = {'/camera/image_raw': '/camera/camera_info', 'image': 'camera_info', '/image': '/camera_info'}
    for image, info in expected.items():
        context.launch_configurations.update(DEFAULTS, image=image)
        (rviz,) = launch_file['_rviz'](context)
        rviz._perform_substitutions(context)
        rules = dict(rviz.expanded_remapping_rules)
        assert (rules['image'], rules['/camera_info'], rules['points']) == (image, info, 'points')


def test_what_rviz_is_told() -> None:
    from launch import LaunchContext

    launch_file = runpy.run_path(str(REPOSITORY / 'launch/tracker.launch.py'))
    context = LaunchContext()
    context.launch_configurations.update(
        DEFAULTS, image='/cam/image/compressed', namespace='front', frame='map', points='/cloud', camera_info='/info'
    )
    (rviz,) = launch_file['_rviz'](context)
    rviz._perform_substitutions(context)
    assert dict(rviz.expanded_remapping_rules) == {
        'image': 'tracker/overlay',
        '/camera_info': '/info',
        'points': '/cloud',
        '/clicked_point': '/front/clicked_point',
    }
    assert rviz._Node__arguments[-2:] == ['-f', 'map']


@pytest.mark.parametrize(
    ('transport', 'in_file', 'shown'),
    [
        ('', 'raw', '/cam/image'),
        ('', 'compressed', 'tracker/overlay'),
        ('compressed', 'raw', 'tracker/overlay'),
        ('raw', 'compressed', '/cam/image'),
        ('', '', '/cam/image'),
    ],
)
def test_rviz_shows_what_there_is_to_see(tmp_path: Path, transport: str, in_file: str, shown: str) -> None:
    from launch import LaunchContext

    launch_file = runpy.run_path(str(REPOSITORY / 'launch/tracker.launch.py'))
    file = tmp_path / 'parameters.yaml'
    table = f'  ros__parameters: {{image_transport: {in_file}}}' if in_file else ''
    file.write_text(f'/other:\n/**:\n{table}\n')
    context = LaunchContext()
    context.launch_configurations.update(DEFAULTS, image='/cam/image', transport=transport, params_file=str(file))
    (rviz,) = launch_file['_rviz'](context)
    rviz._perform_substitutions(context)
    assert dict(rviz.expanded_remapping_rules)['image'] == shown


@pytest.mark.parametrize('argument', ['image:=//x', 'model:=odd'])
def test_what_the_tracker_refuses_is_not_tried_again(argument: str) -> None:
    done = subprocess.run(
        ['ros2', 'launch', 'sam2_ros', 'tracker.launch.py', argument],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.stdout.count('process started') == 1 and 'exit code 2' in done.stdout


@pytest.mark.parametrize('name', ['tracker', 'cameras', 'video_player', 'demo'])
def test_the_transport_profile_is_for_what_the_launch_file_starts(name: str) -> None:
    from launch.actions import SetEnvironmentVariable

    launch_file = runpy.run_path(str(REPOSITORY / f'launch/{name}.launch.py'))
    entities = launch_file['generate_launch_description']().entities
    assert not any(isinstance(entity, SetEnvironmentVariable) for entity in entities)


def test_the_tracker_starts_again_and_has_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    from launch import LaunchContext

    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    launch_file = runpy.run_path(str(REPOSITORY / 'launch/tracker.launch.py'))
    context = LaunchContext()
    context.launch_configurations.update(DEFAULTS)
    (tracker,) = launch_file['_tracker'](context)
    given = {perform_substitutions(context, name) for name, _ in tracker.process_description.additional_env}
    assert given == set(VARIABLES)
    assert tracker._ExecuteLocal__respawn is True


@pytest.mark.parametrize('topic', ['', '/yolo/detections'])
def test_the_topic_of_a_detector_switches_detections_on(topic: str) -> None:
    from launch import LaunchContext

    launch_file = runpy.run_path(str(REPOSITORY / 'launch/tracker.launch.py'))
    context = LaunchContext()
    context.launch_configurations.update(DEFAULTS, detections=topic)
    (tracker,) = launch_file['_tracker'](context)
    tracker._perform_substitutions(context)
    assert dict(tracker.expanded_remapping_rules).get('detections', '') == topic
    files = [Path(argument) for argument, is_file in tracker._Node__expanded_parameter_arguments if is_file]
    assert ('detections: true' in files[-1].read_text()) is bool(topic)
