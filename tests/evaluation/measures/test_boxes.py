"""Boxes, and the measures of LaSOT and GOT-10k by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.evaluation.measures.box_tracking import BoxTrack, got10k_measures, lasot_measures
from sam2_ros.evaluation.measures.boxes import box_overlap, boxes_of, clipped

SIZE = (100, 200)


def track(predicted, truth, visible=None):
    truth = np.array(truth, float)
    visible = np.ones(len(truth), bool) if visible is None else np.array(visible, bool)
    return BoxTrack(np.array(predicted, float), truth, visible)


def test_boxes_of_masks():
    masks = np.zeros((2, 6, 8), bool)
    masks[0, 2:4, 3:8] = True
    assert boxes_of(masks).tolist() == [[3, 2, 5, 2], [0, 0, 0, 0]]
    assert boxes_of(masks, inclusive=False).tolist() == [[3, 2, 4, 1], [0, 0, 0, 0]]


@given(st.integers(0, 5), st.integers(0, 7), st.integers(1, 3), st.integers(1, 3))
def test_the_box_of_a_rectangle_is_that_rectangle(y, x, height, width):
    mask = np.zeros((9, 11), bool)
    mask[y : y + height, x : x + width] = True
    assert boxes_of(mask).tolist() == [x, y, width, height]


def test_overlaps_of_boxes():
    first = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 0, 0]], float)
    second = np.array([[5, 0, 10, 10], [10, 10, 5, 5], [0, 0, 0, 0]], float)
    assert box_overlap(first, second) == pytest.approx([1 / 3, 0, 0])


def test_boxes_are_clipped_to_the_image():
    assert clipped(np.array([[190.0, -5, 20, 300]]), SIZE).tolist() == [[190, 0, 10, 100]]


def test_lasot_of_a_perfect_track():
    truth = [[10, 10, 20, 20], [12, 10, 20, 20], [14, 10, 20, 20]]
    found = lasot_measures([track(truth, truth)])
    assert (found.precision, found.normalised_precision) == (1.0, 1.0)
    assert found.area_under_curve == pytest.approx(20 / 21)  # nothing is above the last threshold, 1


def test_lasot_counts_frames_without_the_object_as_missed():
    truth = [[10, 10, 20, 20]] * 4
    found = lasot_measures([track(truth, truth, visible=[1, 1, 0, 0])])
    assert (found.precision, found.normalised_precision) == (0.5, 0.5)
    assert found.area_under_curve == pytest.approx(10 / 21)
    assert lasot_measures([track(truth, truth, visible=[1, 1, 0, 0])], absent_hits=True).normalised_precision == 1.0


def test_where_nothing_is_reported_the_box_before_is_taken_and_the_prompt_is_perfect():
    truth = [[10, 10, 20, 20]] * 3
    found = lasot_measures([track([[0, 0, 0, 0], [10, 10, 20, 20], [0, 0, 0, 0]], truth)])
    assert (found.precision, found.area_under_curve) == (1.0, pytest.approx(20 / 21))


def test_centres_are_measured_in_pixels_and_in_sizes_of_the_object():
    truth = [[0, 0, 200, 50]] * 2
    near = lasot_measures([track([truth[0], [39, 0, 200, 50]], truth)])
    assert (near.precision, near.normalised_precision) == (0.5, 1.0)
    far = lasot_measures([track([truth[0], [0, 11, 200, 50]], truth)])
    assert (far.precision, far.normalised_precision) == (1.0, 0.5)


def test_lasot_weights_sequences_and_got10k_frames_alike():
    truth, wrong = [[10, 10, 20, 20]], [[60, 60, 20, 20]]
    tracks = [track(truth * 2, truth * 2), track(truth + wrong * 9, truth * 10)]
    assert lasot_measures(tracks).precision == pytest.approx((1 + 0.1) / 2)
    found = got10k_measures(tracks, image_sizes=[SIZE, SIZE])
    assert (found.average_overlap, found.success_at_50, found.success_at_75) == pytest.approx((0.1, 0.1, 0.1))


def test_got10k_leaves_out_the_prompt_and_what_is_hidden_and_is_strict():
    truth = [[10, 10, 20, 20]] * 4
    half = [10, 10, 20, 10]
    found = got10k_measures([track([truth[0], half, truth[0], half], truth, [1, 1, 1, 0])], image_sizes=[SIZE])
    assert found.average_overlap == pytest.approx(0.75)
    assert (found.success_at_50, found.success_at_75) == (0.5, 0.5)


def test_what_is_refused():
    truth = [[10, 10, 20, 20]] * 2
    with pytest.raises(ValueError, match='0, 0, 0, 0 says that the object is not there'):
        track([[-1, -1, -1, -1]] * 2, truth)
    with pytest.raises(ValueError, match=r'boxes must be \(T, 4\)'):
        track([[1, 1, 1, 1]], truth)
    with pytest.raises(ValueError, match='no sequences'):
        lasot_measures([])
    with pytest.raises(ValueError, match='no frame'):
        got10k_measures([track(truth, truth, [1, 0])], image_sizes=[SIZE])
    with pytest.raises(ValueError, match='0 image sizes for 1'):
        got10k_measures([track(truth, truth)], image_sizes=[])
