"""Prompts by topic and service: on past and skipped images, corrections, refusals; objects that come and go."""

import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sam2_ros.msg import Prompt as PromptMessage
from sam2_ros.msg import TrackedObject, TrackedObjectArray
from std_srvs.srv import Trigger

from sam2_ros.tracking import Prompt
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import TIMEOUT, Client, graph, make_prompt, stamp_of
from tests.nodes.reference import box_prompt, library_tracker, mask_of, same

pytestmark = pytest.mark.slow


def by_name(objects: TrackedObjectArray) -> dict[str, TrackedObject]:
    return {tracked.object_id: tracked for tracked in objects.objects}


def step_until_caught_up(client: Client, index: int, name: str) -> int:
    """Process images until the object does not catch up any more; the index of the last one."""
    for last in range(index, index + 30):
        tracked = by_name(client.step(last)).get(name)
        if tracked and tracked.state != TrackedObject.CATCHING_UP:
            return last
    raise AssertionError(f'{name} is still catching up after 30 images')


@pytest.mark.parametrize(
    'prompt',
    [
        {'box': scene.box('red', 0)},
        {'points': [scene.centre('red', 0)]},
        {
            'points': [scene.centre('red', 0), scene.centre('blue', 0)],
            'labels': [PromptMessage.FOREGROUND, PromptMessage.BACKGROUND],
        },
        {'points': [scene.centre('red', 0)], 'box': scene.box('red', 0)},
        {'mask': scene.disc('red', 0)},
    ],
    ids=['box', 'point', 'points', 'box and point', 'mask'],
)
def test_every_kind_of_prompt(tracker: Client, prompt: dict) -> None:
    tracker.step(0)
    answer = tracker.set_prompt('red', **prompt)
    assert (answer.success, answer.reason, answer.object_id) == (True, '', 'red')
    assert answer.header.stamp == tracker.stamp(0)
    assert answer.object.has_box and tracker.is_right(answer.object, [0], prompt=Prompt('red', **prompt))
    assert answer.object.memory_event == TrackedObject.MEMORY_PROMPT
    assert tracker.is_right(tracker.step(1).objects[0], range(2), prompt=Prompt('red', **prompt))


def test_a_prompt_in_whose_mask_nothing_is_left_is_told(micro_weights: Path) -> None:
    speck = np.zeros((scene.HEIGHT, scene.WIDTH), dtype=bool)
    speck[60, 80] = True
    with graph(micro_weights) as client:
        client.step(0)
        answer = client.set_prompt('speck', mask=speck)
        assert answer.success and not answer.object.has_box and answer.object.state == TrackedObject.OCCLUDED
        assert (answer.object.frames_since_seen, answer.object.last_seen) == (1, Time())  # never seen yet
        assert client.log_line("'speck' was prompted, but there is nothing in its mask")
        assert client.set_prompt('red', mask=scene.disc('red', 0)).object.has_box
        client.diagnosed(
            'prompts',
            lambda _, values: (values['applied'], values['applied, but with an empty mask']) == ('2', '1'),
            'two prompts, one of them with an empty mask',
        )


def test_the_node_names_objects(tracker: Client) -> None:
    tracker.step(0)
    names = [tracker.set_prompt(box=scene.box(disc, 0)).object_id for disc in ('red', 'blue')]
    assert len(set(names)) == 2 and all(names)
    assert list(by_name(tracker.step(1))) == names


def test_what_a_prompt_calls_the_object_stays_with_it(tracker: Client) -> None:
    tracker.step(0)
    answer = tracker.set_prompt(box=scene.box('red', 0), class_name='disc')
    assert (answer.object_id, answer.object.class_name, answer.object.class_score) == ('disc_1', 'disc', 1.0)
    assert answer.object.source == TrackedObject.SOURCE_OPERATOR
    assert tracker.set_prompt(box=scene.box('blue', 0), class_name='disc').object_id == 'disc_2'
    tracker.step(1)
    assert tracker.set_prompt('disc_1', points=[scene.centre('red', 1)]).object.class_name == 'disc'
    assert tracker.set_prompt('disc_1', points=[scene.centre('red', 1)], class_name='ball').success
    assert [tracked.class_name for tracked in tracker.step(2).objects] == ['ball', 'disc']
    answer = tracker.set_prompt('disc_1', points=[scene.centre('red', 1)], class_name='two\nlines')
    assert not answer.success and 'class_name must be printable' in answer.reason
    assert tracker.remove('disc_1').success
    answer = tracker.set_prompt('disc_1', box=scene.box('red', 2))
    assert answer.success and answer.object.class_name == ''


def test_prompts_on_the_topic(tracker: Client) -> None:
    tracker.step(0)
    tracker.prompts.publish(make_prompt('red', box=scene.box('red', 0), stamp=tracker.stamp(0)))
    index = step_until_caught_up(tracker, 1, 'red')
    assert tracker.is_right(by_name(tracker.step(index + 1))['red'], range(index + 2))


def test_a_prompt_stamped_several_images_back(tracker: Client) -> None:
    for index in range(12):
        tracker.step(index)
    answer = tracker.set_prompt('red', box=scene.box('red', 3), stamp=tracker.stamp(3))
    assert answer.success and answer.header.stamp == tracker.stamp(3)
    assert answer.object.has_box and tracker.is_right(answer.object, [3])
    assert not tracker.is_right(answer.object, [11], prompt=box_prompt('red', 3))  # the two images can be told apart
    last = step_until_caught_up(tracker, 12, 'red')
    red = by_name(tracker.step(last + 1))['red']
    assert tracker.is_right(red, range(3, last + 2))
    assert red.first_seen == tracker.stamp(3)


def test_a_prompt_on_a_skipped_image(tracker: Client) -> None:
    tracker.step(0)
    assert tracker.set_prompt('blue', box=scene.box('blue', 0)).success
    before = tracker.counts()['skipped']
    with tracker.busy_network() as at_work:
        tracker.publish(1)
        assert at_work.wait(TIMEOUT)
        for index in (2, 3, 4):
            tracker.publish(index)
        answer = tracker.ask_for_prompt('red', box=scene.box('red', 2), stamp=tracker.stamp(2))
        tracker.counted('skipped', before + 2)
    answer = tracker.wait_for(lambda: answer.done() and answer.result(), 'the answer')
    assert answer.success and answer.header.stamp == tracker.stamp(2)
    assert answer.object.has_box and tracker.is_right(answer.object, [2])
    last = step_until_caught_up(tracker, 5, 'red')
    assert tracker.is_right(by_name(tracker.step(last + 1))['red'], [2, *range(4, last + 2)])
    assert tracker.output('objects', tracker.stamp(4)).frames_skipped == 2


def test_others_go_on_while_one_catches_up(tracker: Client) -> None:
    tracker.step(0)
    assert tracker.set_prompt('blue', box=scene.box('blue', 0)).success
    for index in range(1, 15):
        tracker.step(index)
    states, index = [], 14
    images = threading.Semaphore(0)  # that the network may encode
    with tracker.before_encoding(lambda: images.acquire(timeout=TIMEOUT)):
        tracker.ask_for_prompt('red', box=scene.box('red', 2), stamp=tracker.stamp(2))
        tracker.wait_for(lambda: tracker.tracker_node.answering, 'the call')
        while not set(states) - {TrackedObject.CATCHING_UP}:
            images.release(3)  # a live one and two to catch up with
            objects = by_name(tracker.step(index := index + 1))
            if 'red' in objects:
                states.append(objects['red'].state)
                assert objects['red'].state != TrackedObject.CATCHING_UP or not objects['red'].has_box
            assert tracker.is_right(objects['blue'], range(index + 1))
            assert index < 100
        images.release(100)
    assert TrackedObject.CATCHING_UP in states
    assert tracker.is_right(objects['red'], range(2, index + 1))


def test_a_correction_works_and_stays(tracker: Client, micro_weights: Path) -> None:
    blue, red = scene.disc('blue', 0), scene.disc('red', 3)
    corrected, uncorrected = library_tracker(micro_weights), library_tracker(micro_weights)
    for library in (corrected, uncorrected):
        library.step(scene.picture(0), [Prompt('a', mask=blue)])
        for index in range(1, 4):
            library.step(scene.picture(index))
    expected = corrected.prompt(3, Prompt('a', mask=red))[0]

    tracker.step(0)
    assert tracker.set_prompt('a', mask=blue).success
    before = [tracker.step(index).objects[0] for index in range(1, 4)][-1]
    answer = tracker.set_prompt('a', mask=red, stamp=tracker.stamp(3))
    assert answer.success and answer.object.label == before.label and answer.object.first_seen == before.first_seen
    assert scene.overlap(mask_of(answer.object), red) > 0.9 and same(mask_of(answer.object), expected.mask)
    for index in range(4, 9):
        mask = mask_of(tracker.step(index).objects[0])
        assert same(mask, corrected.step(scene.picture(index))['a'].mask)
        assert (mask != uncorrected.step(scene.picture(index))['a'].mask).any()


def test_clicks_extend_or_replace_as_in_the_library(tracker: Client, micro_weights: Path) -> None:
    clicks, labels = [scene.centre('red', 0), scene.centre('blue', 0)], [1, 0]
    library = library_tracker(micro_weights)
    library.step(scene.picture(0), [Prompt('a', points=clicks[:1])])
    expected = [
        library.prompt(0, prompt)[0].mask
        for prompt in (Prompt('a', points=clicks, labels=labels), Prompt('a', points=clicks[1:], labels=labels[1:]))
    ]
    tracker.step(0)
    assert tracker.set_prompt('a', points=clicks[:1]).success
    extended = tracker.set_prompt('a', points=clicks[1:], labels=labels[1:], extend=True)
    assert same(mask_of(extended.object), expected[0])
    replaced = tracker.set_prompt('a', points=clicks[1:], labels=labels[1:])
    assert same(mask_of(replaced.object), expected[1])
    assert (expected[0] != expected[1]).any()


def test_prompts_for_one_object_in_quick_succession(tracker: Client) -> None:
    for index in range(8):
        tracker.step(index)
    assert tracker.set_prompt('red', box=scene.box('red', 0), stamp=tracker.stamp(0)).success
    futures = [
        tracker.ask_for_prompt('red', points=[scene.centre('red', index)], stamp=tracker.stamp(index), extend=True)
        for index in (2, 4, 6)
    ]
    tracker.wait_for(lambda: all(future.done() for future in futures), 'the answers')
    answers = [future.result() for future in futures]
    assert [(answer.success, answer.reason) for answer in answers] == [(True, '')] * 3
    library = library_tracker(tracker.weights, ring_frames=90)
    for index in range(8):
        library.step(scene.picture(index))
    library.prompt(0, box_prompt('red', 0))
    for answer, index in zip(answers, (2, 4, 6), strict=True):
        click = Prompt('red', points=[scene.centre('red', index)])
        assert same(mask_of(answer.object), library.prompt(index, click)[0].mask)


def test_an_object_is_removed_while_it_catches_up(tracker: Client) -> None:
    for index in range(12):
        tracker.step(index)
    assert tracker.set_prompt('red', box=scene.box('red', 1), stamp=tracker.stamp(1)).success
    assert tracker.remove('red').success
    assert list(tracker.step(12).objects) == []
    assert tracker.set_prompt('red', box=scene.box('red', 12)).success


def test_objects_come_and_go_while_others_are_tracked(tracker: Client) -> None:
    tracker.step(0)
    assert tracker.set_prompt('red', box=scene.box('red', 0)).success
    tracker.step(1)
    assert tracker.set_prompt('blue', box=scene.box('blue', 1)).success
    objects = tracker.step(2).objects
    assert [tracked.object_id for tracked in objects] == ['red', 'blue']
    removed = tracker.remove('red')
    assert (removed.success, removed.reason, removed.object_id) == (True, '', 'red')
    after = tracker.step(3).objects
    assert [(tracked.object_id, tracked.label) for tracked in after] == [('blue', objects[1].label)]
    assert tracker.set_prompt('red', box=scene.box('red', 3)).success
    again = by_name(tracker.step(4))['red']
    assert again.label not in (objects[0].label, objects[1].label) and again.first_seen == tracker.stamp(3)


def test_reset_removes_all_objects(tracker: Client) -> None:
    tracker.step(0)
    assert tracker.set_prompt('red', box=scene.box('red', 0)).success
    assert tracker.call('reset', Trigger.Request()).success
    tracker.diagnosed(
        'tracking',
        lambda _, values: not any(int(number) for name, number in values.items() if name.startswith('objects ')),
        'no objects',
    )
    # An image from before is still there to be prompted.
    assert tracker.set_prompt('blue', box=scene.box('blue', 0), stamp=tracker.stamp(0)).success
    objects = tracker.step(1)
    assert objects.frame_index == 0 and list(by_name(objects)) == ['blue']


@pytest.mark.parametrize(
    ('prompt', 'sentence'),
    [
        ({}, 'empty: give points, a box or a mask'),
        ({'points': [(-5, 10)]}, r'the point \(-5, 10\) lies outside the image of 160x120'),
        ({'points': [(10, 500)]}, 'lies outside the image'),
        ({'box': (200, 10, 220, 30)}, 'lies outside the image'),
        ({'box': (30, 10, 20, 30)}, 'x0 < x1'),
        ({'points': [(float('nan'), 1)]}, 'finite'),
        ({'points': [(5, 5)], 'labels': [1, 0]}, 'one label per point'),
        ({'points': [(5, 5)], 'labels': [7]}, 'labels must be'),
        ({'points': [(5, 5)], 'labels': [PromptMessage.BACKGROUND]}, 'needs a positive point'),
        ({'mask': np.ones((7, 9), bool)}, '9x7 pixels but the image is 160x120'),
        ({'mask': np.zeros((scene.HEIGHT, scene.WIDTH), bool)}, 'empty mask'),
        ({'mask': np.ones((scene.HEIGHT, scene.WIDTH), bool), 'points': [(5, 5)]}, 'a mask prompt stands alone'),
    ],
)
def test_bad_prompts_are_refused_and_change_nothing(tracker: Client, prompt: dict, sentence: str) -> None:
    tracker.step(0)
    assert tracker.set_prompt('red', box=scene.box('red', 0)).success
    # that an object which exists is not here, or not at all in the image, is a correction
    names = ['bad'] if sentence in ('needs a positive point', 'empty mask') else ['bad', 'red']
    for name in names:
        answer = tracker.set_prompt(name, **prompt)
        assert not answer.success and answer.object_id == '' and answer.object.object_id == ''
        assert re.search(sentence, answer.reason)
        tracker.log_line(f'prompt refused: {answer.reason}')
    objects = by_name(tracker.step(1))
    assert list(objects) == ['red'] and tracker.is_right(objects['red'], [0, 1])


def test_unknown_objects_cannot_be_removed(tracker: Client) -> None:
    tracker.step(0)
    assert tracker.set_prompt('red', box=scene.box('red', 0)).success
    for name in ('green', ''):
        answer = tracker.remove(name)
        assert not answer.success and answer.reason == f'no object is called {name!r}; tracked are: red'
    assert [tracked.object_id for tracked in tracker.step(1).objects] == ['red']


def test_stamps_that_name_no_image(micro_weights) -> None:
    with graph(micro_weights, ring_images=5, prompt_wait=0.1) as client:
        assert client.set_prompt('red', box=scene.box('red', 0)).reason == 'no image has arrived yet'
        for index in range(10):
            client.step(index)
        reasons = {
            back: client.set_prompt('red', box=scene.box('red', 0), stamp=client.stamp(back)).reason
            for back in (0, 7.5, 20)
        }
        assert reasons[0] == (
            'the stamp 1000.000 is too old: the 5 images kept reach back 0.400 s, to 1000.500 '
            '(ring_images, ring_megabytes)'
        )
        assert reasons[7.5] == ('no image is stamped 1000.750; the nearest is 1000.700: copy the stamp from the image')
        assert reasons[20] == ('the stamp 1002.000 is 1.100 s in the future: the newest image is stamped 1000.900')
        assert client.set_prompt('red', box=scene.box('red', 7), stamp=stamp_of(1000.70001)).success
        client.diagnosed(
            'prompts',
            lambda status, values: (
                values
                == {
                    'applied': '1',
                    'refused': '4',
                    'applied, but with an empty mask': '0',
                    'last refusal': reasons[20],
                    'applied, but the mask does not fit': '0',
                    'superseded by newer ones': '0',
                    'catch-ups cut short': '0',
                }
            ),
            'the counts',
        )


def test_stamps_that_name_no_image_of_a_bag_that_starts_again(micro_weights) -> None:
    with graph(micro_weights, ring_images=5, prompt_wait=0.1) as client:
        for begin, first, end in ((1000.0, 0, 4), (9.8, 2, 4)):
            client.begin = begin
            for index in range(first):  # too few to show that the stamps jumped back
                client.publish(index)
            for index in range(first, end):
                client.step(index)
        reasons = [
            client.set_prompt('red', box=scene.box('red', 0), stamp=stamp_of(stamp)).reason
            for stamp in (5.0, 1000.0, 1001.0)
        ]
        assert reasons[0].startswith('the stamp 5.000 is too old: the 2 images kept reach back 0.100 s, to 10.000')
        assert reasons[1] == 'the image stamped 1000.000 is not kept: stamps have jumped back to 10.000 since'
        assert reasons[2].startswith('the stamp 1001.000 is 990.900 s in the future')


def test_stamps_that_name_no_image_where_one_image_is_stamped_wrongly(micro_weights) -> None:
    with graph(micro_weights, ring_images=10, prompt_wait=0.1) as client:
        for index in range(6):
            client.step(index, stamp=client.stamp(90) if index == 3 else None)
        begin = client.begin
        reasons = [
            client.set_prompt('red', box=scene.box('red', 0), stamp=stamp_of(begin + later)).reason
            for later in (-1.0, 0.05, 3.0)
        ]
        assert f'is too old: the 5 images kept reach back 0.500 s, to {begin:.3f}' in reasons[0]
        assert 'no image is stamped' in reasons[1]
        assert 'is 2.500 s in the future' in reasons[2]
        assert client.set_prompt('red', box=scene.box('red', 3), stamp=client.stamp(90)).success


def test_a_prompt_may_come_before_its_image(tracker: Client) -> None:
    tracker.step(0)
    future = tracker.ask_for_prompt('red', box=scene.box('red', 1), stamp=tracker.stamp(1))
    time.sleep(0.1)
    tracker.step(1)
    answer = tracker.wait_for(lambda: future.done() and future.result(), 'the answer')
    assert answer.success, answer.reason
    assert tracker.is_right(answer.object, [1])


def test_prompts_for_the_first_image_and_for_the_newest_output_of_a_slow_tracker(micro_weights) -> None:
    with graph(micro_weights, ring_images=3, prompt_wait=10.0) as client:
        early = client.ask_for_prompt('red', box=scene.box('red', 0), stamp=client.stamp(0))
        client.wait_for(lambda: client.tracker_node.parts.inputs._early, 'the prompt')
        client.step(0)
        answer = client.wait_for(lambda: early.done() and early.result(), 'the answer')
        assert answer.success and answer.header.stamp == client.stamp(0)
        with client.overtaken(1, last=8):
            late = client.ask_for_prompt('blue', box=scene.box('blue', 0))  # image 0 is what its user sees
            client.wait_for(lambda: client.tracker_node.answering, 'the call')
        answer = client.wait_for(lambda: late.done() and late.result(), 'the answer')
        assert answer.success and answer.header.stamp == client.stamp(0)


def test_there_may_be_too_many_objects(micro_weights) -> None:
    with graph(micro_weights, max_objects=1) as client:
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        refused = client.set_prompt('blue', box=scene.box('blue', 0))
        assert refused.reason == '1 objects are tracked already, which is the limit'
        assert client.set_parameter('max_objects', 2).successful
        assert client.set_prompt('blue', box=scene.box('blue', 0)).success
        assert len(client.step(1).objects) == 2


def test_many_prompts_at_once(tracker: Client) -> None:
    tracker.step(0)
    for number in range(6):
        box = scene.box(('red', 'blue')[number % 2], 0)
        tracker.prompts.publish(make_prompt(f'disc_{number}', box=box, stamp=tracker.stamp(0)))
    index = 0
    while len(objects := tracker.step(index := index + 1).objects) < 6 or any(
        tracked.state == TrackedObject.CATCHING_UP for tracked in objects
    ):
        assert index < 40
    assert sorted(tracked.object_id for tracked in objects) == [f'disc_{number}' for number in range(6)]
    for tracked in objects:
        disc = ('red', 'blue')[int(tracked.object_id[-1]) % 2]
        assert tracker.is_right(tracked, range(index + 1), prompt=box_prompt(disc, 0))
