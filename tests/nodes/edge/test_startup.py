"""How nodes begin: names that ROS refuses, and the name of the image topic."""

import subprocess
import sys
from pathlib import Path

import pytest

from sam2_ros.nodes.edge.startup import base_topic, subscribed_topic
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


@pytest.mark.parametrize('module', ['tracker', 'video_player', 'recorder'])
def test_names_that_ros_refuses_are_told_in_one_sentence(module: str) -> None:
    rules = BAD if module == 'video_player' else BAD[-1:] + BAD[:1]  # each is a process
    for rule in rules:
        done = subprocess.run(
            [sys.executable, '-m', f'sam2_ros.nodes.{module}.node', '--ros-args', '-r', rule],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2, (rule, done.stderr)
        assert 'Traceback' not in done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
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
