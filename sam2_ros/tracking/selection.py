"""What memory policies have in common: which entries a frame may still read, and how the official predictor reads."""

from __future__ import annotations

from collections.abc import Sequence

from sam2_ros.model.config import CONDITIONING_INDEX, NUM_SPATIAL_SLOTS
from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry, MemorySelection

# constants of the official predictor
NUM_RECENT = NUM_SPATIAL_SLOTS - 1  # recent frames read
MAX_CONDITIONING = 4  # conditioning entries read at most
MAX_POINTERS = 16  # pointer horizon: the current frame and 15 before it


def sam2_selection(
    conditioning: Sequence[MemoryEntry], tracked: Sequence[MemoryEntry], frame_index: int, *, video_length: int | None
) -> MemorySelection:
    """What the official predictor reads for frame `frame_index`, once its conditioning entries are chosen.

    Args:
        conditioning: the chosen ones, in the order in which they are read. Some may be of later frames: of these, only
            the spatial memories are read.
        tracked: the other entries, oldest first. Those beyond the last frames are not read.
        frame_index: grows in the direction in which the object is tracked, as do the indices of the entries.
        video_length: in frames; None for a stream without an end.
    """
    first = frame_index - NUM_RECENT
    window = [entry for entry in tracked if first <= entry.frame_index < frame_index]
    recent = [(entry, frame_index - entry.frame_index - 1) for entry in window]
    past = [entry for entry in conditioning if entry.frame_index <= frame_index]
    horizon = min(video_length or MAX_POINTERS, MAX_POINTERS)
    return MemorySelection(
        tuple([(entry, CONDITIONING_INDEX) for entry in conditioning] + recent),
        pointers_in_horizon(past, tracked, frame_index, horizon=horizon),
    )


def bounded(conditioning: Sequence[MemoryEntry], capacity: int) -> list[MemoryEntry]:
    """At most `capacity` entries, oldest first: the first prompt, the newest correction, then the newest others."""
    corrections = [entry for entry in conditioning if entry.kind is EntryKind.CORRECTION]
    pinned = [*conditioning[:1], *corrections[-1:]]
    others = [entry for entry in conditioning if entry not in pinned]
    kept = [*pinned, *others[max(0, len(others) + len(pinned) - capacity) :]]
    return [entry for entry in conditioning if entry in kept]


def newest_frame(bank: MemoryBank) -> int:
    """The newest frame of a bank that is not empty."""
    return max(entry.frame_index for entry in (*bank.conditioning[-1:], *bank.recent[-1:]))


def pointer_window(entries: Sequence[MemoryEntry], frame_index: int, horizon: int) -> list[MemoryEntry]:
    """The entries among the last `horizon - 1` frames before `frame_index`."""
    return [entry for entry in entries if frame_index - horizon < entry.frame_index < frame_index]


def pointers_in_horizon(
    conditioning: Sequence[MemoryEntry], tracked: Sequence[MemoryEntry], frame_index: int, *, horizon: int
) -> tuple[tuple[MemoryEntry, float], ...]:
    """Conditioning pointers, however old, then those of the tracked frames in the horizon, newest first."""
    entries = [*conditioning, *reversed(pointer_window(tracked, frame_index, horizon))]
    return tuple((entry, (frame_index - entry.frame_index) / (horizon - 1)) for entry in entries)


def trusted_frames(tracked: Sequence[MemoryEntry], frame_index: int, *, first: int) -> list[MemoryEntry]:
    """The entries that are trusted, from frame `first` on, and that of the last frame in any case; oldest first.

    So SAMURAI and SAM2Long choose, each with a trust of its own.
    """
    last = frame_index - 1
    return [one for one in tracked if one.frame_index == last or (one.trusted and first <= one.frame_index < last)]


def ranked_reads(
    conditioning: Sequence[MemoryEntry], recent: Sequence[MemoryEntry]
) -> tuple[tuple[MemoryEntry, int], ...]:
    """Conditioning entries, then the newest of the others, oldest first; their temporal index is a rank, newest 0."""
    newest = recent[-NUM_RECENT:]
    ranks = reversed(range(len(newest)))
    return (*((one, CONDITIONING_INDEX) for one in conditioning), *zip(newest, ranks, strict=True))


def retain_trusted(
    bank: MemoryBank, *, first: int, pointers: Sequence[MemoryEntry]
) -> tuple[list[MemoryEntry], list[MemoryEntry]]:
    """The conditioning and the recent entries for `MemoryPolicy.retain` of a policy that reads `trusted_frames`.

    Args:
        bank: after a frame was written.
        first: see `trusted_frames`.
        pointers: recent entries whose pointers a later frame can still read.
    """
    trusted = [one for one in bank.recent if one.trusted and one.frame_index >= first]
    spatial = {one.frame_index for one in (*trusted[-NUM_RECENT:], *bank.recent[-1:])}
    kept = spatial | {one.frame_index for one in pointers}
    return bounded(bank.conditioning, MAX_CONDITIONING), [
        one if one.frame_index in spatial else one.without_features() for one in bank.recent if one.frame_index in kept
    ]
