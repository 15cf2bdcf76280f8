"""Means over clips or objects, with their standard errors, and differences on the same clips."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sam2_ros.evaluation.measures.metrics import robustness, roc_auc, standard_error
from sam2_ros.evaluation.protocols.protocol import SequenceScore, TrackScore

Per = Literal['clip', 'object']  # what has the same weight in a mean; figures of a clip are means over its objects

# Of the series J, F and visible of one object.
MEASURES: dict[str, Callable[[TrackScore], float]] = {
    'J': lambda one: float(one.series['J'].mean()),
    'J visible': lambda one: float(one.series['J'][one.series['visible']].mean()),
    'F': lambda one: float(one.series['F'].mean()),
    'R': lambda one: robustness(one.series['J'], one.series['visible']),
}
AUC = 'AUC'


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


def of_run(clips: Sequence[SequenceScore], run: str) -> list[SequenceScore]:
    """The clips with the tracks of one run alone; without those that have none."""
    chosen = [replace(clip, tracks=tuple(one for one in clip.tracks if one.run == run)) for clip in clips]
    return [clip for clip in chosen if clip.tracks]


def mean_figure(clips: Sequence[SequenceScore], measure: str, *, per: Per = 'clip') -> Mean:
    """Mean of a measure.

    Args:
        clips: with one track for each object, whose series are those of `mask_scores`, and which shows in some frame.
        measure: of `MEASURES`.
        per: what has the same weight.
    """
    return mean_over_clips([float(np.mean(list(map(MEASURES[measure], group)))) for group in _groups(clips, per)])


def visibility_auc(clips: Sequence[SequenceScore], *, per: Per = 'clip') -> Mean:
    """ROC AUC of the object score against visibility over all frames together, with its jackknife error.

    Args:
        clips: as in `mean_figure`.
        per: what is left out in turn.

    Returns:
        NaN if no frame hides its object.
    """

    def area(chosen: Sequence[Sequence[TrackScore]]) -> float:
        tracks = [track for group in chosen for track in group]
        score, visible = (np.concatenate([one.series[name] for one in tracks]) for name in ('object_score', 'visible'))
        return roc_auc(score, visible)

    groups = _groups(clips, per)
    count = len(groups)
    without_one = [area([*groups[:index], *groups[index + 1 :]]) for index in range(count)] if count > 1 else [math.nan]
    return Mean(area(groups), math.sqrt((count - 1) * np.var(without_one)))


def paired_difference(
    clips: Sequence[SequenceScore], baseline: Sequence[SequenceScore], measure: str, *, per: Per = 'clip'
) -> Mean:
    """How far `clips` lie above `baseline`, which are the same clips tracked otherwise.

    The difference is taken object by object. So what makes a clip hard or easy for both cancels out.

    Args:
        clips, baseline: as in `mean_figure`.
        measure, per: as there.

    Raises:
        ValueError: if they are not of the same clips.
    """
    ours, theirs = (
        {(clip.name, one.object_id): MEASURES[measure](one) for clip in own for one in clip.tracks}
        for own in (clips, baseline)
    )
    if ours.keys() != theirs.keys():
        raise ValueError(f'the runs are of different clips: {sorted(ours)} and {sorted(theirs)}')
    differences = [
        [ours[clip.name, one.object_id] - theirs[clip.name, one.object_id] for one in clip.tracks] for clip in clips
    ]
    if per == 'object':
        differences = [[one] for group in differences for one in group]
    return mean_over_clips([float(np.mean(group)) for group in differences])


def mean_over_clips(values: Sequence[float]) -> Mean:
    """Mean and standard error of values, one for each clip or object."""
    return Mean(float(np.mean(values)), standard_error(np.array(values)))


def _groups(clips: Sequence[SequenceScore], per: Per) -> list[Sequence[TrackScore]]:
    """The tracks of each clip, or of each object."""
    return [clip.tracks for clip in clips] if per == 'clip' else [[one] for clip in clips for one in clip.tracks]
