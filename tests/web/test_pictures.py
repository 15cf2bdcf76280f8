"""Masks as runs, stamps as texts, messages in one piece."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sam2_ros.web.commands import CommandError, read_command
from sam2_ros.web.pictures import NANOSECONDS, ShownObject, mask_of_runs, packed, runs_of, stamp_as_text, unpacked

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@given(MASKS)
def test_runs_give_the_mask_back(mask: np.ndarray) -> None:
    runs = runs_of(mask)
    assert runs.dtype == np.uint32 and runs.sum() == mask.size
    assert (runs[1:] > 0).all()  # only the first may be empty
    assert (mask_of_runs(runs.tolist(), height=mask.shape[0], width=mask.shape[1]) == mask).all()


def test_runs_begin_with_background() -> None:
    assert runs_of(np.array([[True, True, False], [False, True, True]])).tolist() == [0, 2, 2, 2]
    assert runs_of(np.zeros((2, 3), bool)).tolist() == [6]


@pytest.mark.parametrize('runs', [[5], [7], [-1, 7], [[6]], []])
def test_runs_that_do_not_fit_are_refused(runs: list) -> None:
    with pytest.raises(ValueError, match='do not make 3 x 2 pixels'):
        mask_of_runs(runs, height=2, width=3)


@given(st.integers(0, 2**31 * NANOSECONDS))
def test_stamps_keep_every_nanosecond(stamp_ns: int) -> None:
    text = json.dumps({'do': 'prompt', 'stamp': stamp_as_text(stamp_ns), 'points': [[0, 0, 1]]})
    assert read_command(text, size_of=lambda _: (1, 1)).stamp_ns == stamp_ns


@given(st.lists(MASKS, max_size=3), st.binary(max_size=20))
def test_a_message_has_all_parts(masks: list[np.ndarray], file: bytes) -> None:
    objects = [ShownObject(str(n), {}, (0, 0, *mask.shape[::-1]), mask) for n, mask in enumerate(masks)]
    head, parts = unpacked(packed({'kind': 'x'}, objects, file))
    for entry, mask in zip(head['objects'], masks, strict=True):
        begin, length = entry['mask']
        runs = np.frombuffer(parts[begin : begin + length], '<u4').tolist()
        assert (mask_of_runs(runs, height=mask.shape[0], width=mask.shape[1]) == mask).all()
    if file:
        begin, length = head['file']
        assert parts[begin : begin + length] == file


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(st.sampled_from(['do', 'camera', 'points', 'box', 'mask', 'runs', 'stamp']), x)
        ),
    )
)
def test_whatever_comes_is_a_command_or_refused(message: object) -> None:
    for do in ('watch', 'drawn', 'prompt', 'rename', 'remove', 'reset', 'record'):
        entries = {**message, 'do': do} if isinstance(message, dict) else message
        try:
            read_command(json.dumps(entries), size_of=lambda _: (100, 100))
        except CommandError as error:
            assert str(error)
