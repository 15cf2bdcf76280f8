"""The `sam2long` policy against its description, computed in the plainest way: everything is kept, nothing is shared.

The published code may not be copied, so it is not run here.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sam2_ros.model import MemoryRead, Sam2Network
from sam2_ros.tracking import VideoTracker
from sam2_ros.tracking.candidates import Candidates, Choice
from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry, MemorySelection
from sam2_ros.tracking.sam2long import PathwayRule, Sam2LongMemory
from tests.tracking.clips import Clip

FRAMES = 40
SOMETHING = torch.zeros(1)


@dataclass(frozen=True)
class Decoded:
    """What the decoder says for one path on one frame."""

    ious: tuple[float, float, float]
    score: float


@dataclass(frozen=True)
class Path:
    """A path: the IoU and the object score of what was chosen on each frame since the first, and its own score."""

    name: str
    history: tuple[tuple[float, float], ...]
    score: float


def survivors(paths: Sequence[Path], decoded: Sequence[Decoded]) -> list[tuple[int, int]]:
    """Parent and candidate of the three paths that go on, from the second tracked frame on."""
    listed = [
        (path.score + math.log(iou + 1e-5), number, candidate)
        for number, path in enumerate(paths)
        for candidate, iou in enumerate(decoded[number].ious)
    ]
    listed.sort(key=lambda one: (-one[0], one[1], one[2]))
    if any(abs(one.score) > 2 for one in decoded):
        return [(number, candidate) for _, number, candidate in listed[:3]]
    chosen: list[tuple[int, int]] = []
    seen: list[float] = []
    for _, number, candidate in listed:
        sign = 1 if decoded[number].score > 0 else -1
        key = round(sign * decoded[number].ious[candidate], 2)
        if key not in seen and len(chosen) < 3:
            seen.append(key)
            chosen.append((number, candidate))
    for number in range(3):
        if len(chosen) < 3 and all(number != parent for parent, _ in chosen):
            chosen.append((number, max(range(3), key=lambda one: decoded[number].ious[one])))
    return chosen


def expected_read(path: Path, frame: int) -> tuple[list[tuple[int, int]], list[tuple[int, float]], list[float]]:
    """Frames with temporal index, frames with pointer position, and weights."""
    good = []
    for index in range(frame - 1, 0, -1):
        iou, score = path.history[index - 1]
        if iou > 0.1 and score > 0 and len(good) < 15:
            good.insert(0, index)
    if frame > 1 and frame - 1 not in good:
        good.append(frame - 1)
    spatial = [(0, 6)] + [(index, len(good[-6:]) - 1 - place) for place, index in enumerate(good[-6:])]
    pointers = [(0, frame / 15)]
    for rank in range(1, min(len(good) - 1, 15) + 1):
        pointers.append((good[-rank], rank / 15))
    if len(spatial) == 1:
        return spatial, pointers, []

    def weights(frames: list[int]) -> list[float]:
        scores = [path.history[index - 1][1] if index else 10.0 for index in frames]
        order = np.argsort(scores, kind='stable')
        spaced = np.linspace(0.95, 1.05, len(frames))
        return [float(spaced[list(order).index(place)]) for place in range(len(frames))]

    return spatial, pointers, weights([one for one, _ in spatial]) + weights([one for one, _ in pointers])


def check_read(read: MemorySelection, path: Path, frame: int) -> None:
    spatial, pointers, weights = expected_read(path, frame)
    assert [(entry.frame_index, index) for entry, index in read.spatial] == spatial
    assert [entry.frame_index for entry, _ in read.pointers] == [one for one, _ in pointers]
    assert [position for _, position in read.pointers] == pytest.approx([position for _, position in pointers])
    assert read.key_weights == pytest.approx(weights)
    assert all(entry.features is not None for entry, _ in read.spatial)
    chosen = [entry.object_score_logit for entry, _ in read.spatial[1:]]
    assert chosen == [path.history[index - 1][1] for index, _ in spatial[1:]]


def no_extents() -> list[tuple[int, int, int, int]]:
    raise AssertionError('motion is not asked for')


def play(decode: Callable[[str, int], Decoded], frames: int = FRAMES) -> int:
    """Compare all reads and choices of an object's life; the largest number of paths that differed at a time."""
    policy = Sam2LongMemory()
    start = MemoryBank(policy).write(MemoryEntry(0, EntryKind.PROMPT, SOMETHING, SOMETHING))
    banks, paths, different = [start], [Path('', (), 0.0)], 0
    for frame in range(1, frames):
        for bank, path in zip(banks, paths, strict=True):
            check_read(bank.read(frame), path, frame)
        decoded = [decode(path.name, frame) for path in paths]
        offers = [
            Candidates(bank.state, one.ious, one.score, no_extents) for bank, one in zip(banks, decoded, strict=True)
        ]
        choices = policy.candidate_rule.choose(offers)
        if frame == 1:
            first = max(range(3), key=lambda one: decoded[0].ious[one])
            expected = [(0, first)] * 3
        else:
            expected = survivors(paths, decoded)
        assert [(one.hypothesis, one.candidate) for one in choices] == expected
        banks = [grown(banks[one.hypothesis], one, decoded[one.hypothesis], frame) for one in choices]
        paths = [
            Path(
                f'{paths[parent].name}{candidate}',
                (*paths[parent].history, (decoded[parent].ious[candidate], decoded[parent].score)),
                0.0 if frame == 1 else paths[parent].score + math.log(decoded[parent].ious[candidate] + 1e-5),
            )
            for parent, candidate in expected
        ]
        different = max(different, len({path.name for path in paths}))
        assert [bank.state for bank in banks] == [path.score for path in paths]
    return different


def grown(bank: MemoryBank, choice: Choice, decoded: Decoded, frame: int) -> MemoryBank:
    entry = MemoryEntry(frame, EntryKind.RECENT, SOMETHING, SOMETHING, decoded.score, choice.trusted)
    return replace(bank, state=choice.state).write(entry)


def random_decoder(seed: int, *, spread: float) -> Callable[[str, int], Decoded]:
    """Equal paths are decoded equally. `spread`: of object scores; the smaller, the more often they are uncertain."""

    def decode(name: str, frame: int) -> Decoded:
        rng = np.random.default_rng([seed, frame, *map(int, name)])
        ious = rng.choice([0.05, 0.1, 0.4, 0.604, 0.8, 0.803, 0.95], 3)
        return Decoded((float(ious[0]), float(ious[1]), float(ious[2])), float(np.round(rng.normal(0.5, spread), 3)))

    return decode


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), spread=st.sampled_from([0.5, 2.0, 8.0]))
def test_reads_and_choices_are_those_of_the_description(seed: int, spread: float) -> None:
    play(random_decoder(seed, spread=spread))


def test_random_scores_make_paths_differ_and_certain_ones_never_do() -> None:
    assert play(random_decoder(1, spread=1.0)) == 3
    assert play(lambda name, frame: Decoded((0.5, 0.9, 0.7), 5.0)) == 1


def test_what_is_read_after_two_frames_that_are_not_trusted() -> None:
    """The example of the description: the oldest of the frames gives no pointer."""
    bank = MemoryBank(Sam2LongMemory()).write(MemoryEntry(0, EntryKind.PROMPT, SOMETHING, SOMETHING))
    for frame in range(1, 10):
        bank = bank.write(
            MemoryEntry(frame, EntryKind.RECENT, SOMETHING, SOMETHING, float(frame), trusted=frame not in (6, 7))
        )
    read = bank.read(10)
    assert [(entry.frame_index, index) for entry, index in read.spatial] == [
        (0, 6), (2, 5), (3, 4), (4, 3), (5, 2), (8, 1), (9, 0),
    ]  # fmt: skip
    assert [(entry.frame_index, round(15 * position)) for entry, position in read.pointers] == [
        (0, 10), (9, 1), (8, 2), (5, 3), (4, 4), (3, 5), (2, 6),
    ]  # fmt: skip
    spaced = [0.95, 0.95 + 0.1 / 6, 0.95 + 0.2 / 6, 1.0, 1 + 0.1 / 6, 1 + 0.2 / 6]
    assert read.key_weights == pytest.approx([1.05, *spaced, 1.05, *reversed(spaced)])


def test_one_certain_hypothesis_is_enough_also_if_it_is_certain_of_absence() -> None:
    rule = PathwayRule()
    alike = (0.9, 0.8, 0.7)
    doubtful = [Candidates(0.0, alike, score, no_extents) for score in (1.0, 1.5, -2.0)]
    assert [(one.hypothesis, one.candidate) for one in rule.choose(doubtful)] == [(0, 0), (2, 0), (0, 1)]
    certain = [*doubtful[:2], replace(doubtful[2], object_score_logit=-2.1)]
    assert [(one.hypothesis, one.candidate) for one in rule.choose(certain)] == [(0, 0), (1, 0), (2, 0)]


def test_keys_are_weighted_and_values_are_not(small: Sam2Network) -> None:
    """A weight of 1 changes nothing; another weight of one memory or pointer changes what is read."""
    generator = torch.Generator().manual_seed(0)
    stride16 = torch.randn(1, 32, 4, 4, generator=generator)
    read = MemoryRead(
        torch.randn(1, 2, 16, 4, 4, generator=generator).bfloat16(),
        torch.tensor([[6, 0]]),
        torch.randn(1, 3, 32, generator=generator),
        torch.tensor([[0.1, 0.2, 0.3]]),
    )
    plain = small.condition_on_memory(stride16, read)
    ones = torch.ones(1, 5)
    assert torch.equal(small.condition_on_memory(stride16, replace(read, key_weights=ones)), plain)
    tokens = small._memory_tokens(read, (4, 4))
    weights = torch.tensor([[0.95, 1.0, 1.0, 1.05, 1.0]])
    weighted = small._memory_tokens(replace(read, key_weights=weights), (4, 4))
    expected = torch.ones(2 * 16 + 3 * 2)
    expected[:16] = 0.95
    expected[34:36] = 1.05
    assert torch.equal(weighted.values, tokens.values)
    assert torch.allclose(weighted.keys, tokens.keys * expected[None, :, None])


def rows_read(small: Sam2Network, clip: Clip, *, bias: float) -> list[int]:
    """Number of hypotheses that are decoded on each tracked frame."""
    model = copy.deepcopy(small)
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(bias)
    rows: list[int] = []
    condition = model.condition_on_memory

    def counted(stride16: Tensor, read: MemoryRead) -> Tensor:
        rows[-1] += len(read.spatial)
        return condition(stride16, read)

    model.condition_on_memory = counted
    tracker = VideoTracker(model, 'sam2long')
    for frame in range(8):
        rows.append(0)
        tracker.step(clip.image(frame), [clip.prompt('a', 'mask')] if frame == 0 else ())
    tracker.step(clip.image(8), [clip.prompt('a', 'points', 8)])
    rows.append(0)
    tracker.step(clip.image(9))
    return rows


def test_equal_hypotheses_are_decoded_once(small: Sam2Network, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the policy costs what others cost, until the network is unsure."""
    assert rows_read(small, clip, bias=10.0) == [0, 1, 1, 1, 1, 1, 1, 2, 1]


def test_unsure_hypotheses_differ_until_a_prompt(small: Sam2Network, clip: Clip) -> None:
    rows = rows_read(small, clip, bias=0.0)
    assert rows[:3] == [0, 1, 1]
    assert max(rows[3:7]) == 3
    assert rows[-1] == 1
