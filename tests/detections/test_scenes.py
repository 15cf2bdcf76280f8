"""Objects from a detector that is late, jitters, misses and invents: scenes with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_ros.detections.boxes import Box, DetectedBox
from tests.detections.world import HEIGHT, WIDTH, Body, Detector, World, gliding

SIDE = 640  # of the detector's input
SCALE = SIDE / WIDTH
PADDING = (SIDE - HEIGHT * SCALE) / 2


def letterboxed(box: Box) -> Box:
    """Into a square input: twice as large, with bars above and below."""
    x0, y0, x1, y1 = box
    return x0 * SCALE, y0 * SCALE + PADDING, x1 * SCALE, y1 * SCALE + PADDING


def three_bodies() -> list[Body]:
    return [
        Body(gliding(70, 70, 1.1, 0.3)),
        Body(gliding(240, 60, -0.4, 0.9), size=(40, 40), class_id='0'),
        Body(gliding(160, 190, 0.8, 0.0), size=(60, 44)),
    ]


@pytest.mark.parametrize('tracks_every', [1, 2, 7])
def test_as_many_objects_as_bodies_and_each_stays_what_it_is(tracks_every: int) -> None:
    """Late by 300 ms, with 3 pixels of jitter, a fifth missing, a twentieth invented, letterboxed, rounded stamps."""
    world = World(three_bodies(), Detector(to_input=letterboxed), tracks_every=tracks_every)
    world.settings.update(detection_size=(SIDE, SIDE), detection_fit='letterbox')
    world.run(60)
    assert len(world.tracks) == 3
    bodies = {object_id: world.body_of(object_id) for object_id in world.tracks}
    assert {id(body) for body in bodies.values()} == {id(body) for body in world.bodies}
    world.run(500)
    assert world.ever == list(bodies) and {name: world.body_of(name) for name in world.tracks} == bodies
    for object_id, body in bodies.items():
        kind = world.kind(object_id)
        assert object_id.startswith(f'class {body.class_id}_') and kind.class_name == f'class {body.class_id}'
        assert 0.5 < kind.class_score <= 0.85 and kind.missed < 10
    counts = world.counts()
    assert counts['detections_started'] == 3 and counts['detections_matched'] > 0.7 * 3 * 500 / 3
    assert not world.lines


@pytest.mark.parametrize('tracks_every', [1, 5])
def test_fast_bodies(tracks_every: int) -> None:
    """In 300 ms they move by half of their width, and as far from one tracked image to the next but one."""
    bodies = [Body(gliding(70, 70, 3.0), size=(56, 56)), Body(gliding(240, 170, -3.4, 0.3), size=(60, 50))]
    world = World(bodies, Detector(every=2, misses=0.1), tracks_every=tracks_every)
    world.run(300)
    assert len(world.ever) == 2
    assert world.counts()['detections_matched'] > 0.75 * 2 * 300 / 2


def test_an_object_that_catches_up_is_not_started_twice() -> None:
    """Messages are about images that it has not come to yet. The memory of hidden objects plays no part in this."""
    world = World(three_bodies(), Detector(every=1, late=20, misses=0, invents=0))
    world.rest = 25
    world.settings['detection_reappear_wait'] = 0.0
    world.run(200)
    assert len(world.ever) == 3 and 'detections_merged' not in world.counts()


def test_without_confirmation_what_is_invented_starts_objects_too() -> None:
    """The scene is hard enough: the detector does invent things."""
    world = World(three_bodies())
    world.settings['detection_confirm'] = 1
    world.run(500)
    assert len(world.ever) > 10


def test_a_body_that_was_hidden_keeps_its_object() -> None:
    """For two seconds behind something, while it moves on; another of its class is there all the time."""
    bodies = [Body(gliding(60, 80, 0.8), hidden=range(150, 210)), Body(gliding(200, 180, -0.6))]
    world = World(bodies).run(450)
    assert len(world.ever) == len(world.tracks) == 2


def test_a_box_waits_for_the_memory_of_a_hidden_object() -> None:
    """The memory takes longer than the detector to find it again: 0.7 s."""
    world = World([Body(gliding(60, 80, 0.5), hidden=range(150, 210))])
    world.finds_after = 21
    world.run(400)
    assert len(world.ever) == 1 and world.counts()['detections_held_reappearing'] > 0


def test_an_object_that_was_started_too_early_is_merged() -> None:
    """The memory takes 2 s, which is longer than `detection_reappear_wait`. The older object stays."""
    world = World([Body(gliding(60, 80, 0.5), hidden=range(150, 210))])
    world.finds_after = 60
    world.run(120)
    (first,) = world.tracks
    world.run(400)
    assert len(world.ever) == 2 and list(world.tracks) == [first]
    assert world.counts()['detections_merged'] == 1


@pytest.mark.parametrize('seed', [1, 7, 29])
def test_a_removed_object_is_not_started_again(seed: int) -> None:
    """Nor when a box that the detector has invented lies beside it."""
    world = World(three_bodies(), Detector(rng=np.random.default_rng(seed))).run(90)
    gone, *others = world.tracks
    body = world.body_of(gone)
    world.operator_removes(gone)
    world.run(600)
    assert list(world.tracks) == others and len(world.ever) == 3
    assert world.counts()['detections_held_barred'] > 100
    world.operator_prompts(gone, body.box(world.index))  # whoever removed it can have it back
    world.run(100)
    assert set(world.tracks) == {gone, *others} and world.body_of(gone) is body


def test_a_place_is_free_again_when_nothing_was_seen_there_for_long() -> None:
    world = World([Body(gliding(60, 80), hidden=range(100, 460))], Detector(invents=0)).run(60)
    (gone,) = world.tracks
    world.operator_removes(gone)
    world.run(600)
    assert len(world.ever) == 2 and gone not in world.tracks
    assert world.index > 460 + 9


def test_look_alikes_that_cross_stay_two() -> None:
    bodies = [Body(gliding(50, 110, 1.0)), Body(gliding(270, 130, -1.0))]
    world = World(bodies).run(60)
    assert len(world.tracks) == 2
    objects = {object_id: world.body_of(object_id) for object_id in world.tracks}
    world.run(300)
    assert len(world.ever) == 2 and {name: world.body_of(name) for name in world.tracks} == objects


def test_messages_about_images_that_are_not_kept_are_counted() -> None:
    world = World(three_bodies(), Detector(late=120)).run(300)
    assert not world.ever and world.counts()['detections_unplaced'] > 50


def test_a_message_that_comes_in_time_is_no_worse() -> None:
    world = World(three_bodies(), Detector(late=0), tracks_every=4).run(300)
    assert len(world.ever) == len(world.tracks) == 3


def test_what_an_operator_starts_is_not_started_again_by_older_messages() -> None:
    """Messages still come about images from before the operator's prompt."""
    world = World([Body(gliding(60, 80, 1.2))], Detector(every=2, late=12, misses=0, invents=0))
    world.settings['detection_confirm'] = 2
    bodies, world.bodies = world.bodies, []
    world.run(30)
    world.bodies = bodies
    world.run(10)
    world.operator_prompts('mine', bodies[0].box(world.index))
    world.run(200)
    assert world.ever == ['mine']


def test_an_object_that_an_operator_has_named_keeps_that_name() -> None:
    world = World([Body(gliding(60, 80, 1.0))], Detector(jitter=6, misses=0, invents=0))
    world.settings['detection_confirm'] = 100
    world.run(10)
    world.operator_prompts('tool', world.bodies[0].box(world.index), class_name='torch')
    world.run(300)
    kind = world.kind('tool')
    assert world.ever == ['tool'] and (kind.class_name, kind.class_score) == ('torch', 1.0)
    assert kind.votes.best == 'class 41'
    assert world.counts()['detections_matched'] > 0.9 * 100  # the detector calls it something else all the time


def test_an_object_without_a_class_takes_that_of_its_boxes() -> None:
    world = World([Body(gliding(60, 80, 1.0))])
    world.run(10)
    world.operator_prompts('tool', world.bodies[0].box(world.index))
    world.run(100)
    assert world.kind('tool').class_name == 'class 41'


def test_weak_boxes_support_but_do_not_start() -> None:
    world = World(three_bodies(), Detector(score=0.5)).run(200)
    assert not world.ever
    world.operator_prompts('mine', world.bodies[0].box(world.index))
    world.run(100)
    assert world.ever == ['mine'] and world.kind('mine').missed < 10
    world.detector.score = 0.2
    world.run(100)
    assert world.kind('mine').missed > 25  # too weak for anything
    assert world.counts()['detections_weak'] > 50


@pytest.mark.parametrize('wanted', ['0', 'class 0'])
def test_only_the_classes_that_are_wanted_start_objects(wanted: str) -> None:
    world = World(three_bodies())
    world.settings['detection_classes'] = (wanted,)
    world.run(300)
    assert [world.body_of(object_id).class_id for object_id in world.ever] == ['0']


def test_no_more_objects_than_there_is_room_for() -> None:
    world = World(three_bodies(), max_objects=2).run(300)
    assert len(world.ever) == 2 and world.counts()['detections_held_full'] > 10
    assert world.counts().get('detections_refused', 0) == 0


def test_an_object_whose_mask_does_not_fit_is_withdrawn_and_tried_again_later() -> None:
    world = World([Body(gliding(60, 80, 0.5))])
    world.remark = 'there is nothing in its mask'
    world.run(200)
    assert len(world.ever) == 1 and not world.tracks and world.counts()['detections_withdrawn'] == 1
    world.remark = ''
    world.run(300)
    assert len(world.ever) == 2 and len(world.tracks) == 1


def test_corrections_are_off() -> None:
    world = World([Body(gliding(60, 80, 0.5))], Detector(jitter=0)).run(60)
    (only,) = world.tracks
    world.drift[only] = (12.0, 0.0)
    world.run(200)
    assert world.drift and 'detections_corrected' not in world.counts()


@pytest.mark.parametrize('touched', [False, True])
def test_a_mask_that_went_astray_is_corrected_unless_an_operator_has_prompted_the_object(touched: bool) -> None:
    world = World([Body(gliding(60, 80, 0.5))], Detector(jitter=0))
    world.settings['detection_correct_overlap'] = 0.75
    world.run(60)
    (only,) = world.tracks
    if touched:
        world.operator_prompts(only, world.bodies[0].box(world.index))
        world.run(2)
    world.drift[only] = (12.0, 0.0)
    world.run(100)
    assert bool(world.drift) is touched and world.counts().get('detections_corrected', 0) == (not touched)
    assert world.ever == [only]


@pytest.mark.parametrize('touched', [False, True])
def test_objects_that_no_box_supports_go_unless_an_operator_has_prompted_them(touched: bool) -> None:
    """A shadow that the detector has taken for a body for a while."""
    bodies = [Body(gliding(60, 80, 0.5)), Body(gliding(250, 180))]
    world = World(bodies, Detector(invents=0))
    world.settings['detection_remove_after'] = 3.0
    world.run(60)
    shadow = next(name for name in world.tracks if world.body_of(name) is bodies[1])
    if touched:
        world.operator_prompts(shadow, bodies[1].box(world.index))
        world.run(2)
    world.bodies.remove(bodies[1])  # the detector does not see it any more, the tracker does
    world.run(60)
    assert len(world.tracks) == 2
    world.run(120)
    assert (shadow in world.tracks) is touched
    assert world.counts().get('detections_removed', 0) == (not touched)


def test_a_detector_that_sees_nothing_at_all_removes_nothing() -> None:
    """It may be broken."""
    world = World([Body(gliding(60, 80, 0.5))], Detector(invents=0))
    world.settings['detection_remove_after'] = 3.0
    world.run(60)
    world.detector.misses = 1.0
    world.run(300)
    assert len(world.tracks) == 1


def test_a_pause_of_the_detector_does_not_count_as_a_time_without_boxes() -> None:
    bodies = [Body(gliding(60, 80)), Body(gliding(250, 180))]
    world = World(bodies, Detector(every=0)).run(3)
    world.settings['detection_remove_after'] = 3.0

    def say(*seen: Body) -> None:
        world.run(1)
        world.say([DetectedBox(body.box(world.index), '1', 'cup', 0.9) for body in seen])

    for _ in range(5):
        say(*bodies)
    say(bodies[0])
    world.run(200)
    say(bodies[0])
    say(*bodies)
    world.run(2)
    assert len(world.tracks) == 2


def test_one_thing_with_two_names_is_one_object() -> None:
    bodies = [Body(gliding(60, 80, 0.5), class_id='2'), Body(gliding(60, 80, 0.5), class_id='7')]
    world = World(bodies, Detector(jitter=0.5)).run(200)
    assert len(world.ever) == 1 and world.counts()['detections_second_names'] > 10


def test_a_part_of_an_object_is_no_object() -> None:
    whole, part = Body(gliding(120, 110, 0.3), size=(80, 80)), Body(gliding(120, 110, 0.3), (30, 30), class_id='7')
    world = World([whole, part], Detector(jitter=1, misses=0, invents=0), max_objects=1).run(30)
    world.max_objects = 9
    (only,) = world.tracks
    world.tracks[only].body = whole  # whichever was asked for first
    world.run(200)
    assert world.ever == [only] and world.counts()['detections_held_covered'] > 30


def test_two_boxes_of_one_thing_in_one_message_are_one_object() -> None:
    world = World([Body(gliding(120, 110), size=(60, 60))], Detector(every=0)).run(2)
    x0, y0, x1, y1 = world.bodies[0].box(0)
    for _ in range(4):
        world.run(1)
        world.say([DetectedBox((x0 + dx, y0, x1 + dx, y1), '1', 'cup', 0.9) for dx in (-7.0, 7.0)])
    world.run(20)
    assert world.ever == ['cup_1']


def test_things_of_two_classes_that_overlap_are_two_objects() -> None:
    """A rider and a bicycle. When the detector misses the one, the box of the other is not taken for it."""
    rider = Body(gliding(120, 100, 0.5), size=(50, 70), class_id='0')
    bicycle = Body(gliding(120, 112, 0.5), size=(54, 60), class_id='1')
    world = World([rider, bicycle], Detector(jitter=1, misses=0.4, invents=0)).run(400)
    assert len(world.ever) == 2
    votes = {world.body_of(name).class_id: world.kind(name).votes for name in world.tracks}
    assert {class_id: set(one._means) for class_id, one in votes.items()} == {'0': {'class 0'}, '1': {'class 1'}}


def test_messages_out_of_order_are_counted_and_change_nothing() -> None:
    world = World([Body(gliding(60, 80, 0.5))], Detector(every=0)).run(60)
    box = DetectedBox(world.bodies[0].box(50), '41', 'class 41', 0.9)
    world.say([box], back=2)
    for _ in range(5):
        world.say([box], back=12)
    world.run(10)
    assert world.counts()['detections_out_of_order'] == 5 and not world.ever


def test_several_messages_about_one_image_count_as_one() -> None:
    """As of two detectors on one topic: what the one does not see is not missed by the other."""
    world = World([Body(gliding(60, 80)), Body(gliding(250, 180))], Detector(every=0)).run(10)
    for _ in range(4):
        world.run(3)
        for body in world.bodies:
            world.say([DetectedBox(body.box(world.index), '1', '', 0.9)])
            world.say([])
    world.run(3)
    assert len(world.tracks) == 2
    assert [name.startswith('object_') for name in world.tracks] == [True, True]


def test_a_box_that_is_sent_three_times_was_seen_once() -> None:
    world = World([Body(gliding(60, 80))], Detector(every=0)).run(5)
    for _ in range(5):
        world.say([DetectedBox(world.bodies[0].box(world.index), '1', '', 0.9)])
    world.run(5)
    assert not world.ever


def test_of_a_flood_of_boxes_the_surest_count() -> None:
    world = World([Body(gliding(60, 80))], Detector(every=0)).run(2)
    flood = [DetectedBox((float(x), 0.0, x + 20.0, 20.0), str(x), str(x), 0.35) for x in range(300)]
    for _ in range(3):
        world.run(1)
        world.say([*flood, DetectedBox(world.bodies[0].box(world.index), '1', 'cup', 0.9)])
    world.run(2)
    assert world.ever == ['cup_1'] and world.counts()['detections_weak'] == 3 * (301 - 100)


def test_all_is_forgotten_when_it_begins_anew() -> None:
    world = World([Body(gliding(60, 80))], Detector(misses=0, invents=0)).run(13)
    assert world.prompts.waiting == 1
    world.prompts.forget()  # after two messages
    world.run(6)
    assert not world.ever and world.prompts.waiting == 1
    world.run(20)
    (only,) = world.tracks
    world.operator_removes(only)
    world.run(30)
    assert not world.tracks
    world.prompts.forget()
    world.run(40)
    assert len(world.tracks) == 1
