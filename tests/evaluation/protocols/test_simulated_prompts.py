"""Simulated prompts against answers known on paper and against the definition written out the slow way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sam2_ros.evaluation.protocols.simulated_prompts import mask_box, next_click
from sam2_ros.model.prompt_encoder import NEGATIVE, POSITIVE
from tests.scenes import rectangle

MASKS = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7))


def slow_depth(region: np.ndarray) -> np.ndarray:
    """Distance of every pixel to the nearest pixel that is not of the region; the image is framed by such pixels."""
    padded = np.pad(region, 1)
    outside = np.argwhere(~padded)
    depth = np.zeros(padded.shape)
    for place in np.argwhere(padded):
        depth[tuple(place)] = np.sqrt(((outside - place) ** 2).sum(axis=1).min())
    return depth[1:-1, 1:-1]


@pytest.mark.parametrize(
    ('true', 'predicted', 'click', 'label'),
    [
        (rectangle(10, 20, 15, 25), None, (22, 12), POSITIVE),
        (rectangle(0, 0, 5, 5), None, (2, 2), POSITIVE),  # the frame's edge is an edge of the region
        (
            rectangle(10, 20, 21, 31),
            rectangle(10, 20, 21, 26),
            (28, 12),
            POSITIVE,
        ),  # 11x5 missed: first of the centre line
        (rectangle(10, 20, 21, 31), rectangle(10, 20, 21, 40), (35, 14), NEGATIVE),  # 11x9 too much
        (rectangle(5, 5, 8, 8), rectangle(20, 20, 23, 23), (21, 21), NEGATIVE),  # equally deep: negative
        (rectangle(5, 5, 10, 10), rectangle(20, 20, 23, 23), (7, 7), POSITIVE),  # the larger error wins
    ],
)
def test_next_click(true: np.ndarray, predicted: np.ndarray | None, click: tuple[int, int], label: int) -> None:
    assert next_click(true, predicted) == (click, label)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_next_click_is_the_first_deepest_wrong_pixel(data: st.DataObject) -> None:
    true = data.draw(MASKS)
    predicted = data.draw(arrays.arrays(bool, true.shape))
    missed, spilled = slow_depth(true & ~predicted), slow_depth(predicted & ~true)
    (x, y), label = next_click(true, predicted)
    assert label == int(missed.max() > spilled.max() + 1e-9)
    depth = missed if label else spilled
    deepest = np.flatnonzero(depth >= depth.max() - 1e-4)
    assert y * true.shape[1] + x == deepest[0]


def test_next_click_refuses_masks_of_other_shapes() -> None:
    with pytest.raises(ValueError, match=r'two masks of one shape \(H, W\), got \(3, 4\) and \(4, 3\)'):
        next_click(np.ones((3, 4), bool), np.ones((4, 3), bool))


def test_mask_box() -> None:
    assert mask_box(rectangle(3, 5, 4, 6)) == (5, 3, 6, 4)  # one pixel; half-open
    assert mask_box(rectangle(0, 0, 40, 60)) == (0, 0, 60, 40)
    with pytest.raises(ValueError, match='empty mask'):
        mask_box(np.zeros((4, 4), bool))
