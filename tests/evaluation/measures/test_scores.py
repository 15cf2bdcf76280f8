"""Rows of the table against sums done by hand."""

import math

import numpy as np
import pytest

from sam2_ros.evaluation.measures.scores import Mean, RunScore, paired_difference, score_run, summarise
from sam2_ros.evaluation.predictions import Prediction, RunKey


def run(clip: int, *, region: list[float], visible: list[int], object_score: list[float], target: int = 0) -> RunScore:
    return RunScore(
        'plain',
        RunKey('dam', 'box', clip, target),
        np.array(region),
        np.zeros(len(region)),
        np.array(visible, bool),
        np.array(object_score),
    )


def test_a_run_is_scored_without_its_prompted_frame() -> None:
    truth = np.zeros((4, 20, 20), bool)
    truth[:3, 5:15, 5:15] = True  # hidden in the last frame
    masks = truth.copy()
    masks[0], masks[1] = False, np.roll(truth[1], 5, axis=1)
    masks[3, 0, 0] = True
    score = score_run(
        'plain', RunKey('dam', 'box', 0), predicted=Prediction(masks, np.array([9, 1, 2, -3.0])), truth=truth
    )
    np.testing.assert_allclose(score.region, [50 / 150, 1, 0])
    np.testing.assert_array_equal(score.contour[1:], [1, 0])
    np.testing.assert_array_equal(score.visible, [True, True, False])
    np.testing.assert_array_equal(score.object_score, [1, 2, -3])
    assert score.mean_region == pytest.approx(4 / 9)
    assert score.visible_region == pytest.approx(2 / 3)
    assert score.robustness == 1


def test_a_summary_gives_every_clip_the_same_weight() -> None:
    summary = summarise(
        [
            run(0, region=[1, 1, 1, 1], visible=[1, 1, 1, 1], object_score=[4, 4, 4, 4]),
            run(1, region=[0.0, 0.5], visible=[1, 0], object_score=[-1, 2]),
        ]
    )
    assert summary.region.value == pytest.approx(0.625)  # of 1 and 0.25
    assert summary.region.error == pytest.approx(0.375)
    assert summary.visible_region == Mean(0.5, 0.5)  # of 1 and 0
    assert summary.robustness.value == pytest.approx(0.5)  # of 1 and 0
    assert summary.robustness.error == pytest.approx(0.5)
    assert summary.roc_auc.value == pytest.approx(0.8)  # the one hidden frame scores 2: below 4 of 5 visible ones
    assert math.isnan(summary.roc_auc.error)  # without the second clip nothing is hidden
    assert summary.region_and_contour == 0.3125


def some_targets(*, region: list[float]) -> list[RunScore]:
    """Two targets of a clip, then the one of another clip, with J as given."""
    return [
        run(clip, target=target, region=[own], visible=[1], object_score=[0])
        for (clip, target), own in zip(((0, 1), (0, 2), (1, 1)), region, strict=True)
    ]


def test_targets_of_a_clip_share_its_weight_unless_each_is_to_count() -> None:
    scores = some_targets(region=[0.0, 0.5, 1.0])
    assert summarise(scores).region == Mean(0.625, pytest.approx(0.375))  # type: ignore[arg-type]  # of 0.25 and 1
    assert summarise(scores, per='target').region == Mean(0.5, pytest.approx(0.5 / math.sqrt(3)))  # type: ignore[arg-type]
    baseline = some_targets(region=[0.0, 0.25, 0.75])
    assert paired_difference(scores, baseline, 'mean_region') == Mean(0.1875, 0.0625)  # of 0.125 and 0.25
    assert paired_difference(scores, baseline, 'mean_region', per='target').value == pytest.approx(1 / 6)
    with pytest.raises(ValueError, match='different clips'):
        paired_difference(scores, baseline[:2], 'mean_region')


def test_the_auc_of_targets_is_that_of_all_their_frames() -> None:
    scores = [
        run(0, target=1, region=[1, 1], visible=[1, 0], object_score=[2, 1]),
        run(0, target=2, region=[1, 1], visible=[1, 0], object_score=[4, 3]),
        run(1, target=1, region=[1, 1], visible=[1, 0], object_score=[6, 7]),
    ]
    by_clip, by_target = summarise(scores).roc_auc, summarise(scores, per='target').roc_auc
    assert by_clip.value == by_target.value == pytest.approx(5 / 9)  # as in the next test
    # without the clips 0, 1: 0 of 1, 3 of 4
    assert by_clip.error == pytest.approx(3 / 8)


def test_a_target_is_scored_from_the_frame_after_its_first_one() -> None:
    truth = np.zeros((4, 20, 20), bool)
    truth[1:, 5:15, 5:15] = True
    predicted = Prediction(truth, np.array([math.nan, 1, 2, 3], np.float32))
    score = score_run('real', RunKey('dam', 'box', 0, 1), predicted=predicted, truth=truth)
    np.testing.assert_array_equal(score.object_score, [2, 3])
    np.testing.assert_array_equal(score.region, [1, 1])


def test_the_error_of_the_auc_is_the_jackknife_s() -> None:
    runs = [
        run(0, region=[1, 1], visible=[1, 0], object_score=[2, 1]),
        run(1, region=[1, 1], visible=[1, 0], object_score=[4, 3]),
        run(2, region=[1, 1], visible=[1, 0], object_score=[6, 7]),
    ]
    # 2 > 1, 4 > 1 and 3, 6 > 1 and 3 of nine pairs; without the clips 0, 1, 2: 2 of 4, 2 of 4, 3 of 4
    expected = math.sqrt(2 / 3 * ((1 / 2 - 7 / 12) ** 2 * 2 + (3 / 4 - 7 / 12) ** 2))
    assert summarise(runs).roc_auc == Mean(pytest.approx(5 / 9), pytest.approx(expected))  # type: ignore[arg-type]


def test_a_target_that_never_shows_has_no_figures_for_visible_frames() -> None:
    score = run(0, region=[1, 0.0], visible=[0, 0], object_score=[-1, 1])
    assert math.isnan(score.visible_region) and math.isnan(score.robustness)


def test_the_paired_difference_ignores_how_hard_a_clip_is() -> None:
    hard, easy = [0.1, 0.1], [0.9, 0.9]
    baseline = [
        run(0, region=hard, visible=[1, 1], object_score=[0, 0]),
        run(1, region=easy, visible=[1, 1], object_score=[0, 0]),
    ]
    better = [
        run(1, region=[0.95, 0.95], visible=[1, 1], object_score=[0, 0]),
        run(0, region=[0.15, 0.15], visible=[1, 1], object_score=[0, 0]),
    ]
    difference = paired_difference(better, baseline, 'mean_region')
    assert difference.value == pytest.approx(0.05)
    assert difference.error == pytest.approx(0, abs=1e-12)
    assert paired_difference(better, baseline, 'robustness') == Mean(0, 0)


def test_runs_that_cannot_be_compared_are_refused() -> None:
    one = [run(0, region=[1], visible=[1], object_score=[0])]
    other = [run(1, region=[1], visible=[1], object_score=[0])]
    with pytest.raises(ValueError, match='different clips'):
        paired_difference(one, other, 'robustness')
    with pytest.raises(ValueError, match='no runs'):
        summarise([])


def test_a_mean_of_one_clip_has_no_error_to_print() -> None:
    assert str(Mean(0.25, math.nan)) == '0.250'
    assert str(Mean(0.25, 0.0625)) == '0.250 ± 0.062'
    assert f'{Mean(0.25, 0.0625):+}' == '+0.250 ± 0.062' and f'{Mean(-0.25, math.nan):+}' == '-0.250'
