"""Labels of objects, and numbers of classes, in the label mask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.nodes.tracker.labels import ClassNumbers, LabelTable


def test_labels_are_stable_and_freed_ones_come_last() -> None:
    labels = LabelTable(4)
    assert [labels.assign(name) for name in ('a', 'b', 'c', 'a')] == [1, 2, 3, 1]
    labels.free('b')
    labels.free('a')
    assert [labels.assign(name) for name in ('d', 'e', 'f')] == [4, 2, 1]
    with pytest.raises(ValueError, match='all 4 labels are in use'):
        labels.assign('g')


@given(st.lists(st.tuples(st.booleans(), st.sampled_from('abcdefgh')), max_size=60))
def test_labels_are_unique_and_within_range(steps: list[tuple[bool, str]]) -> None:
    labels, held = LabelTable(5), {}
    for adds, name in steps:
        if not adds:
            labels.free(name)
            held.pop(name, None)
        elif name in held or len(held) < 5:
            label = labels.assign(name)
            assert held.setdefault(name, label) == label
    assert len(set(held.values())) == len(held) and all(1 <= label <= 5 for label in held.values())


def test_classes_keep_their_numbers_and_the_highest_is_none_of_them() -> None:
    numbers = ClassNumbers(['person', '', 'cup', 'person'], highest=7)
    assert [numbers.number(name) for name in ('cup', 'dog', 'person', '', 'cat', 'dog')] == [3, 5, 1, 7, 6, 5]
    assert numbers.number('one too many') == 7
    assert numbers.names == {1: 'person', 3: 'cup', 5: 'dog', 6: 'cat', 7: 'UNLABELED'}


@given(st.lists(st.sampled_from('abcdef'), max_size=9), st.lists(st.sampled_from(['', *'abcdefgh']), max_size=30))
def test_numbers_of_classes_are_stable_and_within_range(known: list[str], asked: list[str]) -> None:
    numbers, held = ClassNumbers(known, highest=6), {}
    for name in asked:
        number = numbers.number(name)
        assert 1 <= number <= 6 and held.setdefault(name, number) == number
    named = [number for name, number in held.items() if number != 6]
    assert len(set(named)) == len(named) and held.get('', 6) == 6
    assert all(numbers.names[number] == name for name, number in held.items() if number != 6)
