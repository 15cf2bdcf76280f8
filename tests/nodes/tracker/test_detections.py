"""A detector starts and names objects, over a real graph. The rules are tested in tests/detections, without one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from sam2_ros.msg import TrackedObject
from std_srvs.srv import Trigger

from sam2_ros.nodes.tracker import detection_input
from sam2_ros.tracking import Prompt
from tests.nodes import tracker_scene as scene
from tests.nodes.detector import FakeDetector, detection_message, graph_with_detector, vision_msgs
from tests.nodes.graph import PERIOD, TIMEOUT, Client, graph, stamp_of
from tests.nodes.reference import mask_of

pytestmark = pytest.mark.slow

CONFIRM = 2


def red_and_blue(index: int) -> list:
    return [detection_message(scene.box('red', index), '1'), detection_message(scene.box('blue', index), '0', 0.8)]


def started(client: Client, detector: FakeDetector, *, images: int = 2) -> int:
    """Show images and what was detected in them until there are two objects; the index of the last image."""
    for index in range(images):
        client.step(index)
        detector.send(client.stamp(index), *red_and_blue(index))
    while len(found := client.step(index := index + 1).objects) < 2 or any(
        tracked.state == TrackedObject.CATCHING_UP for tracked in found
    ):
        assert index < 30
    return index


def test_boxes_start_objects_on_the_image_they_are_of(micro_weights: Path) -> None:
    with graph_with_detector(micro_weights, detection_confirm=CONFIRM, class_names=['ball', 'disc']) as (
        client,
        detector,
    ):
        for index in range(6):
            client.step(index)
        for index in range(CONFIRM):  # five images late
            detector.send(client.stamp(index), *red_and_blue(index))
        detector.counted('detections_started', 2)
        last = 6
        while any(tracked.state == TrackedObject.CATCHING_UP for tracked in client.step(last).objects):
            last += 1
        objects = {tracked.object_id: tracked for tracked in client.step(last + 1).objects}
        assert set(objects) == {'disc_1', 'ball_1'}
        red = objects['disc_1']
        assert (red.class_name, red.source) == ('disc', TrackedObject.SOURCE_DETECTOR)
        assert red.class_score == pytest.approx(0.9) and red.detections_missed == 0
        assert red.first_seen == client.stamp(CONFIRM - 1)
        prompt = Prompt('disc_1', box=scene.box('red', CONFIRM - 1))
        assert client.is_right(red, range(CONFIRM - 1, last + 2), prompt=prompt)
        detector.send(client.stamp(last + 1), red_and_blue(last + 1)[1])
        detector.counted('detections_matched', 1)
        missed = {tracked.object_id: tracked.detections_missed for tracked in client.step(last + 2).objects}
        assert missed == {'disc_1': 1, 'ball_1': 0}


def test_a_stream_with_a_detector_that_is_late_and_often_wrong(micro_weights: Path) -> None:
    """Five images late, 2 pixels of jitter, a fifth missing, a tenth invented, letterboxed, stamps rounded to ms."""
    side, late = 320, 5
    scale, bar = side / scene.WIDTH, (side - scene.HEIGHT * side / scene.WIDTH) / 2
    rng = np.random.default_rng(3)

    def found(index: int) -> list:
        boxes = []
        for name, class_id in (('red', '1'), ('blue', '0')):
            if rng.random() > 0.2:
                boxes.append((np.array(scene.box(name, index)) + rng.normal(0, 2, 4), class_id))
            if rng.random() < 0.1:
                x, y = rng.uniform(0, (scene.WIDTH - 30, scene.HEIGHT - 30))
                boxes.append((np.array([x, y, x + 28, y + 28]), class_id))
        return [detection_message(tuple(box * scale + (0, bar, 0, bar)), class_id) for box, class_id in boxes]

    with graph_with_detector(micro_weights, detection_size=[side, side], detection_fit='letterbox') as (
        client,
        detector,
    ):
        client.begin += 0.000_37
        for index in range(50):
            objects = client.step(index).objects
            if index >= late:
                stamp = client.begin + PERIOD * (index - late)
                detector.send(stamp_of(round(stamp, 3)), *found(index - late))
        assert sorted(tracked.object_id for tracked in objects) == ['0_1', '1_1']
        for tracked in objects:
            name = {'1': 'red', '0': 'blue'}[tracked.class_name]
            assert scene.overlap(mask_of(tracked), scene.disc(name, 49)) > 0.7
        assert detector.counts()['detections_started'] == 2 and 'detections_merged' not in detector.counts()


def test_they_are_not_heard_unless_they_are_wanted(tracker: Client) -> None:
    tracker.step(0)
    assert tracker.tracker_node.parts.inputs.detections is None
    tracker.diagnosed('images', lambda *_: True, 'anything')
    names = {info.name.split(': ')[1] for info in tracker.received['diagnostics'][-1].status}
    assert names == {'images', 'tracking', 'prompts'}
    topics = dict(tracker.get_topic_names_and_types())
    assert not [topic for topic in topics if topic.endswith('/detections') and tracker.tracker not in topic]


def test_without_vision_msgs_they_are_refused_with_a_sentence(
    micro_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection_input, 'Detection2DArray', None)
    with graph(micro_weights, autostart=False, detections=True) as client:
        assert not client.transition('configure')
        assert 'not configured: detections is true, but vision_msgs is not installed' in client.log_line('vision_msgs')
        assert client.set_parameter('detections', False).successful
        assert client.transition('configure')


def test_boxes_on_a_skipped_image_start_an_object_there(micro_weights: Path) -> None:
    with graph_with_detector(micro_weights, detection_confirm=1) as (client, detector):
        client.step(0)
        assert client.set_prompt('blue', box=scene.box('blue', 0)).success
        with client.overtaken(1, last=4):
            detector.send(client.stamp(3), red_and_blue(3)[0])  # skipped, and the next one is not tracked yet
            assert 'detections' not in detector.counts()
        detector.counted('detections_started')
        index = 5
        while (red := client.step(index).objects[1]).state == TrackedObject.CATCHING_UP:
            index += 1
        assert red.first_seen == client.stamp(3)
        assert client.is_right(red, [3, 4, *range(5, index + 1)], prompt=Prompt(red.object_id, box=scene.box('red', 3)))


def test_a_message_waits_for_its_image(micro_weights: Path) -> None:
    with graph_with_detector(micro_weights, detection_confirm=1, prompt_wait=10.0) as (client, detector):
        client.step(0)
        assert client.set_prompt('blue', box=scene.box('blue', 0)).success
        detector.send(client.stamp(1), red_and_blue(1)[0])
        with client.busy_network() as at_work:
            client.publish(1)
            assert at_work.wait(TIMEOUT)
            assert 'detections' not in detector.counts()
        detector.counted('detections_started')


def test_messages_without_an_image_and_boxes_that_are_none_are_counted(micro_weights: Path) -> None:
    with graph_with_detector(micro_weights, detection_confirm=1) as (client, detector):
        client.step(0)
        whole = red_and_blue(0)[0]
        detector.send(Time(), whole)
        assert 'has no stamp; copy the header' in client.log_line('finds no image')
        detector.send(stamp_of(1.0), whole)
        detector.counted('detections_unplaced', 2)
        assert 'is too old' in client.log_line('too old')
        bad = [
            detection_message((math.nan, 0, 3, 3)),
            detection_message((5, 5, 5, 9)),
            detection_message((0, 0, 9, 9), score=math.nan),
            detection_message((0, 0, 9, 9), score=87.0),
            detection_message((0, 0, 9, 9), 'two\nlines'),
            detection_message((0, 0, 9, 9)),
        ]
        bad[-1].results = []
        detector.send(client.stamp(0), *bad, detection_message((500, 0, 540, 9)))
        detector.counted('detections_invalid', len(bad))
        detector.counted('detections_outside')
        for text in ('not finite', 'above 0', 'its score is nan', 'its score is 87', 'printable', 'no result'):
            assert client.log_line(text).startswith('a detection is refused: ')
        all_counted = {'messages without an image': '2', 'detections that are no box': str(len(bad))}
        client.diagnosed('detections', lambda _, values: values.items() >= all_counted.items(), 'all that was counted')
        client.diagnosed('detections', lambda status, _: status.level == DiagnosticStatus.WARN, 'a warning')
        detector.send(client.stamp(0), whole)  # and it goes on
        detector.counted('detections_started')


def test_what_an_operator_removes_stays_removed_and_what_an_operator_touches_is_his(micro_weights: Path) -> None:
    with graph_with_detector(micro_weights, detection_confirm=CONFIRM) as (client, detector):
        index = started(client, detector)
        red, blue = client.step(index := index + 1).objects
        assert client.remove(red.object_id).success
        assert client.set_prompt(blue.object_id, points=[scene.centre('blue', index)]).success
        for _ in range(5):
            client.step(index := index + 1)
            detector.send(client.stamp(index), *red_and_blue(index))
        detector.counted('detections_held_barred', 5)
        (left,) = client.step(index + 1).objects
        assert (left.object_id, left.source) == (blue.object_id, TrackedObject.SOURCE_OPERATOR)
        assert detector.counts()['detections_started'] == 2
        assert client.call('reset', Trigger.Request()).success  # then all begins anew
        client.begin += 1000.0
        started(client, detector)
        assert detector.counts()['detections_started'] == 4


def test_what_was_seen_is_forgotten_when_the_node_is_deactivated(micro_weights: Path) -> None:
    with graph_with_detector(micro_weights, detection_confirm=2) as (client, detector):
        client.step(0)
        detector.send(client.stamp(0), *red_and_blue(0))
        assert client.transition('deactivate') and client.transition('activate')
        client.connected()
        detector.send(client.stamp(0), *red_and_blue(0))
        client.step(1)
        assert 'detections_started' not in detector.counts()
        detector.send(client.stamp(1), *red_and_blue(1))
        detector.counted('detections_started', 2)
        assert client.transition('deactivate')
        detector.send(client.stamp(1), *red_and_blue(1))  # nobody looks at it
        assert client.transition('cleanup') and client.transition('configure') and client.transition('activate')


def test_the_detector_in_the_diagnostics(micro_weights: Path) -> None:
    with graph_with_detector(micro_weights, detection_confirm=CONFIRM, image_timeout=0.5, max_objects=1) as (
        client,
        detector,
    ):
        status = client.diagnosed('detections', lambda status, _: 'nothing on' in status.message, 'silence')
        assert status.level == DiagnosticStatus.WARN
        client.step(0)
        detector.send(client.stamp(0), *red_and_blue(0))
        status = client.diagnosed('detections', lambda _, values: values['waiting'] == '2', 'two that wait')
        client.step(1)
        detector.send(client.stamp(1), *red_and_blue(1))
        status = client.diagnosed('detections', lambda _, values: values['objects started'] == '1', 'an object')
        values = {pair.key: pair.value for pair in status.values}
        assert (values['messages'], values['boxes']) == ('2', '4')
        index = 2
        while 'max_objects are tracked already' not in repr(client.received['diagnostics'][-3:]) and index < 100:
            client.step(index)
            detector.send(client.stamp(index), *red_and_blue(index))  # there is no room for the other one
            index += 1
        assert index < 100
        assert float(values['age of newest message, s']) > 0


def test_names_from_the_detector_itself(micro_weights: Path) -> None:
    if vision_msgs is None:
        pytest.skip('vision_msgs is not installed (it is not on PyPI)')
    with graph_with_detector(micro_weights, detection_confirm=1) as (client, detector):
        detector.name({1: 'disc'})
        client.wait_for(lambda: client.tracker_node.parts.inputs.detections._class_ids._heard, 'the names')
        client.step(0)
        detector.send(client.stamp(0), *red_and_blue(0))
        detector.counted('detections_started', 2)
        assert {tracked.object_id for tracked in client.step(1).objects} == {'disc_1', '0_1'}
