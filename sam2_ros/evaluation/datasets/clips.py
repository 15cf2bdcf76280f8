"""What every data set offers: clips, the targets in them, and their truth."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class TargetClip:
    """A video and one object to track in it.

    Attributes:
        images: (T, H, W, 3) uint8 RGB.
        truth: (T, H, W) bool, the visible part of the target.
        seed: of the generator; None for a filmed clip.
    """

    images: np.ndarray
    truth: np.ndarray
    seed: int | None = None

    def digest(self) -> str:
        """A short fingerprint of images and truth."""
        return hashlib.sha256(self.images.tobytes() + np.packbits(self.truth).tobytes()).hexdigest()[:16]

    def from_start(self) -> TargetClip:
        """The clip from the frame on in which the target is prompted."""
        start = first_shown(self.truth)
        return TargetClip(self.images[start:], self.truth[start:], self.seed)


def first_shown(truth: np.ndarray) -> int:
    """Index of the first frame that shows the target, in which it is prompted; 0 if none does.

    Args:
        truth: (T, H, W) bool.
    """
    return int(truth.any(axis=(1, 2)).argmax())


class ClipSet(Protocol):
    """Numbered clips. Small enough to send to another process."""

    @property
    def numbers(self) -> Sequence[int]:
        """Those of the clips."""
        ...

    @property
    def variant(self) -> str:
        """Part of the name of the folder where predictions are kept."""
        ...

    @property
    def description(self) -> str:
        """Which clips these are, for a result page."""
        ...

    def config(self) -> Mapping[str, Any]:
        """Everything that decides what the clips hold; JSON values."""
        ...

    def targets(self, number: int) -> dict[int, TargetClip]:
        """The targets of a clip by their labels. All have the same images."""
        ...
