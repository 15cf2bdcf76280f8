"""How nodes begin: names that ROS refuses, and the name of the image topic."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import rclpy

from sam2_ros.nodes.edge.startup import base_topic, end_ros, subscribed_topic
from tests.nodes.graph import IMAGE, graph

pytestmark = pytest.mark.slow

BAD = ('image:=//x', 'image:=/x/', 'image:=a-b', 'image:=', '__node:=a-b', '__node:=', '__ns:=//', '__ns:=/a/')


@pytest.mark.parametrize(
    ('topic', 'transport', 'expected'),
    [
        ('/x/image', 'raw', ('/x/image', False)),
        ('/x/image', 'compressed', ('/x/image/compressed', True)),
        ('/x/image/compressed', 'raw', ('/x/image/compressed', True)),
        ('/x/image/compressed', 'compressed', ('/x/image/compressed', True)),
    ],
)
def test_the_topic_that_is_listened_to(topic: str, transport: str, expected: tuple[str, bool]) -> None:
    assert subscribed_topic(topic, transport=transport) == expected
    assert base_topic(topic) == '/x/image'


def test_a_signal_that_shuts_ros_down_first_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """rclpy asks whether ROS is up and then shuts it down; the signal comes in between."""
    shut_down = rclpy.try_shutdown

    def too_late() -> None:
        shut_down()
        raise RuntimeError('failed to shutdown: rcl_shutdown already called on the given context')

    rclpy.init()
    monkeypatch.setattr(rclpy, 'try_shutdown', too_late)
    end_ros()
    assert not rclpy.ok()


# Imports a node once, and starts it with each list of arguments in a process of its own. Says how those ended.
START_EACH = """
import json, os, sys
from importlib import import_module
node = import_module(f'sam2_ros.nodes.{sys.argv[1]}.node')
ended = []
for arguments in json.loads(sys.argv[2]):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writer, sys.stderr.fileno())
        sys.argv[1:] = arguments
        try:
            node.main()
        except SystemExit as end:
            sys.stderr.flush()
            os._exit(end.code)  # without taking apart what all of them have imported
        raise AssertionError('it should have been refused')
    os.close(writer)
    with open(reader) as errors:
        said = errors.read()
    ended.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said])
print(json.dumps(ended))
"""


@pytest.mark.parametrize('module', ['tracker', 'video_player', 'recorder'])
def test_names_that_ros_refuses_are_told_in_one_sentence(module: str) -> None:
    rules = BAD if module == 'video_player' else BAD[-1:] + BAD[:1]
    arguments = json.dumps([['--ros-args', '-r', rule] for rule in rules])
    done = subprocess.run(
        [sys.executable, '-c', START_EACH, module, arguments], capture_output=True, text=True, timeout=120, check=True
    )
    for rule, (code, errors) in zip(rules, json.loads(done.stdout), strict=True):
        assert code == 2, (rule, errors)
        assert 'Traceback' not in errors
        (line,) = [line for line in errors.splitlines() if line.startswith('error: ')]
        assert 'ROS refuses' in line and 'single slashes between' in line


def test_unknown_arguments_are_told() -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'sam2_ros.nodes.video_player.node', '--ros-args', '--odd'],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and "error: unknown ROS arguments: ['--odd']" in done.stderr


def test_an_image_topic_with_the_suffix_of_the_transport(micro_weights: Path) -> None:
    with graph(micro_weights, image=f'{IMAGE}/compressed') as client:
        assert client.step(0).frame_index == 0
