"""The anchor-based measures of VOT by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.evaluation.measures.vot_anchors import AnchorRun, anchor_measures, expected_overlap_curve


def run(overlap, absent=()):
    present = np.ones(len(overlap), bool)
    present[list(absent)] = False
    return AnchorRun(np.array(overlap, float), present)


LOST = run([1.0] + [0.5] * 4 + [0.05] * 12)


def test_ten_failed_frames_in_a_row_end_a_run_at_the_first_of_them():
    assert (LOST.progress, LOST.failed) == (5, True)
    assert LOST.overlaps().tolist() == [0.0] + [0.5] * 4 + [0.0] * 12


def test_nine_do_not_end_it():
    nine = run([1.0] + [0.5] * 4 + [0.0] * 9 + [0.5])
    assert (nine.progress, nine.failed) == (15, False)
    assert nine.overlaps()[-1] == 0.5


def test_frames_without_the_object_do_not_count_as_failed():
    assert run([1.0] + [0.0] * 12, absent=[6]).progress == 13


def test_accuracy_and_robustness_of_known_runs():
    kept = run([1.0] + [0.8] * 4)
    found = anchor_measures([[LOST, kept]], lengths=[17], shortest=1, longest=4)
    assert found.robustness == pytest.approx((5 + 5) / (17 + 5))
    assert found.accuracy == pytest.approx((4 * 0.5 + 4 * 0.8) / 10)
    assert found.expected_average_overlap == pytest.approx(0.65)


def test_robustness_is_weighted_by_the_length_of_the_sequence():
    kept = run([1.0] + [0.8] * 4)
    found = anchor_measures([[LOST], [kept]], lengths=[17, 5], shortest=1, longest=4)
    assert found.robustness == pytest.approx((17 * 5 / 17 + 5 * 1.0) / 22)
    assert found.accuracy == pytest.approx((2.0 + 3.2) / 10)


def test_a_failed_run_goes_on_with_nothing_and_a_finished_one_ends():
    curve = expected_overlap_curve([run([1.0, 0.6, 0.6])], 6)
    assert curve == pytest.approx([0, 0.6, 0.6, 0, 0, 0])  # nothing is known of longer ones
    failed = expected_overlap_curve([run([1.0, 0.6] + [0.0] * 10)], 15)
    assert failed[1] == pytest.approx(0.6) and failed[11] == pytest.approx(0.6 / 11)
    assert failed[14] == pytest.approx(0.6 / 13)  # as the toolkit divides


@given(st.lists(st.floats(0.11, 1), min_size=2, max_size=50))
def test_a_run_without_failure_has_its_own_mean_as_accuracy(values):
    found = anchor_measures([[run(values)]], lengths=[len(values)], shortest=1, longest=len(values))
    assert found.robustness == 1.0
    assert found.accuracy == pytest.approx(sum(values[1:]) / len(values))
    assert min(values[1:]) - 1e-9 <= found.expected_average_overlap <= max(values[1:]) + 1e-9


def test_what_is_refused():
    with pytest.raises(ValueError, match='needs a run'):
        anchor_measures([[]], lengths=[3])
    with pytest.raises(ValueError, match='2 lengths for 1'):
        anchor_measures([[LOST]], lengths=[1, 2])
    with pytest.raises(ValueError, match='one length'):
        AnchorRun(np.ones(3), np.ones(2, bool))
    with pytest.raises(TypeError, match='boolean'):
        AnchorRun(np.ones(3), np.ones(3))
