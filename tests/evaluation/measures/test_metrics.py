"""Measures against answers known on paper, and against definitions written out the slow way."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sam2_ros.evaluation.measures.metrics import (
    contour_accuracy,
    mask_boundary,
    region_similarity,
    robustness,
    roc_auc,
    standard_error,
)


def square(top: int, left: int, *, side: int = 10, shape: tuple[int, int] = (30, 40)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


EMPTY, FULL = np.zeros((30, 40), bool), np.ones((30, 40), bool)


@pytest.mark.parametrize(
    ('prediction', 'truth', 'expected'),
    [
        (EMPTY, EMPTY, 1),
        (EMPTY, square(5, 5), 0),
        (square(5, 5), EMPTY, 0),
        (square(5, 5), square(5, 5), 1),
        (square(5, 5), square(5, 6), 90 / 110),
        (square(5, 5), square(6, 6), 81 / 119),
        (square(0, 0), square(20, 20), 0),
        (square(5, 5), FULL, 100 / 1200),
    ],
)
def test_region_similarity(prediction: np.ndarray, truth: np.ndarray, expected: float) -> None:
    assert region_similarity(prediction, truth) == pytest.approx(expected, abs=1e-12)


def boundary_pixels(mask: np.ndarray) -> set[tuple[int, int]]:
    return {(int(y), int(x)) for y, x in np.argwhere(mask_boundary(mask))}


def test_boundary_of_one_pixel_lies_on_it_and_towards_the_origin() -> None:
    assert boundary_pixels(square(3, 5, side=1)) == {(3, 5), (3, 4), (2, 5), (2, 4)}


def test_boundary_at_the_edges_of_the_image() -> None:
    assert boundary_pixels(square(29, 39, side=1)) == {(29, 38), (28, 39), (28, 38)}
    assert not mask_boundary(FULL).any()
    assert np.count_nonzero(mask_boundary(square(5, 5))) == 40  # a ring of 11 x 11


@pytest.mark.parametrize(
    ('prediction', 'truth', 'radius', 'expected'),
    [
        (square(5, 5), square(5, 5), 0, 1),
        (square(5, 5), square(5, 6), 0, 0.5),  # 20 of the 40 pixels of the ring: 10 above, 10 below
        (square(5, 5), square(5, 6), 1, 1),
        (square(5, 5), square(5, 7), 1, 22 / 40),  # those, and two next to the other ring
        (square(5, 5), square(18, 28), 1, 0),
        (square(5, 5, side=10), square(5, 5, side=20), 0, 2 * 21 / (40 + 80)),  # upper and left side
        (EMPTY, EMPTY, 1, 1),
        (EMPTY, square(5, 5), 1, 0),
        (square(5, 5), EMPTY, 1, 0),
        (FULL, EMPTY, 1, 1),  # neither has a contour
        (FULL, square(5, 5), 1, 0),
    ],
)
def test_contour_accuracy(prediction: np.ndarray, truth: np.ndarray, radius: int, expected: float) -> None:
    # 30 x 40 pixels have a diagonal of 50
    assert contour_accuracy(prediction, truth, tolerance=radius / 50) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(('rows', 'expected'), [(208, 1), (209, 0), (192, 1), (191, 0)])
def test_contour_tolerance_is_eight_pixels_at_480p(rows: int, expected: float) -> None:
    prediction, truth = np.zeros((2, 480, 854), bool)
    prediction[:rows], truth[:200] = True, True
    assert contour_accuracy(prediction, truth) == expected


def test_measures_are_vectorised_over_leading_dimensions() -> None:
    prediction = np.array([[EMPTY, square(5, 5)], [square(5, 6), square(7, 7)]])
    truth = np.array([[EMPTY, square(5, 5)], [square(5, 5), EMPTY]])
    for measure in (region_similarity, contour_accuracy):
        values = measure(prediction, truth)
        assert values.shape == (2, 2)
        for index in np.ndindex(2, 2):
            assert values[index] == measure(prediction[index], truth[index])
    assert contour_accuracy(prediction[:0], truth[:0]).shape == (0, 2)


MASKS = arrays.arrays(bool, (2, 7, 9))


@given(MASKS, st.integers(0, 4))
def test_contour_accuracy_equals_its_definition(masks: np.ndarray, radius: int) -> None:
    predicted, true = (np.argwhere(mask_boundary(mask)) for mask in masks)
    if len(predicted) and len(true):
        near = np.linalg.norm(predicted[:, None] - true[None], axis=-1) <= radius
        precision, recall = near.any(1).mean(), near.any(0).mean()
        expected = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    else:
        expected = float(len(predicted) == len(true))
    assert contour_accuracy(*masks, tolerance=radius / math.hypot(7, 9)) == pytest.approx(expected, abs=1e-12)


@given(MASKS)
def test_measures_are_symmetric_and_one_for_equal_masks(masks: np.ndarray) -> None:
    for measure in (region_similarity, contour_accuracy):
        assert measure(masks[0], masks[1]) == measure(masks[1], masks[0])
        assert (measure(masks, masks) == 1).all()


@pytest.mark.parametrize('measure', [region_similarity, contour_accuracy])
def test_unsuitable_masks_are_refused(measure) -> None:
    with pytest.raises(TypeError, match='boolean'):
        measure(np.zeros((4, 4)), np.zeros((4, 4), bool))
    with pytest.raises(ValueError, match='one shape'):
        measure(np.zeros((4, 4), bool), np.zeros((4, 5), bool))


def test_robustness_counts_visible_frames_only() -> None:
    overlap = np.array([0.9, 0.0, 1.0, 0.001, 0.0])
    assert robustness(overlap, np.array([True, True, False, True, True])) == 0.5
    assert math.isnan(robustness(overlap, np.zeros(5, bool)))


@pytest.mark.parametrize(
    ('score', 'positive', 'expected'),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
        ([5, 5, 5], [1, 0, 1], 0.5),
        ([1, 2, 2, 3], [0, 0, 1, 1], 3.5 / 4),
        ([-math.inf, 0, math.inf], [0, 1, 1], 1),
    ],
)
def test_roc_auc(score: list[float], positive: list[int], expected: float) -> None:
    assert roc_auc(np.array(score, dtype=float), np.array(positive, bool)) == expected


@pytest.mark.parametrize('positive', [[], [True, True], [False]])
def test_roc_auc_needs_both_classes(positive: list[bool]) -> None:
    assert math.isnan(roc_auc(np.zeros(len(positive)), np.array(positive, bool)))


def test_roc_auc_of_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match='1 of 3 scores are not numbers'):
        roc_auc(np.array([math.nan, 1, 2]), np.array([True, False, False]))


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_roc_auc_equals_the_count_of_pairs(examples: list[tuple[int, bool]]) -> None:
    score, positive = np.array([e[0] for e in examples]), np.array([e[1] for e in examples])
    pairs = [(high > low) + (high == low) / 2 for high in score[positive] for low in score[~positive]]
    if pairs:
        assert roc_auc(score, positive) == pytest.approx(np.mean(pairs), abs=1e-12)
    else:
        assert math.isnan(roc_auc(score, positive))


def test_standard_error() -> None:
    assert standard_error(np.array([1.0, 3.0])) == pytest.approx(1)  # deviation sqrt(2), over sqrt(2)
    assert math.isnan(standard_error(np.array([1.0])))
