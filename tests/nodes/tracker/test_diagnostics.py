"""What the diagnostics say while all is well, and when the node cannot keep up."""

import re
import threading
import time
from itertools import count
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import Image

from sam2_ros.live import measurements
from sam2_ros.nodes.edge.diagnostics import PERIOD
from sam2_ros.nodes.tracker import diagnostics
from sam2_ros.tracking.graphs import GraphRunner
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import Client, graph
from tests.tracking.fake_graphs import FakeCapture

pytestmark = pytest.mark.slow

STAGES = ('wait', 'convert', 'track', 'publish', 'total')


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def test_they_come_once_a_second() -> None:
    assert PERIOD == 1.0


def test_what_is_measured_while_all_is_well(tracker: Client) -> None:
    tracker.step(0)
    assert tracker.set_prompt('red', box=scene.box('red', 0)).success
    for index in range(1, 5):
        tracker.step(index)
    tracker.received['diagnostics'].clear()
    status = tracker.diagnosed('tracking', lambda _, values: values['objects visible'] == '1', 'the object')
    tracking = values_of(status)
    assert (status.level, status.hardware_id) == (DiagnosticStatus.OK, 'cpu')
    assert [tracking[key] for key in ('model', 'memory policy', 'device')] == ['sam2.1_hiera_micro', 'dam', 'cpu']
    assert float(tracking['processed images/s']) > 0 and float(tracking['process memory, MB']) > 100
    for stage in STAGES:
        assert 0 <= float(tracking[f'{stage} p50, ms']) <= float(tracking[f'{stage} p95, ms'])
    assert float(tracking['track p50, ms']) > 1
    assert [tracking[f'objects {state}'] for state in ('occluded', 'lost', 'catching_up')] == ['0', '0', '0']
    assert float(values_of(tracker.diagnosed('images', lambda *_: True, 'anything'))['images/s']) > 0


def test_a_slow_network_falls_behind_and_says_so(micro_weights: Path) -> None:
    with graph(micro_weights) as client:
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        with client.before_encoding(lambda: time.sleep(0.4)):
            for index in range(1, 60):  # ten times as fast as the network
                client.publish(index)
                time.sleep(0.04)
                if re.search("falls behind.*key='skipped', value='[1-9]", str(client.received['diagnostics'][-1:])):
                    break
            status = client.diagnosed(
                'images',
                lambda status, values: 'falls behind' in status.message and values['skipped'] != '0',
                'a warning',
            )
        assert status.level == DiagnosticStatus.WARN


def test_stamps_ahead_of_the_clock_are_told(micro_weights: Path) -> None:
    with graph(micro_weights) as client:
        client.begin = time.time() + 1000
        client.step(0)
        status = client.diagnosed('tracking', lambda status, _: status.level == DiagnosticStatus.WARN, 'a warning')
        assert 'ahead of the clock of this node (use_sim_time?)' in status.message


def test_graphs_and_their_trouble_are_told(micro_weights: Path) -> None:
    """Graphs as on a GPU, on the CPU; then they are given up."""
    with graph(micro_weights) as client:
        runner = GraphRunner(FakeCapture())
        client.tracker_node.parts.tracker._graphs = runner
        client.step(0)
        status = client.diagnosed('tracking', lambda _, values: values.get('graphs') == '1', 'one graph')
        assert status.level == DiagnosticStatus.OK
        assert float(values_of(status)['memory of graphs, MB']) >= 0
        runner.trouble = 'frames run without graphs, which is slower: a reason'
        status = client.diagnosed('tracking', lambda status, _: status.level == DiagnosticStatus.WARN, 'a warning')
        assert status.message == runner.trouble
        client.log_line(runner.trouble)


def test_two_cameras_on_one_topic_are_told(tracker: Client) -> None:
    tracker.step(0)
    second = tracker.create_publisher(Image, tracker.camera.topic_name, 10)
    status = tracker.diagnosed('images', lambda status, _: '2 publishers' in status.message, 'two publishers')
    assert status.level == DiagnosticStatus.WARN
    assert status.message.startswith(f'2 publishers send images on {tracker.camera.topic_name} (')
    assert tracker.log_line('2 publishers send images')
    tracker.destroy_publisher(second)
    tracker.diagnosed('images', lambda status, _: 'publishers' not in status.message, 'one publisher')


def test_two_nodes_of_one_name_are_told(tracker: Client) -> None:
    tracker.step(0)
    namespace, name = tracker.tracker.rsplit('/', 1)
    double = rclpy.create_node(name, namespace=namespace, context=tracker.context, enable_rosout=False)
    status = tracker.diagnosed('tracking', lambda status, _: '2 nodes' in status.message, 'two nodes')
    assert status.level == DiagnosticStatus.WARN and status.message.startswith(f'2 nodes are named {tracker.tracker}: ')
    assert tracker.log_line('2 nodes are named')
    double.destroy_node()


def test_a_camera_with_two_images_per_stamp_is_no_lasting_trouble(
    tracker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, 'IN_PAIRS', 2)
    stop = threading.Event()

    def send_pairs() -> None:
        for index in count():
            for _ in range(2):
                tracker.publish(index)
            if stop.wait(0.03):
                return

    sender = threading.Thread(target=send_pairs)
    sender.start()
    try:
        tracker.diagnosed(
            'images',
            lambda status, values: status.level == DiagnosticStatus.OK and int(values['duplicate']) > 20,
            'pairs that are usual by now',
        )
    finally:
        stop.set()
        sender.join()
    lines = [line.msg for line in tracker.received['log'] if 'has the stamp of the one before' in line.msg]
    assert len(lines) == 1


def test_a_camera_that_hangs_and_sends_one_image_for_ever_stays_a_trouble(
    tracker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, 'IN_PAIRS', 2)
    monkeypatch.setattr(measurements, 'RATE_SECONDS', 1.0)
    tracker.step(0)
    before = tracker.counts()['duplicate']
    for _ in range(20):  # longer than a rate is measured over
        tracker.publish(0)
        time.sleep(0.1)
    tracker.counted('duplicate', before + 20)
    status = tracker.diagnosed('images', lambda _, values: float(values['images/s']) == 0, 'no new image')
    assert status.level == DiagnosticStatus.WARN and 'duplicate' in status.message
