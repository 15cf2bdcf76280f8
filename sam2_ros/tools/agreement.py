"""How far two runs of the tracker agree, frame by frame and object by object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.tracking import FrameResult


@dataclass(frozen=True, eq=False)
class Agreement:
    """Of two runs on the same frames.

    Attributes:
        overlaps: (N,) IoU of the two masks of each object in each frame, in [0, 1]; 1 if both are empty.
        other_presence: share of these in which one mask is empty and the other is not.
        other_event: share of these in which the frame was remembered otherwise.
    """

    overlaps: np.ndarray
    other_presence: float
    other_event: float

    @classmethod
    def of(cls, ours: Sequence[FrameResult], theirs: Sequence[FrameResult]) -> Agreement:
        """Compare results of equally many frames. Raises ValueError for others."""
        pairs = [(one[name], other[name]) for one, other in zip(ours, theirs, strict=True) for name in one]
        return cls(
            np.array([region_similarity(one.mask, other.mask) for one, other in pairs]),
            float(np.mean([bool(one.area) != bool(other.area) for one, other in pairs])),
            float(np.mean([one.memory_event is not other.memory_event for one, other in pairs])),
        )
