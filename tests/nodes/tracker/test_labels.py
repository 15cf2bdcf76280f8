"""Labels of objects in the label mask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.nodes.tracker.labels import LabelTable


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
