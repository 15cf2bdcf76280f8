"""Means and differences against sums done by hand."""

import math

import numpy as np
import pytest

from sam2_ros.evaluation.measures.scores import (
    MEASURES,
    Mean,
    mean_figure,
    of_run,
    paired_difference,
    visibility_auc,
)
from sam2_ros.evaluation.protocols.protocol import SequenceScore, TrackScore


def track(
    *, j: list[float], visible: list[int], object_score: list[float] | None = None, name: str = '1', run: str = 'box'
) -> TrackScore:
    series = {
        'J': np.array(j),
        'F': np.zeros(len(j)),
        'visible': np.array(visible, bool),
        'object_score': np.array(object_score or [0.0] * len(j)),
    }
    return TrackScore(name, run, tuple(range(len(j))), series)


def clip(name: str, *tracks: TrackScore) -> SequenceScore:
    return SequenceScore(name, (20, 20), 9, tracks)


def test_the_measures_of_a_track() -> None:
    one = track(j=[1 / 3, 1, 0], visible=[1, 1, 0])
    measured = {name: measure(one) for name, measure in MEASURES.items()}
    assert measured == pytest.approx({'J': 4 / 9, 'J visible': 2 / 3, 'F': 0.0, 'R': 1.0})
    assert MEASURES['R'](track(j=[0, 0.1, 0], visible=[1, 1, 0])) == 0.5


def test_every_clip_has_the_same_weight() -> None:
    clips = [
        clip('a', track(j=[1, 1, 1, 1], visible=[1, 1, 1, 1], object_score=[4, 4, 4, 4])),
        clip('b', track(j=[0.0, 0.5], visible=[1, 0], object_score=[-1, 2])),
    ]
    assert mean_figure(clips, 'J') == Mean(pytest.approx(0.625), pytest.approx(0.375))  # type: ignore[arg-type]
    assert mean_figure(clips, 'J visible') == Mean(0.5, 0.5)  # of 1 and 0
    assert mean_figure(clips, 'R') == Mean(0.5, 0.5)  # of 1 and 0
    area = visibility_auc(clips)
    assert area.value == pytest.approx(0.8)  # the one hidden frame scores 2: below 4 of 5 visible ones
    assert math.isnan(area.error)  # without the second clip nothing is hidden


def some_objects(*, j: list[float]) -> list[SequenceScore]:
    """Two objects of a clip, then the one of another clip, with J as given."""
    first, second, third = (track(j=[own], visible=[1], name=str(number)) for number, own in enumerate(j))
    return [clip('a', first, second), clip('b', third)]


def test_objects_of_a_clip_share_its_weight_unless_each_is_to_count() -> None:
    clips, baseline = some_objects(j=[0.0, 0.5, 1.0]), some_objects(j=[0.0, 0.25, 0.75])
    assert mean_figure(clips, 'J') == Mean(0.625, pytest.approx(0.375))  # type: ignore[arg-type]  # of 0.25 and 1
    assert mean_figure(clips, 'J', per='object') == Mean(0.5, pytest.approx(0.5 / math.sqrt(3)))  # type: ignore[arg-type]
    assert paired_difference(clips, baseline, 'J') == Mean(0.1875, 0.0625)  # of 0.125 and 0.25
    assert paired_difference(clips, baseline, 'J', per='object').value == pytest.approx(1 / 6)


def hidden(*pairs: tuple[float, float]) -> list[TrackScore]:
    """Objects of which one frame shows them and one hides them, with the scores of the two."""
    return [
        track(j=[1, 1], visible=[1, 0], object_score=list(pair), name=str(number)) for number, pair in enumerate(pairs)
    ]


def test_the_auc_of_objects_is_that_of_all_their_frames() -> None:
    first, second, third = hidden((2, 1), (4, 3), (6, 7))
    clips = [clip('a', first, second), clip('b', third)]
    by_clip, by_object = visibility_auc(clips), visibility_auc(clips, per='object')
    assert by_clip.value == by_object.value == pytest.approx(5 / 9)  # as in the next test
    # without the clips a, b: 0 of 1, 3 of 4
    assert by_clip.error == pytest.approx(3 / 8)


def test_the_error_of_the_auc_is_the_jackknife_s() -> None:
    clips = [clip(name, one) for name, one in zip('abc', hidden((2, 1), (4, 3), (6, 7)), strict=True)]
    # 2 > 1, 4 > 1 and 3, 6 > 1 and 3 of nine pairs; without the clips a, b, c: 2 of 4, 2 of 4, 3 of 4
    expected = math.sqrt(2 / 3 * ((1 / 2 - 7 / 12) ** 2 * 2 + (3 / 4 - 7 / 12) ** 2))
    assert visibility_auc(clips) == Mean(pytest.approx(5 / 9), pytest.approx(expected))  # type: ignore[arg-type]


def test_the_paired_difference_ignores_how_hard_a_clip_is() -> None:
    baseline = [clip(name, track(j=[own, own], visible=[1, 1])) for name, own in (('hard', 0.1), ('easy', 0.9))]
    better = [clip(name, track(j=[own, own], visible=[1, 1])) for name, own in (('easy', 0.95), ('hard', 0.15))]
    difference = paired_difference(better, baseline, 'J')
    assert difference.value == pytest.approx(0.05)
    assert difference.error == pytest.approx(0, abs=1e-12)
    assert paired_difference(better, baseline, 'R') == Mean(0, 0)


def test_other_clips_cannot_be_compared() -> None:
    one, other = ([clip(name, track(j=[1], visible=[1]))] for name in 'ab')
    with pytest.raises(ValueError, match='different clips'):
        paired_difference(one, other, 'R')


def test_runs_are_told_apart() -> None:
    boxed, clicked = track(j=[1], visible=[1]), track(j=[0.5], visible=[1], run='1-click')
    clips = [clip('a', boxed, clicked), clip('b', boxed)]
    (only,) = of_run(clips, '1-click')
    assert (only.name, only.tracks) == ('a', (clicked,))
    assert [one.tracks for one in of_run(clips, 'box')] == [(boxed,), (boxed,)]


def test_a_mean_of_one_clip_has_no_error_to_print() -> None:
    assert str(Mean(0.25, math.nan)) == '0.250'
