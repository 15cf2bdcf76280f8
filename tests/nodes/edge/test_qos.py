"""Quality of service that the user overrides with parameters."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from sam2_ros.nodes.edge.qos import make_publisher
from sam2_ros.nodes.tracker.image_source import FOLLOW_PERIOD
from tests.nodes.graph import IMAGE, Client, graph

pytestmark = pytest.mark.slow

BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
LISTENING = f'qos_overrides.{IMAGE}.subscription.reliability'
# Endpoints that ROS itself makes for a node or for tf2.
FOREIGN = ('/parameter_events', '/rosout', '/tf', '/tf_static', '/clock', 'transition_event')


def _restart(client: Client) -> None:
    for label in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert client.transition(label), label


def _asked_of_the_camera(client: Client) -> list[ReliabilityPolicy]:
    return [info.qos_profile.reliability for info in client.get_subscriptions_info_by_topic(IMAGE)]


def _offered(client: Client, output: str) -> list[ReliabilityPolicy]:
    return [info.qos_profile.reliability for info in client.get_publishers_info_by_topic(f'{client.tracker}/{output}')]


def test_every_endpoint_can_be_overridden(tracker: Client) -> None:
    node = tracker.tracker_node
    name, namespace = node.get_name(), node.get_namespace()
    for kind, endpoints in (
        ('publisher', node.get_publisher_names_and_types_by_node(name, namespace)),
        ('subscription', node.get_subscriber_names_and_types_by_node(name, namespace)),
    ):
        ours = [topic for topic, _ in endpoints if not topic.endswith(FOREIGN)]
        assert len(ours) > 5
        for topic in ours:
            for policy in ('history', 'depth', 'reliability'):
                assert node.has_parameter(f'qos_overrides.{topic}.{kind}.{policy}'), (topic, policy)


def test_an_output_stays_as_the_user_wants_it(micro_weights: Path) -> None:
    with graph(micro_weights, autostart=False) as client:
        node = client.tracker_node
        name = f'qos_overrides.{client.tracker}/overlay.publisher'
        node._parameter_overrides |= _overrides({f'{name}.reliability': 'best_effort', f'{name}.depth': 1})
        assert client.transition('configure') and client.transition('activate')
        for _ in range(2):  # the parameters are there already the second time
            client.wait_for(lambda: _offered(client, 'overlay') == [BEST_EFFORT], 'a best-effort overlay')
            assert node.get_parameter(f'{name}.depth').value == 1
            assert _offered(client, 'objects') == [RELIABLE]
            _restart(client)


def test_the_reliability_of_the_images_follows_the_camera_unless_told(micro_weights: Path) -> None:
    with graph(micro_weights) as client:
        assert client.tracker_node.get_parameter(LISTENING).value == 'best_available'
        _restart(client)
        client.connected()  # reliably, as the camera offers
        assert client.step(0).frame_index == 0
    with graph(micro_weights, autostart=False, **{LISTENING: 'best_effort'}) as client:
        assert client.transition('configure') and client.transition('activate')
        for index in range(2):
            client.wait_for(lambda: client.camera.get_subscription_count(), 'the tracker to listen')
            client.wait_for(lambda: client.count_publishers(f'{client.tracker}/objects'), 'the outputs')
            client.step(index)
            time.sleep(3 * FOLLOW_PERIOD)  # looks at the publishers change nothing
            assert _asked_of_the_camera(client) == [BEST_EFFORT]
            _restart(client)


def test_a_camera_that_cannot_do_what_the_user_wants(micro_weights: Path) -> None:
    with graph(micro_weights, autostart=False, image_timeout=0.5, **{LISTENING: 'reliable'}) as client:
        client.destroy_publisher(client.camera)
        client.create_publisher(Image, IMAGE, QoSProfile(depth=1, reliability=BEST_EFFORT))
        assert client.transition('configure') and client.transition('activate')
        assert client.log_line('qos_overrides makes this node ask for reliable messages')
        assert _asked_of_the_camera(client) == [RELIABLE]


@pytest.mark.parametrize('value', ['odd', 3])
def test_a_reliability_that_there_is_not(micro_weights: Path, value: object) -> None:
    with graph(micro_weights, autostart=False, **{LISTENING: value}) as client:
        assert client.transition('configure')
        assert not client.transition('activate')
        assert LISTENING in client.log_line('not activated')


@pytest.mark.parametrize(
    ('policy', 'value', 'sentence'),
    [
        ('reliability', 'odd', 'policy `reliability`: `odd`'),
        ('depth', 'many', "'many' of type 'STRING', expecting type 'INTEGER'"),
        ('depth', 0, 'depth is 0, but must be 1 at least'),
    ],
)
def test_overrides_that_cannot_be_used_are_told_in_one_sentence(
    tmp_path: Path, policy: str, value: Any, sentence: str
) -> None:
    file = tmp_path / 'overrides.yaml'
    overrides = {'qos_overrides': {'/image': {'publisher': {policy: value}}}}
    file.write_text(yaml.safe_dump({'/**': {'ros__parameters': overrides}}))
    done = subprocess.run(
        [sys.executable, '-m', 'sam2_ros.nodes.video_player.node', '--ros-args', '--params-file', file],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert 'publisher of /image: ' in done.stderr and sentence in done.stderr


def test_an_override_of_one_topic_is_of_this_topic_only(micro_weights: Path) -> None:
    """rclpy writes it into the profile, which several publishers share."""
    with graph(micro_weights, autostart=False) as client:
        shared = QoSProfile(depth=5, reliability=RELIABLE)
        client._parameter_overrides |= _overrides({'qos_overrides./one.publisher.reliability': 'best_effort'})
        for topic in ('/one', '/two'):
            make_publisher(client, Image, topic, shared)
        client.wait_for(lambda: client.count_publishers('/two'), 'the publishers')
        assert [
            client.get_publishers_info_by_topic(topic)[0].qos_profile.reliability for topic in ('/one', '/two')
        ] == [BEST_EFFORT, RELIABLE]
        assert shared.reliability is RELIABLE


def _overrides(values: dict[str, Any]) -> dict[str, Any]:
    return {name: Parameter(name, value=value) for name, value in values.items()}
