"""The measures of VOTS by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.evaluation.measures.vots import ObjectOverlaps, vots_measures


def overlaps(overlap, present=None, reported=None):
    overlap = np.array(overlap, float)
    present = np.ones(len(overlap), bool) if present is None else np.array(present, bool)
    reported = np.ones(len(overlap), bool) if reported is None else np.array(reported, bool)
    return ObjectOverlaps(overlap, present, reported)


ONE = overlaps(
    [1.0, 0.8, 0.6, 0.0, 0.0, 1.0, 0.0],
    present=[1, 1, 1, 1, 1, 0, 0],
    reported=[1, 1, 1, 1, 0, 0, 1],
)


def test_without_the_prompted_frame():
    found = vots_measures([[ONE]], prompted_frame_fails=False)
    assert found.quality == pytest.approx((0.8 + 0.6 + 1.0) / 6)
    assert found.accuracy == pytest.approx(0.7)
    assert (found.robustness, found.drift_rate_error, found.not_reported_error) == (0.5, 0.25, 0.25)
    assert np.isnan(found.absence_detection)  # absent in too few frames


def test_the_prompted_frame_fails_in_the_toolkit():
    found = vots_measures([[ONE]])
    assert found.quality == pytest.approx(2.4 / 7)
    assert found.accuracy == pytest.approx(1.4 / 3)
    assert (found.robustness, found.drift_rate_error, found.not_reported_error) == pytest.approx((0.4, 0.2, 0.4))


def test_the_best_quality_of_a_sequence_is_short_of_one_by_its_first_frame():
    assert vots_measures([[overlaps(np.ones(10))]]).quality == pytest.approx(0.9)


def test_absence_counts_beyond_ten_frames():
    absent = overlaps(np.ones(12), present=[1] + [0] * 11, reported=[1] + [0] * 10 + [1])
    assert vots_measures([[absent]]).absence_detection == pytest.approx(10 / 11)


def test_objects_of_a_sequence_then_sequences_have_the_same_weight():
    good, bad = overlaps([1.0, 1.0]), overlaps([1.0, 0.0, 0.0, 0.0, 0.0])
    found = vots_measures([[good, bad], [good]], prompted_frame_fails=False)
    assert (found.quality, found.robustness) == (0.75, 0.75)


def test_an_object_that_is_never_touched_has_accuracy_zero():
    assert vots_measures([[overlaps([1.0, 0.0])]], prompted_frame_fails=False).accuracy == 0.0


@given(st.data())
def test_every_visible_frame_is_touched_missed_or_drifted(data):
    count = data.draw(st.integers(2, 30))
    present = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    present[:2] = True
    reported = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    overlap = np.array(data.draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))) * (present & reported)
    overlap[~present & ~reported] = 1.0
    for fails in (True, False):
        found = vots_measures([[ObjectOverlaps(overlap, present, reported)]], prompted_frame_fails=fails)
        assert found.robustness + found.not_reported_error + found.drift_rate_error == pytest.approx(1.0)
        assert 0 <= found.quality <= 1 and 0 <= found.accuracy <= 1


def test_what_is_refused():
    with pytest.raises(ValueError, match='needs an object'):
        vots_measures([[]])
    with pytest.raises(ValueError, match='needs an object'):
        vots_measures([])
    with pytest.raises(ValueError, match='one length'):
        ObjectOverlaps(np.ones(3), np.ones(2, bool), np.ones(3, bool))
    with pytest.raises(TypeError, match='boolean'):
        ObjectOverlaps(np.ones(3), np.ones(3), np.ones(3, bool))
