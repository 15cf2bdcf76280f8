"""The page beside a real tracker, over the real graph."""

from __future__ import annotations

import json
import logging
import re
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import Reader
from sam2_ros.msg import Prompt, TrackedObjectArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from sam2_ros.nodes.edge.messages import mask_from_object
from sam2_ros.tools.track_bag import main as track_bag
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import Client, graph
from tests.nodes.operator_page.live_page import LivePage, page_beside, stamp_text
from tests.nodes.reference import same

pytestmark = pytest.mark.slow


def _show(tracker: Client, page: LivePage, index: int) -> dict:
    """Publish an image until the page shows it: the first ones come before the node listens."""
    stamp = stamp_text(tracker.step(index).header.stamp)
    head = page.picture()
    while head['stamp'] != stamp:
        head = page.picture()
    return head


def _watching(tracker: Client, page: LivePage) -> dict:
    """Open the page and show image 0 on it."""
    page.head = page.open()
    page.watch()
    tracker.wait_for(lambda: _listens(tracker), 'the page to listen')
    return _show(tracker, page, 0)


def _listens(tracker: Client) -> bool:
    """Whether the page listens to the images and the objects reliably."""
    topics = (tracker._image_topic, f'{tracker.tracker}/objects')
    return all(
        any(
            info.node_name == 'operator_page' and info.qos_profile.reliability.name == 'RELIABLE'
            for info in tracker.get_subscriptions_info_by_topic(topic)
        )
        for topic in topics
    )


def _click(page: LivePage, disc: str, index: int, stamp: str, **entries: object) -> dict:
    x, y = (round(place) for place in scene.centre(disc, index))
    return page.ask(do='prompt', stamp=stamp, points=[[x, y, 1]], **entries)


def test_a_click_is_for_the_picture_that_was_seen(tracker: Client) -> None:
    """Three newer images have passed when it comes. The answer names the clicked one, and has its mask."""
    with page_beside(tracker) as page:
        seen = _watching(tracker, page)
        for index in (1, 2, 3):
            tracker.step(index)
        answer = _click(page, 'red', 0, seen['stamp'], object='red')
        assert answer['success'], answer['reason']
        assert answer['stamp'] == seen['stamp'] == stamp_text(tracker.stamp(0))
        (shown,) = answer['objects']
        assert shown['id'] == 'red' and scene.overlap(shown['mask'], scene.disc('red', 0)) > 0.7
        # from there it is tracked up to the newest image
        objects = tracker.step(4).objects
        assert [one.object_id for one in objects] == ['red']


def test_pictures_have_what_the_tracker_says(tracker: Client) -> None:
    with page_beside(tracker) as page:
        _watching(tracker, page)
        tracker.set_prompt('red', stamp=tracker.stamp(0), box=scene.box('red', 0), class_name='ball')
        head = _show(tracker, page, 1)
        said = tracker.received['objects'][-1].objects[0]
        (red,) = head['objects']
        assert (head['width'], head['height'], head['type']) == (scene.WIDTH, scene.HEIGHT, 'image/jpeg')
        assert head['file'].startswith(b'\xff\xd8\xff')
        assert (red['id'], red['class_name'], red['state'], red['source']) == ('red', 'ball', 'visible', 'operator')
        assert red['box'] == [int(edge) for edge in said.box] and red['mask'].sum() == red['area'] == said.area
        assert red['occlusion'] == pytest.approx(said.occlusion_probability, abs=1e-3)
        assert scene.overlap(red['mask'], scene.disc('red', 1)) > 0.7
        events = [seen['red'][1] for _, seen in head['frames'] if 'red' in seen]
        assert events and set(events) <= {'', 'recent', 'anchor', 'prompt'}


def test_correct_rename_remove_and_reset(tracker: Client) -> None:
    with page_beside(tracker) as page:
        seen = _watching(tracker, page)
        assert _click(page, 'red', 0, seen['stamp'], object='red')['success']
        shown = _show(tracker, page, 1)
        x, y = scene.centre('blue', 1)
        point = [round(x), round(y), 0]
        assert page.ask(do='prompt', stamp=shown['stamp'], points=[point], object='red', extend=True)['success']

        mask = {'box': [30, 20, 60, 55], 'runs': [0, 30 * 35]}
        renamed = page.ask(do='rename', stamp=shown['stamp'], old='red', object='cup', mask=mask, **{'class': 'mug'})
        assert renamed['success'] and renamed['object'] == 'cup', renamed['reason']
        (cup,) = tracker.step(2).objects
        assert (cup.object_id, cup.class_name) == ('cup', 'mug')

        assert page.ask(do='remove', object='cup')['success']
        refused = page.ask(do='remove', object='cup')
        assert not refused['success'] and 'cup' in refused['reason']
        assert _click(page, 'blue', 0, seen['stamp'])['success']
        assert page.ask(do='reset')['success']
        assert tracker.step(3).objects == []


def test_refusals_are_the_sentences_of_the_tracker(tracker: Client) -> None:
    with page_beside(tracker) as page:
        seen = _watching(tracker, page)
        answer = page.ask(do='prompt', stamp='7.000000000', points=[[1, 1, 1]])
        assert not answer['success'] and 'too old' in answer['reason']
        answer = page.ask(do='prompt', stamp=seen['stamp'], points=[[1, 1, 1], [1, 1, 1]], mask=None, box=None)
        assert answer['success']
        mask = {'box': [0, 0, 1, 1], 'runs': [0, 1]}
        answer = page.ask(do='prompt', stamp=seen['stamp'], points=[[1, 1, 1]], mask=mask)
        assert not answer['success'] and 'mask' in answer['reason']


def test_compressed_images_go_through_unchanged(micro_weights: Path) -> None:
    with graph(micro_weights, image_transport='compressed') as client, page_beside(client) as page:
        page.head = page.open()
        page.watch()
        client.wait_for(lambda: _listens(client), 'the page to listen')
        sent = client.publish(0)
        assert page.picture()['file'] == bytes(sent.data)


def test_images_are_fetched_only_while_somebody_looks(tracker: Client) -> None:
    def fetched() -> bool:
        topic = tracker._image_topic
        return any(info.node_name == 'operator_page' for info in tracker.get_subscriptions_info_by_topic(topic))

    with page_beside(tracker) as page:
        tracker.wait_for(lambda: page.node._cameras, 'the tracker to be found')
        assert not fetched()
        _watching(tracker, page)
        assert fetched()
        page._loop.run_until_complete(page._page.socket.close())
        tracker.wait_for(lambda: not fetched(), 'the end of the subscription')


def test_wide_images_are_made_smaller_and_coordinates_stay(tracker: Client) -> None:
    with page_beside(tracker, max_width=80) as page:
        seen = _watching(tracker, page)
        image = cv2.imdecode(np.frombuffer(seen['file'], np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (60, 80, 3) and (seen['width'], seen['height']) == (160, 120)
        answer = _click(page, 'blue', 0, seen['stamp'], object='blue')
        assert scene.overlap(answer['objects'][0]['mask'], scene.disc('blue', 0)) > 0.7


def test_a_recording_can_be_tracked_again(tracker: Client, tmp_path: Path, micro_weights: Path) -> None:
    with page_beside(tracker, recordings=str(tmp_path)) as page:
        seen = _watching(tracker, page)
        assert page.ask(do='record', on=True)['success']
        for index in (1, 2):
            shown = _show(tracker, page, index)
        assert _click(page, 'red', 2, shown['stamp'], object='red')['success']
        for index in (3, 4):
            _show(tracker, page, index)
        assert page.ask(do='remove', object='red')['success']
        assert page.ask(do='record', on=False)['success']
        assert seen['stamp'] != shown['stamp']
    (bag,) = tmp_path.iterdir()
    messages: dict[str, list] = {}
    types = {'CompressedImage': CompressedImage, 'Prompt': Prompt, 'String': String}
    types |= {'TrackedObjectArray': TrackedObjectArray}
    with Reader(bag) as reader:
        for connection, _, raw in reader.messages():
            type_ = types[connection.msgtype.rsplit('/', 1)[1]]
            messages.setdefault(connection.topic, []).append(deserialize_message(raw, type_))
    images = messages[f'{tracker.image}/compressed']
    assert [one.header.stamp for one in images] == [tracker.stamp(index) for index in (1, 2, 3, 4)]
    (prompt,) = messages[f'{tracker.tracker}/prompts']
    assert prompt.header.stamp == tracker.stamp(2) and prompt.object_id == 'red'
    objects = messages[f'{tracker.tracker}/objects']
    assert [len(one.objects) for one in objects] == [0, 0, 1, 1]
    (event,) = [text for topic, texts in messages.items() if topic.endswith('/events') for text in texts]
    assert json.loads(event.data) == {'tracker': tracker.tracker, 'do': 'remove', 'object': 'red'}

    again = tmp_path / 'again'
    words = [str(bag), str(again), '--node', tracker.tracker, '--checkpoint', str(micro_weights)]
    assert track_bag([*words, '--device', 'cpu']) == 0
    with Reader(again) as reader:
        found = [
            deserialize_message(raw, TrackedObjectArray)
            for connection, _, raw in reader.messages()
            if connection.topic == f'{tracker.tracker}/objects'
        ]
    assert [[one.object_id for one in array.objects] for array in found][2:] == [['red'], ['red']]


def test_a_recording_that_cannot_be_written_is_told(tracker: Client, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with page_beside(tracker, recordings=str(tmp_path / 'file')) as page:
        _watching(tracker, page)
        answer = page.ask(do='record', on=True)
        assert not answer['success'] and 'cannot be written' in answer['reason']


def test_a_recording_ends_when_it_is_large(tracker: Client, tmp_path: Path) -> None:
    with page_beside(tracker, recordings=str(tmp_path / 'small'), recording_megabytes=0.02) as page:
        _watching(tracker, page)
        assert page.ask(do='record', on=True)['success']
        assert page.node._button.on
        for index in range(1, 10):
            tracker.step(index)
        while (told := page.read('recording')['recording'])['on']:
            pass
        assert 'recording_megabytes' in told['error']
        with Reader(Path(told['path'])) as reader:  # what was written until then is whole
            assert sum(1 for _ in reader.messages()) >= 2


def test_images_are_shown_alone_when_the_tracker_says_nothing(tracker: Client) -> None:
    with page_beside(tracker) as page:
        _watching(tracker, page)
        assert tracker.transition('deactivate')
        try:
            for index in range(1, 50):
                tracker.publish(index)
                time.sleep(0.1)
            head = page.picture()
            while head['tracked']:
                head = page.picture()
            assert head['objects'] == []
        finally:
            assert tracker.transition('activate')
            tracker.connected()


def test_a_tracker_that_is_gone_is_told(micro_weights: Path) -> None:
    with graph(micro_weights) as client, page_beside(client) as page:
        seen = _watching(client, page)
        client.transition('deactivate')
        answer = _click(page, 'red', 0, seen['stamp'])
        assert not answer['success'] and 'not active' in answer['reason']
        client.graph.end(client.tracker_node)
        while page.read('cameras')['cameras'][0]['alive']:
            pass
        answer = _click(page, 'red', 0, seen['stamp'])
        assert not answer['success'] and 'gone' in answer['reason']


def test_the_token_is_printed_once_and_never_logged(
    tracker: Client, capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with page_beside(tracker, token='always') as page:
        tracker.wait_for(lambda: page.node.state == 'active', 'the page')
        (token,) = re.findall(r'\?token=(\S+)', capfd.readouterr().out)  # once
        greeting = page.open(Authorization=f'Bearer {token}', Origin='')
        assert greeting['kind'] == 'hello'
        page.head = greeting
        page.watch()
        tracker.wait_for(lambda: _listens(tracker), 'the page to listen')
        _show(tracker, page, 0)
    captured = capfd.readouterr()
    assert token not in captured.out + captured.err + caplog.text
    assert not any(token in line.msg for line in tracker.received['log'])
    values = [page.node.get_parameter(name).value for name in page.node._parameters]
    assert token not in str(values)


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'host': '0.0.0.0'}, 'allowed_hosts'),
        ({'host': '192.0.2.1', 'allowed_hosts': ['robot']}, 'host .192.0.2.1., port'),
        ({'token_file': '/nothing/here'}, 'cannot be read'),
        ({'certificate': '/nothing/here'}, 'both'),
    ],
)
def test_what_is_not_safe_is_not_served(
    tracker: Client, parameters: dict, sentence: str, capfd: pytest.CaptureFixture
) -> None:
    with page_beside(tracker, **parameters) as page:
        said = ''

        def refused() -> bool:
            nonlocal said
            said += capfd.readouterr().err
            return 'not configured' in said

        tracker.wait_for(refused, 'a refusal')
        assert re.search(f'not configured: .*{sentence}', said)
        assert page.node.state == 'unconfigured' and page.node.address == ''


def test_diagnostics_say_how_the_page_is(tracker: Client) -> None:
    def said(condition: object, what: str) -> None:
        def find() -> bool:
            for report in reversed(tracker.received['diagnostics'][-5:]):
                for status in report.status:
                    if status.name.endswith('operator_page: page'):
                        return condition(status, {pair.key: pair.value for pair in status.values})
            return False

        tracker.wait_for(find, what)

    with page_beside(tracker) as page:
        said(lambda status, values: values['address'] and '0 pages' in status.message, 'the address')
        _watching(tracker, page)
        for index in range(1, 4):
            _show(tracker, page, index)
        said(lambda status, values: values['open pages'] == '1' and 'stamp to screen p95, ms' in values, 'the latency')
        answer = page.ask(do='prompt', stamp='7.000000000', points=[[1, 1, 1]])
        assert not answer['success']
        said(lambda status, values: values['prompts refused'] == '1' and 'too old' in values['last refusal'], 'why')


def test_the_mask_of_the_answer_is_that_of_the_library(tracker: Client) -> None:
    with page_beside(tracker) as page:
        seen = _watching(tracker, page)
        box = list(scene.box('red', 0))
        answer = page.ask(do='prompt', stamp=seen['stamp'], box=box, object='red')
        said = tracker.set_prompt('other', stamp=tracker.stamp(0), box=box)
        mask = mask_from_object(said.object, image_height=scene.HEIGHT, image_width=scene.WIDTH)
        assert same(answer['objects'][0]['mask'], mask)
