"""Turns tracks and the truth into the numbers of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam2_ros.evaluation.measures.metrics import (
    contour_accuracy,
    region_similarity,
    robustness,
    roc_auc,
    standard_error,
)
from sam2_ros.evaluation.predictions import Prediction, RunKey


@dataclass(frozen=True, eq=False)
class RunScore:
    """How well the target was tracked in one run. The prompted first frame is left out, because it was given.

    Attributes:
        subset, key: which run.
        region, contour: (T - 1,) J and F of each frame.
        visible: (T - 1,) bool, whether any pixel of the target is visible.
        object_score: (T - 1,) the tracker's object score logit.
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
    def visible_region(self) -> float:
        """Mean J of the frames that show the target; NaN if none does."""
        return float(self.region[self.visible].mean()) if self.visible.any() else math.nan

    @property
    def robustness(self) -> float:
        return robustness(self.region, self.visible)


@dataclass(frozen=True)
class Mean:
    """A mean over clips and its standard error, which tells how much it would change with other seeds."""

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
        truth: (T, H, W) bool.

    Raises:
        ValueError: if track and truth differ in shape.
    """
    masks, truth = predicted.masks[1:], truth[1:]
    return RunScore(
        subset,
        key,
        region=region_similarity(masks, truth),
        contour=contour_accuracy(masks, truth),
        visible=np.any(truth, axis=(1, 2)),
        object_score=predicted.object_score[1:],
    )


def summarise(scores: Sequence[RunScore]) -> Summary:
    """Summarise the runs of one subset, policy and kind of prompt.

    Raises:
        ValueError: if there are no runs.
    """
    if not scores:
        raise ValueError('there are no runs to summarise')
    return Summary(
        region=mean_over_clips([score.mean_region for score in scores]),
        visible_region=mean_over_clips([score.visible_region for score in scores]),
        contour=mean_over_clips([float(score.contour.mean()) for score in scores]),
        robustness=mean_over_clips([score.robustness for score in scores]),
        roc_auc=_visibility_auc(scores),
    )


def _visibility_auc(scores: Sequence[RunScore]) -> Mean:
    """ROC AUC over the frames of all clips together, with its jackknife error over clips."""

    def area(runs: Sequence[RunScore]) -> float:
        score, visible = (np.concatenate([getattr(run, name) for run in runs]) for name in ('object_score', 'visible'))
        return roc_auc(score, visible)

    count = len(scores)
    without_one = [area([*scores[:index], *scores[index + 1 :]]) for index in range(count)] if count > 1 else [math.nan]
    return Mean(area(scores), math.sqrt((count - 1) * np.var(without_one)))


def paired_difference(scores: Sequence[RunScore], baseline: Sequence[RunScore], measure: str) -> Mean:
    """How far `scores` lie above `baseline` on the same clips.

    The difference is taken clip by clip. So what makes a clip hard or easy for both cancels out.

    Args:
        scores, baseline: runs on the same clips.
        measure: 'mean_region', 'visible_region' or 'robustness'.

    Raises:
        ValueError: if the runs are not of the same clips.
    """
    ours, theirs = ({score.key.clip: getattr(score, measure) for score in runs} for runs in (scores, baseline))
    if ours.keys() != theirs.keys():
        raise ValueError(f'the runs are of different clips: {sorted(ours)} and {sorted(theirs)}')
    return mean_over_clips([ours[clip] - theirs[clip] for clip in ours])


def mean_over_clips(values: Sequence[float]) -> Mean:
    """Mean and standard error of values, one for each clip."""
    return Mean(float(np.mean(values)), standard_error(np.array(values)))
