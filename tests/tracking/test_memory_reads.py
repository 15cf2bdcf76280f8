"""What each policy reads, against reads recorded from the published code (`data/memory_vectors_*.json`).

`frame` reads; `cond` are its conditioning frames, `absent` frames in which the target was not seen, `spatial` and
`pointers` what is read in which order, `ptr_pos` the positions of the pointers, `num_frames` the length of the video.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry
from sam2_ros.tracking.policies import MemoryPolicy, make_policy

DATA = Path(__file__).parent / 'data'
SAM2_VECTORS = json.loads((DATA / 'memory_vectors_sam2.json').read_text())
DAM_VECTORS = json.loads((DATA / 'memory_vectors_dam.json').read_text())
# has a conditioning frame in the future, and `max_cond_frames_in_attn` 2, which no published configuration has
NOT_A_STREAM = 9
STRIDE_5 = 10
FUTURE_CONDITIONING = 7
REVERSE = 8


def write(bank: MemoryBank, frame: int, kind: EntryKind) -> MemoryBank:
    return bank.write(MemoryEntry(frame, kind, torch.zeros(1), torch.zeros(1)))


def fill(policy: MemoryPolicy, *, frames: int, conditioning: EntryKind, vector: dict[str, Any]) -> MemoryBank:
    """A bank after so many frames, in each of which `conditioning` entries and absences are as in the vector."""
    bank = MemoryBank(policy)
    for frame in range(frames):
        if frame in vector['cond']:
            bank = write(bank, frame, EntryKind.PROMPT if frame == 0 else conditioning)
        elif policy.writes(visible=frame not in vector['absent']):
            bank = write(bank, frame, EntryKind.RECENT)
    return bank


def check(bank: MemoryBank, vector: dict[str, Any], *, video_length: int | None) -> None:
    read = bank.read(vector['frame'], video_length=video_length)
    spatial = [(entry.frame_index, index) for entry, index in read.spatial]
    assert sorted(spatial) == sorted(map(tuple, vector['spatial']))
    assert [pair for pair in spatial if pair[1] < 6] == [tuple(pair) for pair in vector['spatial'] if pair[1] < 6]
    assert [entry.frame_index for entry, _ in read.pointers] == vector['pointers']
    assert [position for _, position in read.pointers] == pytest.approx(vector['ptr_pos'], abs=1e-4)
    assert all(entry.features is not None for entry, _ in read.spatial)


@pytest.mark.parametrize('number', range(len(DAM_VECTORS)))
def test_dam_reads_what_the_published_code_reads(number: int) -> None:
    vector = DAM_VECTORS[number]
    bank = fill(make_policy('dam'), frames=vector['frame'], conditioning=EntryKind.ANCHOR, vector=vector)
    check(bank, vector, video_length=None)
    read = bank.read(vector['frame'])
    assert [(entry.frame_index, index) for entry, index in read.spatial] == [tuple(pair) for pair in vector['spatial']]


@pytest.mark.parametrize('number', sorted(set(range(len(SAM2_VECTORS))) - {NOT_A_STREAM, STRIDE_5}))
def test_sam2_reads_what_the_published_code_reads(number: int) -> None:
    vector = SAM2_VECTORS[number]
    if number == FUTURE_CONDITIONING:  # a stream has no future: what is read of the past must not depend on it
        assert max(vector['cond']) > vector['frame']
        vector = in_the_past(vector)
    if number == REVERSE:  # tracking backwards is tracking the reversed stream
        assert vector['reverse']
        vector = reversed_in_time(vector)
    bank = fill(make_policy('sam2'), frames=vector['frame'], conditioning=EntryKind.CORRECTION, vector=vector)
    check(bank, vector, video_length=vector['num_frames'])
    read = bank.read(vector['frame'], video_length=vector['num_frames'])
    assert [(entry.frame_index, index) for entry, index in read.spatial] == [tuple(pair) for pair in vector['spatial']]


def test_the_stride_of_the_published_code_is_the_interval_policy() -> None:
    vector = SAM2_VECTORS[STRIDE_5]
    bank = fill(make_policy('interval'), frames=vector['frame'], conditioning=EntryKind.CORRECTION, vector=vector)
    check(bank, vector, video_length=vector['num_frames'])


def in_the_past(vector: dict[str, Any]) -> dict[str, Any]:
    frame = vector['frame']
    return {
        **vector,
        'cond': [index for index in vector['cond'] if index < frame],
        'spatial': [pair for pair in vector['spatial'] if pair[0] < frame],
    }


def reversed_in_time(vector: dict[str, Any]) -> dict[str, Any]:
    start = vector['cond'][0]
    return {
        **vector,
        'frame': start - vector['frame'],
        'cond': [start - index for index in vector['cond']],
        'spatial': [(start - index, code) for index, code in vector['spatial']],
        'pointers': [start - index for index in vector['pointers']],
    }


def test_an_entry_out_of_order_is_refused_and_changes_nothing() -> None:
    bank = write(write(MemoryBank(make_policy('sam2')), 0, EntryKind.PROMPT), 3, EntryKind.RECENT)
    with pytest.raises(ValueError, match='frame 3 cannot be written after frame 3'):
        write(bank, 3, EntryKind.RECENT)
    assert [entry.frame_index for entry in bank.recent] == [3]


def test_corrections_stay_and_the_newest_is_pinned() -> None:
    """At most 4 conditioning entries are read: first prompt, newest correction, then the newest others."""
    for name in ('sam2', 'dam'):
        bank = write(MemoryBank(make_policy(name)), 0, EntryKind.PROMPT)
        kinds = {3: EntryKind.CORRECTION, 5: EntryKind.CORRECTION, 20: EntryKind.ANCHOR, 30: EntryKind.ANCHOR}
        for frame in range(1, 45):
            bank = write(bank, frame, kinds.get(frame, EntryKind.RECENT))
        assert sorted(e.frame_index for e, index in bank.read(45).spatial if index == 6) == [0, 5, 20, 30]
        bank = write(bank, 45, EntryKind.CORRECTION)
        assert sorted(e.frame_index for e, index in bank.read(46).spatial if index == 6) == [0, 20, 30, 45]


def test_a_correction_is_read_as_conditioning_at_once_and_an_anchor_one_frame_later() -> None:
    start = write(MemoryBank(make_policy('dam')), 0, EntryKind.PROMPT)
    for kind, index in ((EntryKind.CORRECTION, 6), (EntryKind.ANCHOR, 0)):
        bank = write(write(start, 1, EntryKind.RECENT), 2, kind)
        assert (2, index) in [(entry.frame_index, code) for entry, code in bank.read(3).spatial]
        bank = write(bank, 3, EntryKind.RECENT)
        assert (2, 6) in [(entry.frame_index, code) for entry, code in bank.read(4).spatial]


def test_dropping_recent_memory_leaves_prompts_and_anchors() -> None:
    bank = write(MemoryBank(make_policy('dam')), 0, EntryKind.PROMPT)
    for frame in range(1, 12):
        bank = write(bank, frame, EntryKind.ANCHOR if frame == 7 else EntryKind.RECENT)
    bank = write(bank.drop_recent(), 12, EntryKind.CORRECTION)
    assert sorted((entry.frame_index, code) for entry, code in bank.read(13).spatial) == [(0, 6), (7, 6), (12, 6)]
    assert sorted(entry.frame_index for entry, _ in bank.read(13).pointers) == [0, 7, 12]


def test_an_unknown_policy_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(ValueError, match='sam2, pres, interval, drm1, drm2, dam'):
        make_policy('sam3')
