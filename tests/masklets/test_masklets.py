"""Masklets of one video: what contradicts itself is refused, overlaps are found and taken away, frames are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.masklets import AnnotatedVideo
from tests.masklets.videos import SIZE, free_videos, label_videos, masklet, square, video


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: masklet(-1, {}), '0 or more'),
        (lambda: masklet(1, {}, kind='guess'), 'manual or auto'),
        (lambda: masklet(1, {3: RunLengths.empty(SIZE)}), 'empty mask in frame 3'),
        (lambda: video(name='../up'), 'name of a file|that of a file'),
        (lambda: video(frame_rate=0.0), 'above 0'),
        (lambda: video(frames=(4, 0), frame_count=9), 'must ascend'),
        (lambda: video(frames=(0, 4), frame_count=4), 'less than 4'),
        (lambda: video(masklet(1, {}), masklet(1, {})), 'two manual masklets of number 1'),
        (lambda: video(masklet(1, {3: square(0, 0)})), 'not annotated'),
        (lambda: video(masklet(1, {4: square(0, 0, size=(9, 9))})), 'another size'),
    ],
)
def test_what_contradicts_itself_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_shared_pixels_go_to_the_smaller_one() -> None:
    large, small = masklet(1, {0: square(0, 0, 4)}), masklet(2, {0: square(1, 1, 2), 4: square(1, 1, 2)})
    clip = video(large, small)
    shared = clip.overlap()
    assert shared is not None and (shared[0], shared[1].number, shared[2].number) == (0, 1, 2)
    apart = clip.without_overlaps()
    assert apart.overlap() is None
    assert [mask.area for one in apart.masklets for mask in one.masks.values()] == [12, 4, 4]


@given(free_videos())
def test_taking_overlaps_away_loses_no_pixel(clip: AnnotatedVideo) -> None:
    apart = clip.without_overlaps()
    assert apart.overlap() is None
    for frame in clip.frames:
        before, after = (
            np.any([np.zeros(SIZE, bool), *(one.masks[frame].mask() for one in all_.masklets if frame in one.masks)], 0)
            for all_ in (clip, apart)
        )
        np.testing.assert_array_equal(before, after)


@given(label_videos())
def test_without_overlaps_nothing_is_taken(clip: AnnotatedVideo) -> None:
    assert clip.overlap() is None
    assert clip.without_overlaps() == clip


def test_every_fourth_frame() -> None:
    full = video(masklet(7, {0: square(0, 0), 3: square(0, 0), 4: square(1, 1)}), frames=tuple(range(6)))
    assert full.every(4) == video(masklet(7, {0: square(0, 0), 4: square(1, 1)}), frames=(0, 4), frame_count=6)
