"""Whatever a detector sends: no box is of two objects, and a thing that was seen often enough is asked for once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.detections.boxes import SAME_BOX, DetectedBox, overlap
from sam2_ros.detections.trails import Trails, best_pairs
from sam2_ros.live.arrived_images import ArrivedImage
from sam2_ros.live.requests import Source
from tests.detections.world import HEIGHT, WIDTH, Body, Detector, World, gliding

numbers = st.integers(0, 9)


@given(st.dictionaries(st.tuples(numbers, numbers), st.floats(0, 1), max_size=40))
def test_pairs_share_no_side_and_none_is_left_out_for_a_worse_one(scores: dict[tuple[int, int], float]) -> None:
    left, right = [[n] for n in range(10)], [[n] for n in range(10)]  # lists: equal ones are not the same
    pairs = best_pairs(((score,), left[i], right[j]) for (i, j), score in scores.items())
    found = {(one[0], other[0]) for one, other in pairs}
    assert len({i for i, _ in found}) == len({j for _, j in found}) == len(found) == len(pairs)
    for (i, j), score in scores.items():
        rivals = [scores[pair] for pair in found if pair[0] == i or pair[1] == j]
        assert (i, j) in found or any(rival >= score for rival in rivals)


def some_boxes(most: int = 6) -> st.SearchStrategy[list[DetectedBox]]:
    """Anywhere, often in the same places, of some classes, sure or not."""
    place = st.tuples(st.integers(-40, WIDTH), st.integers(-40, HEIGHT), st.integers(1, 120), st.integers(1, 120))
    usual = st.sampled_from(
        [(20, 20, 50, 60), (24, 22, 50, 60), (150, 90, 60, 60), (150, 100, 40, 90), (260, 170, 50, 50)]
    )
    box = st.builds(
        lambda edges, name, score: DetectedBox(
            (float(edges[0]), float(edges[1]), float(edges[0] + edges[2]), float(edges[1] + edges[3])),
            name,
            name,
            score,
        ),
        st.one_of(usual, usual, place),
        st.sampled_from(['', 'cup', 'dog']),
        st.sampled_from([0.1, 0.4, 0.7, 0.9]),
    )
    return st.lists(box, max_size=most)


@given(st.lists(some_boxes(), max_size=25), st.integers(1, 4), st.integers(1, 4))
def test_whatever_is_sent_boxes_and_objects_are_one_to_one(
    messages: list[list[DetectedBox]], confirm: int, max_objects: int
) -> None:
    bodies = [Body(gliding(50, 60, 0.7)), Body(gliding(180, 120, -0.5))]
    world = World(bodies, Detector(every=0), max_objects=max_objects)
    world.settings.update(detection_confirm=confirm, detection_correct_overlap=0.7, detection_remove_after=0.5)
    asked: Counter[int] = Counter()
    begin = world.prompts._ask

    def ask(image: ArrivedImage, prompt, object_id, answer, **rest) -> None:
        if not object_id:
            trail = answer.args[0]
            asked[id(trail)] += 1
            assert trail.seen >= confirm
            kept.append(trail)
        begin(image, prompt, object_id, answer, **rest)

    kept: list[object] = []  # so that no other trail gets its identity
    world.prompts._ask = ask
    seen_pairs = []
    matches = world.prompts._matches
    world.prompts._matches = lambda *given: (seen_pairs.append(matches(*given)), seen_pairs[-1])[1]
    world.run(3)
    world.operator_prompts('mine', bodies[0].box(world.index))
    for boxes in messages:
        world.run(1)
        world.say(boxes)
        assert len(world.tracks) <= max_objects
    world.run(3)
    for pairs in seen_pairs:
        assert len({id(box) for box, _ in pairs}) == len({one.object_id for _, one in pairs}) == len(pairs)
    assert all(number == 1 for number in asked.values())
    assert 'mine' in world.tracks and world.kind('mine').source is Source.OPERATOR
    for object_id in world.tracks:
        assert 0 <= world.kind(object_id).class_score <= 1


@given(st.lists(some_boxes(3), min_size=1, max_size=8))
def test_a_trail_goes_from_box_to_box_that_overlap(messages: list[list[DetectedBox]]) -> None:
    trails = Trails()
    for index, boxes in enumerate(messages):
        image = ArrivedImage(None, time=index / 10, arrived=float(index))
        held = list(trails)  # so that no new trail gets the identity of one that has ended
        before = {id(trail): trail.box for trail in held}
        followed = trails.follow(image, boxes, [])
        assert {id(box) for _, box in followed} == {id(box) for box in boxes}
        assert len({id(trail) for trail, _ in followed}) == len(boxes)
        for trail, box in followed:
            assert trail.box == box.box and (trail.seen > 1) is (id(trail) in before)
            if id(trail) in before:
                assert overlap(before[id(trail)], box.box) >= SAME_BOX
        assert sum(trail.arrived == image.arrived for trail in trails) == len(boxes)
        missed = [trail for trail in trails if trail.arrived != image.arrived]
    trails.follow(ArrivedImage(None, time=9.0, arrived=99.0), [], [])
    assert not any(trail in missed for trail in trails)  # what was missed once is gone


def test_answers_to_trails_that_were_forgotten_do_no_harm() -> None:
    world = World([Body(gliding(60, 80))], Detector(misses=0, invents=0, late=0))
    world.settings['detection_confirm'] = 1
    world.run(1)
    world.prompts.forget()
    world.run(1)  # the prompt is applied now
    assert len(world.tracks) == 1
    world.run(60)
    assert len(world.ever) == 1
