"""What the objects of a batch remember while a clip is run: the memory banks of the tracker, with anchors by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry, MemoryPolicy, MemorySelection


class ClipMemory:
    """The memory banks of N objects, which all start on frame 0.

    What is written and what is read is up to the policy, as in the tracker. Only anchors are drawn: the scores and
    candidates of an untrained network, which the anchor rule needs, say nothing yet. As with the rule, an anchor shows
    the target and keeps its distance to the last one.

    Args:
        policy: of all banks.
        count: number N of objects.
        anchors: probability that a frame that may be an anchor becomes one. Without effect where the policy has no
            anchor rule.
        rng: draws the anchors.
    """

    def __init__(self, policy: MemoryPolicy, count: int, *, anchors: float, rng: np.random.Generator) -> None:
        self.policy, self.anchors, self.rng = policy, anchors, rng
        self.banks = [MemoryBank(policy)] * count

    def plan(self, frame: int, seen: Tensor, *, conditioning: bool) -> list[EntryKind | None]:
        """Why each object remembers `frame`, which is newer than all before; None where it does not.

        Args:
            frame: its number.
            seen: (N,) bool, whether the mask of the object is not empty.
            conditioning: the frame was prompted or corrected.
        """
        count, rule = len(self.banks), self.policy.anchor_rule
        if conditioning:
            return [EntryKind.CORRECTION if frame else EntryKind.PROMPT] * count
        if rule is None and self.policy.writes(visible=False):
            return [EntryKind.RECENT] * count  # without waiting for `seen` to come from a GPU
        kinds: list[EntryKind | None] = []
        for bank, visible, chance in zip(self.banks, seen.tolist(), self.rng.random(count).tolist(), strict=True):
            if (
                rule
                and visible
                and chance < self.anchors
                and _since_anchor(bank, frame) > rule.settings.min_anchor_spacing
            ):
                kinds.append(EntryKind.ANCHOR)
            else:
                kinds.append(EntryKind.RECENT if self.policy.writes(visible=visible) else None)
        return kinds

    def write(self, frame: int, kinds: Sequence[EntryKind | None], spatial: Tensor, pointers: Tensor) -> None:
        """Add `frame` as it was planned: spatial memories (N, Cm, h, w) and object pointers (N, C).

        Entries keep the graph they were computed in, and the types that the network gives: as in the tracker, spatial
        memories are bfloat16 and pointers are not. Gradients go through that rounding as if it were not there.
        """
        # `unbind`, not indices: its backward pass does not make a batch of zeros for every row
        rows = zip(self.banks, kinds, spatial.unbind(), pointers.unbind(), strict=True)
        self.banks = [
            bank if kind is None else _kept(bank, kind).write(MemoryEntry(frame, kind, features, pointer))
            for bank, kind, features, pointer in rows
        ]

    def read(self, frame: int, *, with_pointers: bool) -> list[MemorySelection]:
        """What each object reads on `frame`; without object pointers if so wanted."""
        reads = [bank.read(frame) for bank in self.banks]
        return reads if with_pointers else [replace(read, pointers=()) for read in reads]


def _kept(bank: MemoryBank, kind: EntryKind) -> MemoryBank:
    """What stays when an entry of `kind` comes: a correction says that the recent memories were wrong."""
    return bank.drop_recent() if kind is EntryKind.CORRECTION else bank


def _since_anchor(bank: MemoryBank, frame: int) -> float:
    """Age of the newest anchor in frames; infinite if there is none."""
    ages = [frame - entry.frame_index for entry in bank.conditioning if entry.kind is EntryKind.ANCHOR]
    return min(ages, default=float('inf'))
