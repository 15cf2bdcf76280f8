"""The measures of VOTS and of DiDi: quality, accuracy, robustness, and what went wrong where.

Definitions: Kristan et al., The VOTS2023 Challenge Performance Measures, 2023, as the VOT toolkit 0.7.1 computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

ABSENT_FRAMES = 10  # the absence detection counts for objects that are absent in more frames


@dataclass(frozen=True, eq=False)
class ObjectOverlaps:
    """One object in one sequence, frame by frame, the prompted frame first.

    Attributes:
        overlap: (T,) intersection over union, in [0, 1]; 1 where prediction and truth are empty, 0 where one is.
        present: (T,) bool, the truth is not empty.
        reported: (T,) bool, the prediction is not empty.
    """

    overlap: np.ndarray
    present: np.ndarray
    reported: np.ndarray

    def __post_init__(self) -> None:
        shapes = {self.overlap.shape, self.present.shape, self.reported.shape}
        if len(shapes) != 1 or self.overlap.ndim != 1 or not self.overlap.size:
            raise ValueError(f'overlap, present and reported must be of one length above 0, not of shapes {shapes}')
        if self.present.dtype != bool or self.reported.dtype != bool:
            raise TypeError('present and reported must be boolean')


@dataclass(frozen=True)
class VotsMeasures:
    """Each in [0, 1], or NaN where no object tells. The errors are better low.

    Attributes:
        quality: mean overlap over all frames; Q. Where the object is absent, 1 if nothing is reported.
        accuracy: mean overlap over the frames that show the object and in which the prediction touches it; A.
        robustness: share of the frames that show the object in which the prediction touches it; R.
        not_reported_error: share of these frames in which nothing is reported; NRE.
        drift_rate_error: share of these frames in which something else is reported; DRE. R + NRE + DRE = 1.
        absence_detection: share of the frames without the object in which nothing is reported; ADQ.
    """

    quality: float
    accuracy: float
    robustness: float
    not_reported_error: float
    drift_rate_error: float
    absence_detection: float


def vots_measures(sequences: Sequence[Sequence[ObjectOverlaps]], *, prompted_frame_fails: bool = True) -> VotsMeasures:
    """Mean over the objects of each sequence, then over the sequences, each with the same weight.

    Args:
        sequences: the objects of each.
        prompted_frame_fails: as in the toolkit, in whose results the prompted frame is no region: it counts with
            overlap 0 to quality and accuracy, and as not reported. So the best quality of T frames is
            (T - 1) / T. False: leave that frame out.

    Raises:
        ValueError: without sequences, or for one without objects.
    """
    if not sequences or not all(sequences):
        raise ValueError('every sequence needs an object, and there must be a sequence')
    counted = [[_counted(one, prompted_frame_fails) for one in objects] for objects in sequences]

    def mean(figure: Callable[[ObjectOverlaps], float]) -> float:
        return _mean([_mean([figure(one) for one in objects]) for objects in counted])

    return VotsMeasures(
        quality=mean(lambda one: float(one.overlap.mean()) if one.overlap.size else np.nan),
        accuracy=mean(lambda one: _accuracy(one, prompted_frame_fails)),
        robustness=mean(lambda one: _share(_touches(one), one.present)),
        not_reported_error=mean(lambda one: _share(~_touches(one) & ~one.reported, one.present)),
        drift_rate_error=mean(lambda one: _share(~_touches(one) & one.reported, one.present)),
        absence_detection=mean(
            lambda one: _share(~one.reported, ~one.present) if (~one.present).sum() > ABSENT_FRAMES else np.nan
        ),
    )


def _counted(one: ObjectOverlaps, prompted_frame_fails: bool) -> ObjectOverlaps:
    """The frames that count, with the prompted one as it counts."""
    if not prompted_frame_fails:
        return ObjectOverlaps(one.overlap[1:], one.present[1:], one.reported[1:]) if one.overlap.size > 1 else one
    overlap, reported = one.overlap.astype(float), one.reported.copy()
    overlap[0], reported[0] = 0.0, False
    return ObjectOverlaps(overlap, one.present, reported)


def _touches(one: ObjectOverlaps) -> np.ndarray:
    return one.present & (one.overlap > 0)


def _accuracy(one: ObjectOverlaps, prompted_frame_fails: bool) -> float:
    """0 for an object that is never touched, as in the toolkit."""
    frames = _touches(one)
    if prompted_frame_fails:
        frames = frames.copy()
        frames[0] = True
    return float(one.overlap[frames].mean()) if frames.any() else 0.0


def _share(chosen: np.ndarray, among: np.ndarray) -> float:
    return float(chosen[among].mean()) if among.any() else np.nan


def _mean(values: Sequence[float]) -> float:
    """Mean of what is not NaN; NaN if nothing is left."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan
