"""Prompts: what is accepted, and a sentence for everything else."""

from typing import Any

import numpy as np
import pytest

from sam2_ros.tracking import Prompt

MASK = np.ones((4, 6), dtype=bool)


@pytest.mark.parametrize(
    ('arguments', 'error', 'sentence'),
    [
        ({'object_id': 7, 'box': (0, 0, 2, 2)}, TypeError, 'object_id must be a non-empty string, not 7'),
        ({'object_id': '', 'box': (0, 0, 2, 2)}, TypeError, 'non-empty string'),
        ({'object_id': 'x' * 65, 'box': (0, 0, 2, 2)}, ValueError, 'has 65 characters, but at most 64'),
        ({'object_id': 'x' * 100_000, 'box': (0, 0, 2, 2)}, ValueError, 'has 100000 characters, but at most 64'),
        ({'object_id': 'a\nb', 'box': (0, 0, 2, 2)}, ValueError, r"printable characters, .* not 'a\\nb'"),
        ({'object_id': '\x1b[31mred', 'box': (0, 0, 2, 2)}, ValueError, 'printable characters'),
        ({}, ValueError, 'give points, a box or a mask'),
        ({'points': [(1, 2, 3)]}, ValueError, r'\(x, y\) pairs'),
        ({'points': ['here']}, TypeError, 'points must be numbers'),
        ({'points': [(1, float('nan'))]}, ValueError, 'finite'),
        ({'points': [(1, 2)], 'labels': [1, 0]}, ValueError, 'one label per point'),
        ({'points': [(1, 2)], 'labels': [2]}, ValueError, '1 .belongs to the object. or 0'),
        ({'labels': [1], 'box': (0, 0, 2, 2)}, ValueError, 'one label per point'),
        ({'box': (0, 0, 2)}, ValueError, 'four numbers'),
        ({'box': (2, 0, 2, 2)}, ValueError, 'x0 < x1'),
        ({'points': [(1, 2)], 'labels': [[1], [1, 0]]}, TypeError, 'labels must be numbers'),
        ({'mask': [[1, 0], [1]]}, ValueError, 'not rows of different lengths'),
        ({'mask': np.ones((2, 2, 3))}, ValueError, r'\(height, width\)'),
        ({'mask': np.full((2, 2), 255, np.uint8)}, ValueError, 'boolean or hold only 0 and 1'),
        ({'mask': MASK, 'box': (0, 0, 2, 2)}, ValueError, 'stands alone'),
    ],
)
def test_malformed_prompts(arguments: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        Prompt(**{'object_id': 'cup', **arguments})


def test_names_of_64_printable_characters_are_accepted() -> None:
    for name in ('x' * 64, 'rote Tasse', '杯子', '(1) cup/left'):
        assert Prompt(name, box=(0, 0, 2, 2)).object_id == name


@pytest.mark.parametrize(
    'arguments',
    [
        {'points': [('a' * 10**6, 1)]},
        {'points': [(1, float('nan'))] * 10**5},
        {'points': [(1, 2)] * 10**5, 'labels': [7] * 10**5},
        {'labels': ['x'] * 10**5, 'box': (0, 0, 2, 2)},
        {'box': [float('inf')] * 10**5},
        {'object_id': ['x'] * 10**5, 'box': (0, 0, 2, 2)},
    ],
)
def test_a_refusal_quotes_little_of_what_it_was_given(arguments: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)) as refusal:
        Prompt(**{'object_id': 'cup', **arguments})
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        ({'points': [(6.5, 1)]}, r'the point \(6.5, 1\) lies outside the image of 6x4 pixels'),
        ({'points': [(1, -1)]}, 'lies outside'),
        ({'box': (6, 0, 9, 3)}, 'lies outside'),
        ({'box': (-5, 0, 0, 3)}, 'lies outside'),
        ({'mask': np.ones((6, 4))}, 'the mask is 4x6 pixels but the image is 6x4 pixels'),
    ],
)
def test_prompts_outside_the_image(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Prompt('cup', **arguments).check_fits(4, 6)


def test_prompts_at_the_border_fit() -> None:
    for arguments in ({'points': [(0, 0), (6, 4)]}, {'box': (-3, -3, 9, 9)}, {'mask': MASK}):
        Prompt('cup', **arguments).check_fits(4, 6)


def test_what_can_start_an_object() -> None:
    for arguments in ({'points': [(1, 1)]}, {'box': (0, 0, 2, 2)}, {'mask': MASK}):
        Prompt('cup', **arguments).check_starts_object()
    with pytest.raises(ValueError, match='positive point'):
        Prompt('cup', points=[(1, 1)], labels=[0]).check_starts_object()
    with pytest.raises(ValueError, match='empty mask'):
        Prompt('cup', mask=~MASK).check_starts_object()


def test_box_corners_come_before_the_points() -> None:
    points, labels = Prompt('cup', points=[(5, 6)], labels=[0], box=(1, 2, 3, 4)).network_points()
    assert points.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert labels.tolist() == [2, 3, 0]


def test_a_prompt_does_not_change_with_the_callers_arrays() -> None:
    points, mask = np.array([[1.0, 2.0]]), MASK.copy()
    by_point, by_mask = Prompt('cup', points=points), Prompt('cup', mask=mask)
    points[:], mask[:] = 9, False
    assert by_point.points.tolist() == [[1, 2]]
    assert by_point.labels.tolist() == [1]
    assert by_mask.mask.all()
    with pytest.raises(ValueError, match='read-only'):
        by_point.points[:] = 0
