"""Of boxes that overlap the best stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.images.suppression import suppress_duplicates
from tests.official import naive_nms

SIDES = st.integers(0, 12)
BOXES = st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES, st.integers(0, 5)), max_size=20)


def split(rows: list[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) x0, y0, x1, y1 and scores (N,)."""
    numbers = np.array(rows, np.float32).reshape(-1, 5)
    numbers[:, 2:4] += numbers[:, :2]
    return numbers[:, :4], numbers[:, 4]


def test_the_best_of_duplicates_stays_in_the_order_of_the_scores() -> None:
    boxes = np.array([(0, 0, 10, 10), (0, 0, 10, 9), (20, 0, 30, 10), (0, 0, 4, 4)])
    assert suppress_duplicates(boxes, np.array([0.5, 0.9, 1.0, 0.1]), overlap=0.7).tolist() == [2, 1, 3]


def test_an_overlap_that_is_just_allowed_stays() -> None:
    boxes = np.array([(0, 0, 4, 1), (0, 0, 2, 1)])
    assert len(suppress_duplicates(boxes, np.array([2, 1]), overlap=0.5)) == 2
    assert len(suppress_duplicates(boxes, np.array([2, 1]), overlap=0.49)) == 1


@given(BOXES, st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
def test_it_is_the_definition(rows: list[tuple[int, ...]], overlap: float) -> None:
    boxes, scores = split(rows)
    expected = naive_nms(torch.from_numpy(boxes), torch.from_numpy(scores), torch.zeros(len(boxes)), overlap)
    assert suppress_duplicates(boxes, scores, overlap=overlap).tolist() == expected.tolist()


def test_torchvision_keeps_the_same() -> None:
    try:
        from torchvision import ops
    except (ImportError, RuntimeError) as error:  # its wheel does not load beside every build of torch
        pytest.skip(f'torchvision cannot be imported, so there is nothing to compare with: {error}')
    random = np.random.default_rng(0)
    boxes, scores = split([tuple(row) for row in random.integers(0, 60, (500, 5))])
    for overlap in (0.1, 0.5, 0.7):
        expected = ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), overlap)
        assert suppress_duplicates(boxes, scores, overlap=overlap).tolist() == expected.tolist()
