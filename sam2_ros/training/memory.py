"""What the objects of a batch remember while a clip is run, and what they read of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sam2_ros.model import MemoryRead
from sam2_ros.model.config import CONDITIONING_INDEX, NUM_SPATIAL_SLOTS

POINTER_HORIZON = 15  # frames; a pointer d frames old has the distance code d / 15, as in videos of 16 frames and more


def read_order(
    frame: int, conditioning: set[int], rng: np.random.Generator, *, dam: bool
) -> tuple[list[int], list[int]]:
    """Choose the spatial memories that a frame reads, as the memory policies do.

    SAM 2 reads all conditioning frames and the last six other frames, with their distance as temporal index. The
    distractor-aware policy reads conditioning frames and anchors alike (index 6), then the previous frame and older
    ones, with their rank as temporal index. Anchors and older frames are drawn at random here.

    Args:
        frame: the frame that reads.
        conditioning: the conditioning frames before it.
        rng: draws anchors and older frames.
        dam: read as the distractor-aware policy instead of as SAM 2.

    Returns:
        The frames to read, and the temporal index of each: 6 for conditioning frames, 0 for the newest recent frame.
    """
    anchors = sorted(conditioning)
    recent = [past for past in range(frame - 1, -1, -1) if past not in conditioning]
    if dam:
        extra = int(rng.integers(0, 3)) if len(recent) > 2 else 0
        anchors = sorted([*anchors, *(int(past) for past in rng.permutation(recent[1:])[:extra])])
        room = NUM_SPATIAL_SLOTS - len(anchors)
        older = [past for past in recent[1:] if past not in anchors]
        kept = sorted((int(past) for past in rng.permutation(older)[: max(room - 1, 0)]), reverse=True)
        recent = [*recent[:1], *kept]
        indices = list(range(len(recent)))
    else:
        recent = [past for past in recent if frame - past < NUM_SPATIAL_SLOTS]
        indices = [frame - past - 1 for past in recent]
    return [*anchors, *recent[::-1]], [*[CONDITIONING_INDEX] * len(anchors), *indices[::-1]]


@dataclass
class ClipMemory:
    """The memories of N objects; all objects have one entry for each frame so far.

    Attributes:
        spatial: a spatial memory (N, Cm, h, w) for each frame.
        pointers: object pointers (N, C) for each frame.
        conditioning: the frames that were prompted or corrected.
    """

    spatial: list[Tensor] = field(default_factory=list)
    pointers: list[Tensor] = field(default_factory=list)
    conditioning: set[int] = field(default_factory=set)

    def write(self, spatial: Tensor, pointers: Tensor, *, conditioning: bool) -> None:
        """Add the next frame: spatial memories (N, Cm, h, w) and object pointers (N, C)."""
        if conditioning:
            self.conditioning.add(len(self.spatial))
        self.spatial.append(spatial)
        self.pointers.append(pointers)

    def read(self, frame: int, rng: np.random.Generator, *, dam: bool, with_pointers: bool) -> MemoryRead:
        """What all objects read on `frame`; see `read_order`."""
        frames, indices = read_order(frame, self.conditioning, rng, dam=dam)
        horizon = range(frame - 1, max(-1, frame - 1 - POINTER_HORIZON), -1)
        past = [*sorted(self.conditioning), *(other for other in horizon if other not in self.conditioning)]
        if not with_pointers:
            past = []
        count, channels = self.pointers[0].shape
        device = self.pointers[0].device
        distance = torch.tensor([(frame - other) / POINTER_HORIZON for other in past], device=device)
        return MemoryRead(
            spatial=torch.stack([self.spatial[other] for other in frames], dim=1),
            temporal_index=torch.tensor(indices, device=device).expand(count, -1),
            pointers=torch.stack([self.pointers[other] for other in past], dim=1)
            if past
            else self.pointers[0].new_zeros(count, 0, channels),
            pointer_position=distance.expand(count, -1),
        )
