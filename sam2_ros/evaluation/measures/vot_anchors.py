"""The anchor-based measures of VOT-ST2020 and VOT-ST2022: accuracy, robustness, expected average overlap (EAO).

Definitions: Kristan et al., The Eighth Visual Object Tracking VOT2020 Challenge Results, 2020, section 2, as the VOT
toolkit 0.7.1 computes them. A tracker is started at every anchor and runs to the further end of the sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FAILS_AT = 0.1  # overlap; a frame with at most this much has failed
GRACE = 10  # so many failed frames in a row end a run, at the first of them
SHORTEST, LONGEST = 115, 755  # frames; the lengths over which EAO is averaged


@dataclass(frozen=True, eq=False)
class AnchorRun:
    """A run from one anchor, in the order in which it was tracked, the anchor first.

    Attributes:
        overlap: (L,) intersection over union in [0, 1]. That of the anchor counts as 0, whatever it is.
        present: (L,) bool, the truth is not empty.
    """

    overlap: np.ndarray
    present: np.ndarray

    def __post_init__(self) -> None:
        if self.overlap.shape != self.present.shape or self.overlap.ndim != 1 or not self.overlap.size:
            raise ValueError(
                f'overlap and present must be of one length above 0, not {self.overlap.shape} and {self.present.shape}'
            )
        if self.present.dtype != bool:
            raise TypeError('present must be boolean')

    @property
    def progress(self) -> int:
        """Frames before the failure; all of them without one."""
        failed = (self._counted() <= FAILS_AT) & self.present
        in_a_row = 0
        for frame, fails in enumerate(failed):
            in_a_row = in_a_row + 1 if fails else 0
            if in_a_row == GRACE:
                return frame + 1 - GRACE
        return len(failed)

    @property
    def failed(self) -> bool:
        """Whether it ended before the end of the sequence."""
        return self.progress < len(self.overlap)

    def overlaps(self) -> np.ndarray:
        """(L,) float64 overlap of each frame, 0 at the anchor and from the failure on."""
        counted = self._counted()
        counted[self.progress :] = 0.0
        return counted

    def _counted(self) -> np.ndarray:
        counted = self.overlap.astype(float)
        counted[0] = 0.0
        return counted


@dataclass(frozen=True)
class AnchorMeasures:
    """Each in [0, 1].

    Attributes:
        accuracy: mean overlap before failures.
        robustness: share of the frames of all runs that come before failures.
        expected_average_overlap: mean overlap to be expected in a sequence of 115 to 755 frames; EAO.
    """

    accuracy: float
    robustness: float
    expected_average_overlap: float


def anchor_measures(
    sequences: Sequence[Sequence[AnchorRun]],
    *,
    lengths: Sequence[int],
    shortest: int = SHORTEST,
    longest: int = LONGEST,
) -> AnchorMeasures:
    """The measures of a tracker.

    Args:
        sequences: the runs of each, from all its anchors.
        lengths: frames of each sequence, by which robustness is weighted. Accuracy is weighted by frames tracked.
        shortest, longest: frames, the lengths of EAO. As in the toolkit, `longest` itself is not among them.

    Raises:
        ValueError: without sequences, for one without runs, or if lengths are missing.
    """
    if not sequences or not all(sequences):
        raise ValueError('every sequence needs a run, and there must be a sequence')
    if len(lengths) != len(sequences):
        raise ValueError(f'{len(lengths)} lengths for {len(sequences)} sequences')
    tracked = np.array([sum(run.progress for run in runs) for runs in sequences], float)
    frames = np.array([sum(len(run.overlap) for run in runs) for runs in sequences], float)
    overlap = np.array([sum(run.overlaps().sum() for run in runs) for runs in sequences])
    curve = expected_overlap_curve([run for runs in sequences for run in runs], longest)
    return AnchorMeasures(
        accuracy=float(overlap.sum() / tracked.sum()) if tracked.sum() else 0.0,
        robustness=float(np.average(tracked / frames, weights=lengths)),
        expected_average_overlap=float(curve[shortest:].mean()),
    )


def expected_overlap_curve(runs: Sequence[AnchorRun], longest: int) -> np.ndarray:
    """Mean overlap of the first n frames after the anchor, for n from 0 to `longest` - 1: (longest,) float64.

    A run that failed has overlap 0 from then on, however long the sequence is. One that reached the end of its sequence
    says nothing about more frames than it has. For more frames than a failed run has, the toolkit divides its sum by
    n - 1 instead of n; so do we.
    """
    total, count = np.zeros(longest), np.zeros(longest)
    for run in runs:
        sums = np.cumsum(run.overlaps()[1:])[: longest - 1]
        within = len(sums)
        total[1 : within + 1] += sums / np.arange(1, within + 1)
        count[1 : within + 1] += 1
        if run.failed and within + 1 < longest:
            beyond = np.arange(within + 1, longest)
            total[beyond] += (sums[-1] if within else 0.0) / np.maximum(beyond - 1, 1)
            count[beyond] += 1
    return np.divide(total, count, out=np.zeros(longest), where=count > 0)
