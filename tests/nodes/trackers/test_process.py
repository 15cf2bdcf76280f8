"""The node of the process: parameters, lifecycle, diagnostics, and the process itself."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticStatus

from sam2_ros.nodes.edge import diagnostics
from sam2_ros.nodes.edge.parameters import yaml_text
from sam2_ros.nodes.tracker.parameters import TRACKER_PARAMETERS
from sam2_ros.nodes.trackers.node import TrackersNode
from sam2_ros.nodes.trackers.parameters import EXAMPLE, TITLE, process_parameters
from tests.common import REPOSITORY
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import DOMAINS, Client, client_of
from tests.nodes.trackers.cameras import Cameras, cameras_graph

YAML = REPOSITORY / 'config/cameras.yaml'


def test_the_parameter_file_is_the_table() -> None:
    assert YAML.read_text() == yaml_text(EXAMPLE, title=TITLE), (
        'write it anew: python -m sam2_ros.nodes.trackers.parameters > config/cameras.yaml'
    )
    values = yaml.safe_load(YAML.read_text())['/**']['ros__parameters']
    assert values['cameras'] == ['front', 'left']
    assert [values[f'{name}.space_clicks'] for name in values['cameras']] == [True, False]


def test_nothing_is_declared_twice() -> None:
    """What is about the network is of the process, all else of the cameras; `autostart` both have."""
    of_process = {row.name for row in process_parameters(['front'])}
    assert of_process & {row.name for row in TRACKER_PARAMETERS} == {
        'autostart', 'model', 'checkpoint', 'device', 'dtype', 'image_size', 'cpu_threads',
    }  # fmt: skip


@pytest.mark.slow
def test_the_lifecycle_of_the_process(micro_weights: Path) -> None:
    with cameras_graph(micro_weights, autostart=False, of_cameras={'front': {'autostart': True}}) as cameras:
        process, front, left = cameras.process, cameras.front, cameras.left
        status = process.diagnosed('network', lambda *_: True, 'anything')
        assert status.level == DiagnosticStatus.WARN
        assert status.message == 'the node is unconfigured: no model is loaded'
        assert process.transition('configure')
        network = weakref.ref(cameras.node._network)
        cameras.connect('front')
        front.step(0)
        assert left.transition('configure')
        assert process.transition('activate')  # those that are inactive
        left.connected()
        left.step(0)
        assert left.set_prompt('red', box=scene.box('red', 0)).success
        refused = process.set_parameter('image_size', 256)
        assert not refused.successful and 'while the node is unconfigured' in refused.reason
        assert process.transition('deactivate')
        front.wait_for(lambda: front.camera.get_subscription_count() == 0, 'no listener')
        assert [camera.node.state for camera in cameras.node.cameras.values()] == ['inactive', 'inactive']
        assert process.transition('activate')
        left.connected()
        assert left.step(1).objects[0].object_id == 'red'
        for client in (front, left):
            assert client.transition('deactivate') and client.transition('cleanup')
        gc.collect()
        assert network() is not None  # a camera that comes back finds it
        assert front.transition('configure') and front.transition('activate')
        front.connected()
        front.tracker_node = None
        assert process.transition('deactivate') and process.transition('cleanup')
        gc.collect()
        assert network() is None
        process.wait_for(lambda: not process.count_publishers(f'{front.tracker}/objects'), 'no camera')
        assert not [name for name in process.get_node_names() if name == 'tracker']
        assert process.transition('configure')
        cameras.connect('front')


@pytest.mark.slow
def test_who_has_how_much_of_the_network(micro_weights: Path) -> None:
    assert diagnostics.PERIOD == 1.0
    with cameras_graph(micro_weights) as cameras:
        front = cameras.front
        front.step(0)
        assert front.set_prompt('red', box=scene.box('red', 0)).success
        for index in range(1, 20):
            front.step(index)
        status = cameras.process.diagnosed(
            'network', lambda _, values: float(values['front: share of time, %']) > 1, 'work for front'
        )
        values = {pair.key: pair.value for pair in status.values}
        assert (status.level, status.hardware_id) == (DiagnosticStatus.OK, 'cpu')
        assert values['model'] == 'sam2.1_hiera_micro' and float(values['process memory, MB']) > 100
        assert float(values['left: share of time, %']) == 0 and values['left: state'] == 'active'
        assert status.message.startswith('the network is busy ')


@pytest.mark.slow
def test_a_camera_that_is_configured_waits_for_the_network_and_nobody_for_it(cameras: Cameras) -> None:
    front, left = cameras.front, cameras.left
    assert left.transition('deactivate') and left.transition('cleanup')
    front.step(0)
    assert front.set_prompt('red', box=scene.box('red', 0)).success
    encoding: list[str] = []
    with front.before_encoding(lambda: encoding.append(threading.current_thread().name)):
        with front.busy_network() as at_work:
            front.publish(1)
            assert at_work.wait(10)
            configured = left.ask_for_transition('configure')
            left.wait_for(lambda: cameras.node._engine.thread._calls, 'the node to ask for the network')
            assert front.set_parameter('click_object', '').successful
            assert cameras.process.set_parameter('front.weight', 2.0).successful
            assert not configured.done()
        assert left.wait_for(lambda: configured.done() and configured.result(), 'the transition').success
    assert set(encoding) == {'inference'}
    assert left.transition('activate')
    left.connected()


def settings_words(weights: Path) -> list[str]:
    values = {'checkpoint': weights, 'image_size': 64, 'cpu_threads': 1}
    return [word for name, value in values.items() for word in ('-p', f'{name}:={value}')]


@contextmanager
def process(weights: Path, *words: str) -> Iterator[tuple[subprocess.Popen, Client]]:
    """The executable in a process of its own, and a client of camera front."""
    with client_of('/front/tracker', image='/front/color') as client:
        command = [sys.executable, '-m', 'sam2_ros.nodes.trackers.node', '--ros-args', *settings_words(weights), *words]
        environment = os.environ | {'ROS_DOMAIN_ID': str(client.context.get_domain_id())}
        running = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            yield running, client
        finally:
            running.kill()
            running.communicate()


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_process_tracks_and_ends_in_order(micro_weights: Path, number: signal.Signals) -> None:
    """Also under another name, which is for its own node only."""
    words = ('-p', 'cameras:=[front, left]', '-p', 'front.image:=color', '-r', '__node:=robot')
    with process(micro_weights, *words) as (running, client):
        client.connected()
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        assert client.step(1).objects[0].object_id == 'red'
        names = {f'{namespace.rstrip("/")}/{name}' for name, namespace in client.get_node_names_and_namespaces()}
        assert {'/robot', '/front/tracker', '/left/tracker'} <= names
        for index in range(2, 6):
            client.publish(index)  # so that it is at work
        running.send_signal(number)
        _, errors = running.communicate(timeout=20)
        assert running.returncode == 0, errors
        assert 'Traceback' not in errors and 'terminate' not in errors


# Each command line is given to a process of its own, which is forked when all is imported: that takes the most time.
TRY_ALL = """
import json, os, signal, sys, tempfile
from sam2_ros.nodes.trackers.node import main
ends = []
for words in json.load(sys.stdin):
    with tempfile.TemporaryFile() as errors:
        child = os.fork()
        if not child:
            os.dup2(errors.fileno(), 2)
            signal.alarm(60)  # ends what should not have started
            main(words)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        errors.seek(0)
        ends.append((code, errors.read().decode()))
print(json.dumps(ends))
"""
REFUSED: dict[str, tuple[str, ...]] = {
    'cameras is [], but must be a list of texts, one at least': (),
    "cameras is 'front', but must be a list of texts": ('-p', 'cameras:=front'),
    "cameras holds 'front' several times": ('-p', 'cameras:=[front, front]'),
    "cameras holds '2nd'; names are words of letters, digits and _": ('-p', 'cameras:=[2nd]'),
    "a.image is '//x', but must be the name of a topic": ('-p', 'cameras:=[a]', '-p', 'a.image:=//x'),
    'a.weight is 0.0, but must be a number from 0.01 to 100': ('-p', 'cameras:=[a]', '-p', 'a.weight:=0.0'),
    "model is 'odd', but must be one of": ('-p', 'cameras:=[a]', '-p', 'model:=odd'),
}


@pytest.fixture(scope='module')
def ends(micro_weights: Path) -> dict[str, tuple[int, str]]:
    """How the processes end: exit code and what they print to stderr, by the sentence that is expected."""
    given = [['--ros-args', *settings_words(micro_weights), *words] for words in REFUSED.values()]
    environment = os.environ | {'ROS_DOMAIN_ID': str(next(DOMAINS))}
    done = subprocess.run(
        [sys.executable, '-c', TRY_ALL],
        input=json.dumps(given),
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(REFUSED, json.loads(done.stdout), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize('sentence', REFUSED)
def test_what_cannot_be_started_ends_with_a_sentence(ends: dict[str, tuple[int, str]], sentence: str) -> None:
    code, errors = ends[sentence]
    assert code == 2 and sentence in errors and 'Traceback' not in errors


@pytest.mark.slow
def test_a_camera_with_a_bad_parameter_is_named(micro_weights: Path) -> None:
    with cameras_graph(micro_weights, autostart=False, of_cameras={'left': {'image_timeout': -3.0}}) as cameras:
        assert not cameras.process.transition('configure')
        assert 'left/tracker: image_timeout is -3.0, but must be' in cameras.process.log_line('not configured: ')
        assert isinstance(cameras.node, TrackersNode) and not cameras.node.cameras
