"""What the page of an evaluation tells, for all its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam2_ros.evaluation.datasets.synthetic import SUBSET
from sam2_ros.evaluation.evaluation import Evaluation, Failure, Method
from sam2_ros.evaluation.measures.speed import FrameTime
from sam2_ros.evaluation.protocols.protocol import SequenceScore

ScoresByMethod = dict[str, list[SequenceScore]]


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """What the page tells.

    Attributes:
        folder: where it goes.
        methods: what is compared, the baseline first. They have the data set and the protocol in common.
        introduction: how to repeat it; an item each.
        scores: by the label of the method those of the videos that were done.
        failures: what could not be done.
        submissions: archives that were written, for data sets whose truth is hidden.
        ablation: the methods are the rows of the published ablation.
        times: time per frame of each method, if it was measured.
    """

    folder: Path
    methods: Sequence[Method]
    introduction: Sequence[str]
    scores: Mapping[str, Sequence[SequenceScore]]
    failures: Sequence[Failure] = ()
    submissions: Sequence[Path] = ()
    ablation: bool = False
    times: Sequence[FrameTime] = ()

    @property
    def evaluation(self) -> Evaluation:
        """That of the first method."""
        return self.methods[0].evaluation

    @property
    def done(self) -> ScoresByMethod:
        """By method the scores of the videos that were done with every method."""
        common = set.intersection(*({one.name for one in own} for own in self.scores.values()))
        return {label: [one for one in own if one.name in common] for label, own in self.scores.items()}

    @property
    def known(self) -> ScoresByMethod:
        """The same for the videos whose truth is known."""
        done = self.done
        hidden = {one.name for own in done.values() for one in own if one.is_hidden}
        return {label: [one for one in own if one.name not in hidden] for label, own in done.items()}

    @property
    def head(self) -> str:
        """Of the column with the methods."""
        return 'memory' if len({method.evaluation.network for method in self.methods}) == 1 else 'tracker'

    def method(self, label: str) -> Method:
        return next(method for method in self.methods if method.label == label)

    def cell(self, value: float) -> str:
        """A figure as it is usually published; empty where there is none."""
        if np.isnan(value):
            return ''
        return f'{100 * value:.1f}' if self.evaluation.protocol.percent else f'{value:.3f}'


def by_subset(scores: Mapping[str, Sequence[SequenceScore]]) -> dict[str, ScoresByMethod]:
    """The scores of each subset of a data set; of one without subsets all, under an empty name."""
    groups: dict[str, ScoresByMethod] = {}
    for label, own in scores.items():
        for one in own:
            subset = one.tracks[0].attributes.get(SUBSET, '')
            groups.setdefault(subset, {name: [] for name in scores})[label].append(one)
    return groups
