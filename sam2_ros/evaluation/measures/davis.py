"""Figures of a video object segmentation benchmark, out of J and F of every frame.

As the evaluation code of DAVIS 2017 (Pont-Tuset et al., 2017) and that of YouTube-VOS (Xu et al., 2018) define them.
Which frames count is up to the caller: DAVIS and SA-V leave out the first and the last annotated one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RECALLED = 0.5  # a frame above this counts for the recall
PARTS = 4  # of a sequence; the decay is the difference between the first and the last


@dataclass(frozen=True)
class FrameStatistics:
    """What the frames of one object say, each NaN without a frame.

    Attributes:
        mean: of the measure, in [0, 1].
        recall: share of the frames above 0.5.
        decay: mean of the first quarter less mean of the last; high where objects are lost with time.
    """

    mean: float
    recall: float
    decay: float


def frame_statistics(values: np.ndarray) -> FrameStatistics:
    """Mean, recall and decay of J or F over the frames of one object.

    Neighbouring quarters share a frame. Frames that are NaN are left out, but not recalled, as in the official code.
    Its indices of quarters overflow from 256 frames on; ours do not.

    Args:
        values: (T,) in [0, 1].

    Raises:
        ValueError: if it is not one row of numbers.
    """
    if values.ndim != 1:
        raise ValueError(f'values must be one number for each frame, not of shape {values.shape}')
    if np.isnan(values).all():
        return FrameStatistics(np.nan, np.nan, np.nan)
    ends = np.floor(np.linspace(1, len(values), PARTS + 1) + 0.5 + 1e-10).astype(int) - 1
    first, last = values[ends[0] : ends[1] + 1], values[ends[-2] : ends[-1] + 1]
    return FrameStatistics(_mean(values), float((values > RECALLED).mean()), _mean(first) - _mean(last))


def mean_statistics(objects: Sequence[FrameStatistics]) -> FrameStatistics:
    """The mean over objects, whatever video each is of. Objects without a frame are left out.

    Raises:
        ValueError: without objects.
    """
    if not objects:
        raise ValueError('there are no objects')
    table = np.array([[one.mean, one.recall, one.decay] for one in objects])
    return FrameStatistics(*(_mean(column) for column in table.T))


@dataclass(frozen=True)
class SeenAndUnseen:
    """YouTube-VOS: J and F of objects of classes that training had shown, and of those it had not, in [0, 1]."""

    j_seen: float
    j_unseen: float
    f_seen: float
    f_unseen: float

    @property
    def g(self) -> float:
        """The mean of the four."""
        return (self.j_seen + self.j_unseen + self.f_seen + self.f_unseen) / 4


def seen_and_unseen(
    region: Mapping[str, float], contour: Mapping[str, float], *, seen: Mapping[str, bool]
) -> SeenAndUnseen:
    """The figures of YouTube-VOS.

    Args:
        region, contour: mean J and mean F of each object, by any key.
        seen: by the same keys, whether the class of the object is in the training set.

    Raises:
        ValueError: if the keys differ.
    """
    if not region.keys() == contour.keys() == seen.keys():
        raise ValueError('region, contour and seen must be of the same objects')
    means = [
        _mean(np.array([values[name] for name in values if seen[name] is wanted]))
        for values in (region, contour)
        for wanted in (True, False)
    ]
    return SeenAndUnseen(*means)


def _mean(values: np.ndarray) -> float:
    """Mean of what is not NaN; NaN if nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan
