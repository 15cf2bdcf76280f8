"""A bank that forgets reads the same as one that keeps everything, for every policy and for ever."""

from dataclasses import fields
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry, MemorySelection
from sam2_ros.tracking.policies import (
    MAX_CONDITIONING,
    MAX_POINTERS,
    NUM_RECENT,
    POLICY_NAMES,
    MemoryPolicy,
    make_policy,
)

FRAMES = 500
RING = 32  # frames that a prompt may reach back
SOMETHING = torch.zeros(1)


def never_forgetting(policy: MemoryPolicy) -> MemoryPolicy:
    """The same policy with a bank that keeps every entry."""

    class Unbounded(type(policy)):  # type: ignore[misc]
        def retain(self, bank: MemoryBank) -> tuple[Any, Any]:
            return bank.conditioning, bank.recent

    return Unbounded(**{field.name: getattr(policy, field.name) for field in fields(policy)})


def described(read: MemorySelection) -> tuple[list[Any], list[Any]]:
    assert all(entry.features is not None for entry, _ in read.spatial)
    return (
        [(entry.frame_index, entry.kind, index) for entry, index in read.spatial],
        [(entry.frame_index, position) for entry, position in read.pointers],
    )


class Life:
    """An object's life: random visibility, corrections, anchors and prompts for past frames, in two banks."""

    def __init__(self, policy: MemoryPolicy, random: Random) -> None:
        self.policy = policy
        self.random = random
        self.stays = random.choice([0.5, 0.9, 0.99])  # how likely it is that visibility stays as it is
        self.corrects, self.rewinds = random.choice([0, 0.01, 0.2]), random.choice([0, 0.02, 0.1])
        self.clears = random.random() < 0.5
        self.visible = True
        self.history = [(MemoryBank(policy), MemoryBank(never_forgetting(policy)))]  # banks before each frame

    def step(self, frame: int, *, prompted: bool) -> None:
        banks = self.history[frame]
        del self.history[frame + 1 :]
        if frame and not prompted:
            self.visible ^= self.random.random() > self.stays
        kind = EntryKind.RECENT
        if prompted or frame == 0:
            kind = EntryKind.CORRECTION if frame else EntryKind.PROMPT
        elif self.visible and self.policy.anchor_rule is not None and self.random.random() < 0.15:
            kind = EntryKind.ANCHOR
        if kind is EntryKind.CORRECTION and self.clears:
            banks = (banks[0].drop_recent(), banks[1].drop_recent())
        if kind is not EntryKind.RECENT or self.policy.writes(visible=self.visible):
            entry = MemoryEntry(frame, kind, SOMETHING, SOMETHING)
            banks = (banks[0].write(entry), banks[1].write(entry))
        self.history.append(banks)

    def run(self) -> None:
        frame = 0
        for _ in range(FRAMES):
            if frame:
                bounded, unbounded = (bank.read(frame) for bank in self.history[frame])
                assert described(bounded) == described(unbounded)
            prompted = self.random.random() < self.corrects
            if frame and self.random.random() < self.rewinds:
                frame, prompted = max(0, frame - self.random.randrange(RING)), True
            self.step(frame, prompted=prompted)
            frame += 1
            check_capacity(self.history[frame][0])


def check_capacity(bank: MemoryBank) -> None:
    assert len(bank.conditioning) <= MAX_CONDITIONING + 1  # an anchor of the newest frame is not conditioning yet
    assert sum(entry.features is not None for entry in bank.recent) <= NUM_RECENT + 1
    assert len(bank.recent) <= MAX_POINTERS + NUM_RECENT


@pytest.mark.parametrize('name', POLICY_NAMES)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_bounded_equals_unbounded(name: str, seed: int) -> None:
    Life(make_policy(name), Random(seed)).run()
