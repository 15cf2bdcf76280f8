"""The columns of a table of data sets, counted by hand."""

from __future__ import annotations

import math

import pytest

from sam2_ros.masklets import statistics
from tests.masklets.videos import masklet, square, video


def test_a_video_counted_by_hand() -> None:
    clip = video(
        masklet(1, {0: square(0, 0), 8: square(0, 0)}),  # gone in frame 4, and back
        masklet(2, {0: square(2, 2), 4: square(2, 2)}),  # gone at the end
        masklet(3, {8: square(4, 4)}),  # comes late, which is no disappearing
        masklet(4, {}),  # never seen
        frame_count=12,
    )
    counted = statistics([clip, clip])
    assert (counted.videos, counted.masklets, counted.masks, counted.frames) == (2, 6, 10, 6)
    assert counted.seconds == pytest.approx(1.0)
    assert counted.disappearance_rate == pytest.approx(1 / 3)


def test_nothing_has_no_rate() -> None:
    assert math.isnan(statistics([]).disappearance_rate)


def test_changes_of_visibility_count_from_the_first_mask_on() -> None:
    one = masklet(1, {4: square(0, 0), 12: square(0, 0)})
    assert one.visibility_changes((0, 4, 8, 12, 16)) == 3
    assert one.visibility_changes((0, 8)) == 0
