"""Run lengths hold masks without loss, in both forms of COCO's files; pycocotools reads and writes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sam2_ros.files.run_lengths import RunLengths, counts_as_text, short_counts

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))
PAIRS = array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)
MASK = np.array([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1], [0, 0, 0, 0]], bool)
COUNTS = [6, 3, 2, 1, 1, 1, 2, 3, 1]  # down its columns


@pytest.mark.parametrize('counts', [COUNTS, '632NO012O', [6, 3, 2, 0, 0, 1, 1, 1, 2, 3, 1]])
def test_runs_go_down_the_columns_and_keep_holes(counts: Any) -> None:
    runs = RunLengths.from_coco({'size': [5, 4], 'counts': counts})
    np.testing.assert_array_equal(runs.mask(), MASK)
    assert runs == RunLengths.of(MASK)
    assert runs.area == 8 and runs.box() == (1, 1, 4, 4)


@pytest.mark.parametrize(
    ('text', 'counts'),
    [
        ('', []),
        ('5', [5]),
        ('g0X12K', [23, 40, 2, 35]),  # 23 = 16 + 7 needs a second character, or 16 were its sign; 35 = 40 - 5
        ('PP1', [1024]),
    ],
)
def test_the_short_form(text: str, counts: list[int]) -> None:
    assert short_counts(text) == counts
    assert counts_as_text(counts) == text


@given(st.lists(st.integers(0, 1 << 40)))
def test_the_short_form_is_read_as_it_is_written(counts: list[int]) -> None:
    assert short_counts(counts_as_text(counts)) == counts


@given(MASKS)
def test_masks_come_back_as_they_were(mask: np.ndarray) -> None:
    runs = RunLengths.of(mask)
    assert 0 not in runs.counts[1:]
    np.testing.assert_array_equal(runs.mask(), mask)
    for short in (True, False):
        assert RunLengths.from_coco(runs.to_coco(short=short), size=mask.shape) == runs
    assert runs.area == mask.sum()
    assert (runs.box() is None) == (not mask.any())


def test_an_object_that_is_not_seen_has_an_empty_mask() -> None:
    assert RunLengths.empty((3, 4)) == RunLengths.of(np.zeros((3, 4), bool))


@given(MASKS)
def test_pycocotools_writes_the_same(mask: np.ndarray) -> None:
    coco = pytest.importorskip('pycocotools.mask', reason='pycocotools is not installed: nothing to compare with')
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    ours = RunLengths.of(mask)
    assert ours.to_coco() == {'size': list(theirs['size']), 'counts': theirs['counts'].decode()}
    np.testing.assert_array_equal(coco.decode(ours.to_coco()), mask)
    assert coco.area(theirs) == ours.area


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        (None, "need 'size'"),
        ({'size': [5], 'counts': [5]}, "need 'size'"),
        ({'size': [5, -4], 'counts': [5]}, "need 'size'"),
        ({'size': [1 << 20, 1 << 20], 'counts': [1 << 40]}, 'too many'),
        ({'size': [4, 5], 'counts': [20]}, 'of 5 x 4 pixels, not 4 x 5'),
        ({'size': [5, 4], 'counts': [10, 10.0]}, "need 'counts'"),
        ({'size': [5, 4], 'counts': [30, -10]}, 'must not be negative'),
        ({'size': [5, 4], 'counts': 13 * 'o' + '0'}, 'short form'),
        ({'size': [5, 4]}, "need 'counts'"),
        ({'size': [5, 4], 'counts': [10, 9]}, 'cover 19 pixels of an image of 20'),
        ({'size': [5, 4], 'counts': 'g'}, 'short form'),
        ({'size': [5, 4], 'counts': 'ö!'}, 'short form'),
    ],
)
def test_what_is_no_mask_is_refused(entry: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RunLengths.from_coco(entry, size=(5, 4))


@given(PAIRS)
def test_shared_pixels_without_decompressing(pair: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = pair
    assert RunLengths.of(one).shared(RunLengths.of(other)) == (one & other).sum()


def test_masks_of_different_sizes_share_nothing() -> None:
    with pytest.raises(ValueError, match='different sizes'):
        RunLengths.empty((2, 3)).shared(RunLengths.empty((3, 2)))
