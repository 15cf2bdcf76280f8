"""Masklets of the same object become one."""

from __future__ import annotations

import numpy as np

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.labelling import LabelledObject
from sam2_ros.labelling.merging import are_same, merged


def bar(first: int, last: int) -> RunLengths:
    """A mask of one row of ten pixels."""
    mask = np.zeros((1, 10), bool)
    mask[0, first:last] = True
    return RunLengths.of(mask)


def thing(frames: range, mask: RunLengths, *, score: float, **more: bool) -> LabelledObject:
    return LabelledObject(
        dict.fromkeys(frames, mask), dict.fromkeys(frames, score), {frames[0]: (mask,)}, score, **more
    )


def test_masks_that_overlap_enough_on_enough_frames_are_the_same() -> None:
    one = thing(range(8), bar(0, 8), score=0.9)
    assert are_same(one, thing(range(4, 12), bar(0, 6), score=0.8), overlap=0.75)
    assert not are_same(one, thing(range(4, 12), bar(0, 5), score=0.8), overlap=0.75)
    assert not are_same(one, thing(range(5, 12), bar(0, 8), score=0.8), overlap=0.75), 'too few frames show both'
    assert not are_same(one, thing(range(8, 12), bar(0, 8), score=0.8), overlap=0.0), 'no frame shows both'


def test_the_better_one_has_the_shared_frames_and_the_other_adds_its_own() -> None:
    known, found = thing(range(6), bar(0, 8), score=0.7), thing(range(3, 9), bar(0, 7), score=0.9)
    both = merged(known, found)
    assert list(both.masks) == list(range(9)) == list(both.stability)
    assert [both.masks[frame].area for frame in (2, 3, 8)] == [8, 7, 7]
    assert both.score == 0.9
    assert list(both.prompts) == [0, 3]
    assert merged(found, known).masks == both.masks


def test_what_a_person_said_stays() -> None:
    found = thing(range(9), bar(0, 7), score=1.0)
    for known in (
        thing(range(3), bar(0, 8), score=0.1, checked=True),
        thing(range(3), bar(0, 8), score=0.1, dropped=True),
    ):
        assert merged(known, found) is known
