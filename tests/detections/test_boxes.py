"""Boxes: turned, stretched, letterboxed, cut off; what is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.detections.boxes import (
    FITS,
    DetectedBox,
    Fit,
    cut_to_image,
    overlap,
    upright_box,
    without_second_names,
)

sides = st.integers(1, 4000)
edges = st.floats(-5000, 5000)
spans = st.floats(0.5, 3000)


@pytest.mark.parametrize('how', FITS)
def test_a_box_of_the_detector_in_the_image(how: str) -> None:
    """Of a camera of 1280 x 720 pixels and a detector of 640 x 640: drawn, shrunk and found again."""
    drawn = np.zeros((720, 1280))
    box = (100, 110, 400, 290)
    drawn[box[1] : box[3], box[0] : box[2]] = 1
    fit = Fit.of((1280, 720), (640, 640), how=how)
    shrunk = np.zeros((640, 640))
    if how == 'stretch':
        rows = np.arange(640) * 720 // 640
        shrunk = drawn[rows][:, ::2]
    else:
        top = 140 if how == 'letterbox' else 0
        shrunk[top : top + 360] = drawn[::2, ::2]
    ys, xs = np.nonzero(shrunk)
    found = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert fit.to_image(found) == pytest.approx(box, abs=2)
    assert fit.to_detector(box) == pytest.approx(found, abs=2)


@given(st.sampled_from(sorted(FITS)), sides, sides, sides, sides, edges, edges, spans, spans)
def test_to_the_detector_and_back(
    how: str, width: int, height: int, input_width: int, input_height: int, x: float, y: float, dx: float, dy: float
) -> None:
    fit = Fit.of((width, height), (input_width, input_height), how=how)
    box = (x, y, x + dx, y + dy)
    assert fit.to_image(fit.to_detector(box)) == pytest.approx(box, rel=1e-6, abs=1e-6 * (width + height + 5000))
    whole = fit.to_detector((0, 0, width, height))  # the image lies within the input, and fills it in one direction
    assert whole[0] >= -1e-6 and whole[1] >= -1e-6
    assert whole[2] <= input_width + 1e-6 * input_width and whole[3] <= input_height * (1 + 1e-6)
    fills = (whole[2] - whole[0], whole[3] - whole[1])
    assert fills[0] == pytest.approx(input_width) or fills[1] == pytest.approx(input_height)


def test_without_a_size_the_boxes_are_in_pixels_of_the_image() -> None:
    assert Fit.of((640, 480), (0, 0), how='letterbox') == Fit()


@given(edges, edges, spans, spans, st.floats(-10, 10))
def test_the_upright_box_of_a_turned_one_holds_its_corners(
    x: float, y: float, width: float, height: float, angle: float
) -> None:
    box = upright_box(x, y, width, height, angle=angle)
    corners = np.array([(a * width / 2, b * height / 2) for a in (-1, 1) for b in (-1, 1)])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = corners @ turn.T + (x, y)
    assert box == pytest.approx((*turned.min(axis=0), *turned.max(axis=0)), abs=1e-6)


@pytest.mark.parametrize(
    ('numbers', 'problem'),
    [
        ((math.nan, 1, 2, 3), 'not finite'),
        ((1, math.inf, 2, 3), 'not finite'),
        ((1, 1, 0, 3), 'above 0'),
        ((1, 1, 3, -2), 'above 0'),
    ],
)
def test_what_is_no_box_is_refused(numbers: tuple[float, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        upright_box(*numbers)


def test_boxes_are_cut_off_at_the_border() -> None:
    assert cut_to_image((-5, 10, 20, 300), 100, 80) == (0, 10, 20, 80)
    assert cut_to_image((90, 70, 95, 75), 100, 80) == (90, 70, 95, 75)
    for outside in ((-9, 0, -1, 9), (100, 0, 120, 9), (-5, 3, 0.5, 9), (0, 80, 9, 99)):
        assert cut_to_image(outside, 100, 80) is None


@given(st.tuples(edges, edges, spans, spans), st.tuples(edges, edges, spans, spans))
def test_overlap_is_symmetric_and_from_0_to_1(first: tuple[float, ...], second: tuple[float, ...]) -> None:
    (x, y, dx, dy), (u, v, du, dv) = first, second
    one, other = (x, y, x + dx, y + dy), (u, v, u + du, v + dv)
    assert 0 <= overlap(one, other) <= 1 + 1e-9 and overlap(one, other) == overlap(other, one)
    assert overlap(one, one) == pytest.approx(1)


def test_the_surer_of_two_names_stays() -> None:
    def box(name: str, score: float, x: float = 0.0) -> DetectedBox:
        return DetectedBox((x, 0.0, x + 10, 10.0), '', name, score)

    car, truck, behind, twin = box('car', 0.7), box('truck', 0.8), box('car', 0.6, x=5), box('truck', 0.5)
    assert without_second_names([car, truck, behind, twin]) == [truck, behind, twin]
