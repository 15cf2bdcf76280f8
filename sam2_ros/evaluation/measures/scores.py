"""Turns tracks and the truth into the numbers of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sam2_ros.evaluation.datasets.clips import first_shown
from sam2_ros.evaluation.measures.metrics import (
    contour_accuracy,
    region_similarity,
    robustness,
    roc_auc,
    standard_error,
)
from sam2_ros.evaluation.predictions import Prediction, RunKey

Per = Literal['clip', 'target']


@dataclass(frozen=True, eq=False)
class RunScore:
    """How well the target was tracked in one run, in the N frames after the prompted one, which is left out.

    Attributes:
        subset, key: which run.
        region, contour: (N,) J and F of each frame.
        visible: (N,) bool, whether any pixel of the target is visible.
        object_score: (N,) the tracker's object score logit.
    """

    subset: str
    key: RunKey
    region: np.ndarray
    contour: np.ndarray
    visible: np.ndarray
    object_score: np.ndarray

    @property
    def mean_region(self) -> float:
        return float(self.region.mean())

    @property
    def mean_contour(self) -> float:
        return float(self.contour.mean())

    @property
    def visible_region(self) -> float:
        """Mean J of the frames that show the target; NaN if none does."""
        return float(self.region[self.visible].mean()) if self.visible.any() else math.nan

    @property
    def robustness(self) -> float:
        return robustness(self.region, self.visible)


@dataclass(frozen=True)
class Mean:
    """A mean over clips and its standard error, which tells how much it would change with other clips."""

    value: float
    error: float

    def __str__(self) -> str:
        return f'{self:}'

    def __format__(self, sign: str) -> str:
        """`sign` is '', or '+' to always show the sign, as for differences."""
        mean = f'{self.value:{sign}.3f}'
        return mean if math.isnan(self.error) else f'{mean} ± {self.error:.3f}'


@dataclass(frozen=True)
class Summary:
    """A row of the table."""

    region: Mean
    visible_region: Mean
    contour: Mean
    robustness: Mean
    roc_auc: Mean  # of the object score against visibility, over all frames; NaN if the target is never hidden

    @property
    def region_and_contour(self) -> float:
        return (self.region.value + self.contour.value) / 2


def score_run(subset: str, key: RunKey, *, predicted: Prediction, truth: np.ndarray) -> RunScore:
    """Score a track.

    Args:
        subset, key: which run.
        predicted: the track.
        truth: (T, H, W) bool. The target was prompted in the first frame that shows it.

    Raises:
        ValueError: if track and truth differ in shape.
    """
    after = slice(first_shown(truth) + 1, None)
    masks, truth = predicted.masks[after], truth[after]
    return RunScore(
        subset,
        key,
        region=region_similarity(masks, truth),
        contour=contour_accuracy(masks, truth),
        visible=np.any(truth, axis=(1, 2)),
        object_score=predicted.object_score[after],
    )


def summarise(scores: Sequence[RunScore], *, per: Per = 'clip') -> Summary:
    """Summarise the runs of one subset, policy and kind of prompt.

    Args:
        scores: of the runs.
        per: 'clip': every clip has the same weight, and figures of a clip are the mean of those of its targets; or
            'target': every target has the same weight.

    Raises:
        ValueError: if there are no runs.
    """
    if not scores:
        raise ValueError('there are no runs to summarise')
    return Summary(
        region=mean_figure(scores, 'mean_region', per=per),
        visible_region=mean_figure(scores, 'visible_region', per=per),
        contour=mean_figure(scores, 'mean_contour', per=per),
        robustness=mean_figure(scores, 'robustness', per=per),
        roc_auc=_visibility_auc(_groups(scores, per)),
    )


def mean_figure(scores: Sequence[RunScore], measure: str, *, per: Per = 'clip') -> Mean:
    """Mean of one measure.

    Args:
        scores: of the runs.
        measure: 'mean_region', 'mean_contour', 'visible_region' or 'robustness'.
        per: as in `summarise`.
    """
    return mean_over_clips(
        [float(np.mean([getattr(score, measure) for score in group])) for group in _groups(scores, per)]
    )


def _groups(scores: Iterable[RunScore], per: Per) -> list[list[RunScore]]:
    """The runs of each clip, or of each target."""
    groups: dict[tuple[int, int], list[RunScore]] = {}
    for score in scores:
        groups.setdefault((score.key.clip, score.key.target if per == 'target' else 0), []).append(score)
    return list(groups.values())


def _visibility_auc(groups: Sequence[Sequence[RunScore]]) -> Mean:
    """ROC AUC over the frames of all runs together, with its jackknife error over groups of runs."""

    def area(chosen: Sequence[Sequence[RunScore]]) -> float:
        runs = [run for group in chosen for run in group]
        score, visible = (np.concatenate([getattr(run, name) for run in runs]) for name in ('object_score', 'visible'))
        return roc_auc(score, visible)

    count = len(groups)
    without_one = [area([*groups[:index], *groups[index + 1 :]]) for index in range(count)] if count > 1 else [math.nan]
    return Mean(area(groups), math.sqrt((count - 1) * np.var(without_one)))


def paired_difference(
    scores: Sequence[RunScore], baseline: Sequence[RunScore], measure: str, *, per: Per = 'clip'
) -> Mean:
    """How far `scores` lie above `baseline` on the same clips.

    The difference is taken target by target. So what makes a clip hard or easy for both cancels out.

    Args:
        scores, baseline: runs on the same clips.
        measure, per: as in `mean_figure`.

    Raises:
        ValueError: if the runs are not of the same clips.
    """
    ours, theirs = (
        {(score.key.clip, score.key.target): getattr(score, measure) for score in runs} for runs in (scores, baseline)
    )
    if ours.keys() != theirs.keys():
        raise ValueError(f'the runs are of different clips: {sorted(ours)} and {sorted(theirs)}')
    differences = [
        [ours[score.key.clip, score.key.target] - theirs[score.key.clip, score.key.target] for score in group]
        for group in _groups(scores, per)
    ]
    return mean_over_clips([float(np.mean(group)) for group in differences])


def mean_over_clips(values: Sequence[float]) -> Mean:
    """Mean and standard error of values, one for each clip or target."""
    return Mean(float(np.mean(values)), standard_error(np.array(values)))
