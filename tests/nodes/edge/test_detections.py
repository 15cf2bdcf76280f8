"""Boxes from the message of a detector: each is understood, or there is a sentence."""

from __future__ import annotations

import math

import pytest
from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.nodes.edge.detections import MAX_BOXES, boxes_from_message
from tests.nodes.detector import detection_message, detections_message


def boxes_of(*detections: object) -> tuple[list, list[str]]:
    return boxes_from_message(detections_message(Time(), detections), name_of=lambda class_id: f'the {class_id}')


def test_every_field_of_a_box() -> None:
    (box,), problems = boxes_of(detection_message((1.5, 2, 30, 40), 'cup', 0.75))
    assert box.box == pytest.approx((1.5, 2, 30, 40)) and problems == []
    assert (box.class_id, box.class_name, box.score) == ('cup', 'the cup', 0.75)


def test_an_empty_message_has_no_boxes() -> None:
    assert boxes_of() == ([], [])


def test_a_turned_box_becomes_the_upright_one_around_it() -> None:
    (box,), _ = boxes_of(detection_message((10, 10, 30, 14), angle=math.pi / 2))
    assert box.box == pytest.approx((18, 2, 22, 22))


def test_of_several_results_the_surest_counts() -> None:
    detection = detection_message((0, 0, 9, 9), 'cup', 0.2)
    detection.results = [*detection.results, *detection_message((0, 0, 9, 9), 'bowl', 0.6).results]
    (box,), _ = boxes_of(detection)
    assert (box.class_id, box.score) == ('bowl', 0.6)


@pytest.mark.parametrize(
    ('detection', 'problem'),
    [
        (detection_message((0, 0, math.inf, 9)), 'not finite'),
        (detection_message((0, 0, 9, 9), angle=math.nan), 'not finite'),
        (detection_message((0, 0, 0, 9)), '0 x 9 pixels, but both sides must be above 0'),
        (detection_message((0, 0, 9, 9), score=-0.1), 'its score is -0.1, but must be from 0 to 1'),
        (detection_message((0, 0, 9, 9), 'x' * 80), 'class_name has 84 characters'),
    ],
)
def test_what_is_no_box_is_told_and_the_others_count(detection: object, problem: str) -> None:
    boxes, problems = boxes_of(detection_message((0, 0, 9, 9)), detection, detection_message((1, 1, 9, 9)))
    assert len(boxes) == 2 and len(problems) == 1 and problem in problems[0]


def test_a_detection_without_a_result() -> None:
    detection = detection_message((0, 0, 9, 9))
    detection.results = []
    assert boxes_of(detection) == ([], ['it has no result, so neither class nor score'])


def test_a_flood_is_bounded() -> None:
    boxes, problems = boxes_of(*[detection_message((0, 0, 9, 9))] * (MAX_BOXES + 1))
    assert len(boxes) == MAX_BOXES and f'there are {MAX_BOXES + 1} in a message' in problems[0]


numbers = st.floats(width=32)


@given(st.lists(st.tuples(numbers, numbers, numbers, numbers, numbers, numbers, st.text(max_size=70)), max_size=5))
def test_any_detection_is_a_box_or_a_sentence(values: list[tuple]) -> None:
    detections = []
    for x0, y0, x1, y1, angle, score, class_id in values:
        detection = detection_message((0, 0, 1, 1), class_id, angle=angle)
        detection.bbox.center.position.x, detection.bbox.center.position.y = x0, y0
        detection.bbox.size_x, detection.bbox.size_y = x1, y1
        detection.results[0].hypothesis.score = score
        detections.append(detection)
    boxes, problems = boxes_of(*detections)
    assert len(boxes) + len(problems) == len(values) and all(len(problem) > 10 for problem in problems)
    for box in boxes:
        x0, y0, x1, y1 = box.box
        assert x0 <= x1 and y0 <= y1 and 0 <= box.score <= 1
