"""A bank that forgets reads the same as one that keeps everything, for every policy and for ever."""

from dataclasses import dataclass, fields
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_ros.tracking import POLICY_NAMES, DamSettings, MemoryPolicy, make_policy
from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry, MemorySelection

pytestmark = pytest.mark.slow

FRAMES = 500
RING = 32  # frames that a prompt may reach back
SOMETHING = torch.zeros(1)
WITHOUT_SETTINGS = ('sam2', 'samurai', 'sam2long')


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


@dataclass(frozen=True)
class Scenario:
    """What happens to an object.

    Attributes:
        spans: the target is seen and hidden in turn for so many frames, over and over.
        anchors: frames that become anchors if the target is seen, it is not prompted, and the policy has anchors.
        corrections: frames that are prompted; with `clears`, they drop recent memory.
        rewinds: after this frame, one so many frames before it is prompted, and tracked from there again.
    """

    spans: list[int]
    anchors: frozenset[int]
    corrections: frozenset[int]
    rewinds: dict[int, int]
    clears: bool

    def shows(self, frame: int) -> bool:
        position, shown = frame % sum(self.spans), True
        for span in self.spans:
            if position < span:
                break
            position, shown = position - span, not shown
        return shown


FRAME = st.integers(1, FRAMES - 1)
SCENARIOS = st.builds(
    Scenario,
    spans=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    anchors=st.frozensets(FRAME, max_size=20),
    corrections=st.frozensets(FRAME, max_size=8),
    rewinds=st.dictionaries(FRAME, st.integers(0, RING), max_size=4),
    clears=st.booleans(),
)


@st.composite
def capacities(draw: st.DrawFn) -> DamSettings:
    slots = draw(st.integers(3, 7))
    return DamSettings(
        ram_interval=draw(st.integers(1, 6)),
        spatial_slots=slots,
        max_conditioning=draw(st.integers(2, slots - 1)),
        max_pointers=draw(st.integers(2, 20)),
    )


class Life:
    """An object's life in two banks, of which one forgets."""

    def __init__(self, policy: MemoryPolicy, scenario: Scenario) -> None:
        self.policy = policy
        self.scenario = scenario
        self.history = [(MemoryBank(policy), MemoryBank(never_forgetting(policy)))]  # banks before each frame

    def step(self, frame: int, *, prompted: bool) -> None:
        banks = self.history[frame]
        del self.history[frame + 1 :]
        visible, kind = self.scenario.shows(frame), EntryKind.RECENT
        if prompted or frame == 0:
            kind = EntryKind.CORRECTION if frame else EntryKind.PROMPT
        elif visible and self.policy.anchor_rule is not None and frame in self.scenario.anchors:
            kind = EntryKind.ANCHOR
        if kind is EntryKind.CORRECTION and self.scenario.clears:
            banks = (banks[0].drop_recent(), banks[1].drop_recent())
        if kind is not EntryKind.RECENT or self.policy.writes(visible=visible):
            entry = MemoryEntry(frame, kind, SOMETHING, SOMETHING, trusted=visible)
            banks = (banks[0].write(entry), banks[1].write(entry))
        self.history.append(banks)

    def run(self) -> None:
        frame, prompted, rewinds = 0, set(self.scenario.corrections), dict(self.scenario.rewinds)
        while frame < FRAMES:
            if frame:
                bounded, unbounded = (bank.read(frame) for bank in self.history[frame])
                assert described(bounded) == described(unbounded)
            self.step(frame, prompted=frame in prompted)
            if frame in rewinds:
                frame = max(0, frame - rewinds.pop(frame))
                prompted.add(frame)
            else:
                frame += 1


def check_capacity(life: Life, settings: DamSettings) -> None:
    for bank, _ in life.history:
        # an anchor of the newest frame is not conditioning yet
        assert len(bank.conditioning) <= settings.max_conditioning + 1
        assert sum(entry.features is not None for entry in bank.recent) <= settings.spatial_slots
        assert len(bank.recent) <= settings.max_pointers + settings.spatial_slots


@pytest.mark.parametrize('name', POLICY_NAMES)
@settings(max_examples=25, deadline=None)
@given(scenario=SCENARIOS, capacity=capacities())
def test_bounded_equals_unbounded(name: str, scenario: Scenario, capacity: DamSettings) -> None:
    life = Life(make_policy(name, capacity), scenario)
    life.run()
    check_capacity(life, DamSettings() if name in WITHOUT_SETTINGS else capacity)


def test_what_is_read_is_of_the_capacities_the_caller_has_set() -> None:
    """RAM has what DRM leaves of the slots."""
    policy = make_policy('dam', DamSettings(ram_interval=2, spatial_slots=5, max_conditioning=3, max_pointers=6))
    bank = MemoryBank(policy)
    for frame in range(40):
        kind = EntryKind.ANCHOR if frame in (10, 20, 30) else EntryKind.RECENT if frame else EntryKind.PROMPT
        bank = bank.write(MemoryEntry(frame, kind, SOMETHING, SOMETHING))
    read = described(bank.read(40))
    assert [(frame, index) for frame, _, index in read[0]] == [(30, 6), (0, 6), (20, 6), (38, 1), (39, 0)]
    assert [frame for frame, _ in read[1]] == [30, 0, 20, 39, 38, 37, 36, 35]
