"""The choice among the decoder's candidate masks: what a policy's rule is shown, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sam2_ros.tracking.postprocessing import resize_logits

KEPT = -1  # in place of a candidate: the mask that the network took

# x0, y0, x1, y1 of the outermost pixels of a mask at the network's size: a single pixel has x0 = x1; all 0 if empty
Extent = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Candidates:
    """The masks that the decoder offers for one hypothesis about an object.

    Attributes:
        state: of the hypothesis, as the rule left it; None at first and after `CandidateRule.start` gave None.
        predicted_ious: of the masks, each in [0, 1].
        object_score_logit: of all of them.
        extents: computes where the masks lie. A rule that does not ask costs nothing.
    """

    state: object
    predicted_ious: Sequence[float]
    object_score_logit: float
    extents: Callable[[], Sequence[Extent]]

    @property
    def best(self) -> int:
        """Which has the highest predicted IoU."""
        return max(range(len(self.predicted_ious)), key=self.predicted_ious.__getitem__)


@dataclass(frozen=True)
class Choice:
    """A candidate that is followed.

    Attributes:
        hypothesis: which hypothesis it continues.
        candidate: which of its masks.
        state: of the hypothesis after this frame; immutable.
        trusted: for `MemoryEntry.trusted`, by which the policy may choose what later frames read.
    """

    hypothesis: int
    candidate: int
    state: object
    trusted: bool


class CandidateRule(Protocol):
    """Which of the decoder's candidate masks are followed in a tracked frame.

    Attributes:
        presence_threshold: a mask is emptied, and the object pointer is that of an absent object, where the decoder's
            object score is not above this.
    """

    @property
    def presence_threshold(self) -> float: ...

    def choose(self, hypotheses: Sequence[Candidates]) -> Sequence[Choice]:
        """At least one choice for an object, best first: the first is shown, all of them go on as hypotheses.

        Args:
            hypotheses: at least one, in the order in which they were chosen in the last frame.
        """
        ...

    def start(self, candidates: Candidates | None) -> object:
        """The state after a prompted frame, of which one hypothesis goes on.

        Args:
            candidates: among which the network took `best`, where the prompt was one point; None for other prompts.
        """
        ...


def candidate_extents(logits: Tensor, image_size: int) -> list[list[Extent]]:
    """Where masks lie at the size of the network.

    Args:
        logits: (N, 3, S/4, S/4), > 0 is object.
        image_size: S, in pixels.

    Returns:
        For each of N objects, the extents of its masks.
    """
    return as_extents(extents_at(logits, image_size).tolist())


def extents_at(logits: Tensor, image_size: int) -> Tensor:
    """The same on the device, (N, 3, 4) long."""
    # one object at a time: at full size they are large
    return torch.stack([extents_of(resize_logits(masks, (image_size, image_size)) > 0) for masks in logits])


def as_extents(numbers: Sequence[Sequence[Sequence[int]]]) -> list[list[Extent]]:
    """Extents of masks by object, from lists of their four numbers."""
    return [[(x0, y0, x1, y1) for x0, y0, x1, y1 in masks] for masks in numbers]


def extents_of(masks: Tensor) -> Tensor:
    """The `Extent` of each of the masks (M, H, W) bool, (M, 4) long."""
    columns, rows = masks.any(dim=1), masks.any(dim=2)
    return torch.stack([_first(columns), _first(rows), _last(columns), _last(rows)], dim=1)


def _first(line: Tensor) -> Tensor:
    """Index of the first True in each row of (N, L); 0 if there is none."""
    return line.int().argmax(dim=1)


def _last(line: Tensor) -> Tensor:
    """Index of the last True in each row of (N, L); 0 if there is none."""
    return (line.shape[1] - 1 - _first(line.flip(1))) * line.any(dim=1)
