"""Mean, recall and decay of frames; seen and unseen classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.evaluation.measures.davis import (
    FrameStatistics,
    frame_statistics,
    mean_statistics,
    seen_and_unseen,
)


def test_known_frames_give_known_figures():
    found = frame_statistics(np.array([1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0]))
    assert found.mean == pytest.approx(0.5) and found.recall == 0.5
    # quarters of eight frames: 0 to 2, and 5 to 7; they share their ends with their neighbours
    assert found.decay == pytest.approx((1 + 1 + 0.8) / 3 - 0.2 / 3)


def test_exactly_half_is_not_recalled():
    assert frame_statistics(np.full(5, 0.5)).recall == 0.0


def test_a_frame_that_is_no_number_is_left_out_but_not_recalled():
    assert frame_statistics(np.array([1.0, np.nan, 1.0, 1.0])) == FrameStatistics(1.0, 0.75, 0.0)
    assert np.isnan(frame_statistics(np.array([np.nan])).mean)
    assert np.isnan(frame_statistics(np.array([])).decay)


def test_long_sequences_do_not_overflow():
    values = np.concatenate([np.ones(500), np.zeros(500)])
    assert frame_statistics(values).decay == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_constant_has_no_decay_and_the_reverse_has_the_opposite_one(values):
    values = np.array(values)
    assert frame_statistics(np.full(len(values), values[0])).decay == pytest.approx(0.0, abs=1e-12)
    # the last and the first quarter may differ by one frame in length where quarters are not whole
    if (len(values) - 1) % 4 == 0:
        assert frame_statistics(values[::-1]).decay == pytest.approx(-frame_statistics(values).decay, abs=1e-12)


def test_objects_count_alike_whatever_their_videos():
    objects = [FrameStatistics(1.0, 1.0, 0.0), FrameStatistics(0.4, 0.0, 0.2), FrameStatistics(np.nan, np.nan, np.nan)]
    found = mean_statistics(objects)
    assert (found.mean, found.recall, found.decay) == pytest.approx((0.7, 0.5, 0.1))
    with pytest.raises(ValueError, match='no objects'):
        mean_statistics([])


def test_seen_and_unseen_classes():
    found = seen_and_unseen(
        {'a': 0.8, 'b': 0.6, 'c': 0.2}, {'a': 0.9, 'b': 0.7, 'c': 0.4}, seen={'a': True, 'b': True, 'c': False}
    )
    assert (found.j_seen, found.j_unseen, found.f_seen, found.f_unseen) == pytest.approx((0.7, 0.2, 0.8, 0.4))
    assert found.g == pytest.approx(0.525)
    with pytest.raises(ValueError, match='the same objects'):
        seen_and_unseen({'a': 1.0}, {}, seen={'a': True})
