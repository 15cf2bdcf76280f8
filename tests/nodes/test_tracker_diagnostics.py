"""What the diagnostics say while all is well, and when the node cannot keep up."""

import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus

from sam2_ros.nodes import diagnostics
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import Client, graph

STAGES = ('wait', 'convert', 'track', 'publish', 'total')


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def test_they_come_once_a_second() -> None:
    assert diagnostics.PERIOD == 1.0


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
            status = client.diagnosed('images', lambda status, _: 'falls behind' in status.message, 'a warning')
        assert status.level == DiagnosticStatus.WARN and int(values_of(status)['skipped']) > 0


def test_stamps_ahead_of_the_clock_are_told(micro_weights: Path) -> None:
    with graph(micro_weights) as client:
        client.begin = time.time() + 1000
        client.step(0)
        status = client.diagnosed('tracking', lambda status, _: status.level == DiagnosticStatus.WARN, 'a warning')
        assert 'ahead of the clock of this node (use_sim_time?)' in status.message
