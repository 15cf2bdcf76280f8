"""What a session knows of one object: its mask and memory on every frame, and its prompts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sam2_ros.session.spill import Kept
from sam2_ros.tracking.memory_bank import EntryKind, MemoryEntry, MemorySelection
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.selection import MAX_POINTERS, sam2_selection


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One object on one frame.

    Attributes:
        kept: its low-resolution logits (S/4, S/4), spatial memory and pointer (C,).
        size: (height, width) of the frame in pixels.
        kind: PROMPT, CORRECTION or RECENT, which is a tracked frame.
        conditioning: it is read as a prompted frame.
        remembered: its memory may be read.
        reverse: the direction in which propagation last passed it; None: it has not passed yet.
        object_score_logit, predicted_iou: as in `ObjectResult`.
        hidden_frames: frames since the object was last seen, in the direction of propagation; 0 = seen on this one.
    """

    kept: Kept
    size: tuple[int, int]
    kind: EntryKind
    conditioning: bool
    remembered: bool
    reverse: bool | None
    object_score_logit: float
    predicted_iou: float
    hidden_frames: int

    def passed(self, *, reverse: bool) -> FrameRecord:
        """The record after propagation has passed it in this direction."""
        return self if self.reverse == reverse else replace(self, reverse=reverse)

    def entry(self, index: int) -> MemoryEntry:
        """Its memory under this index, which grows in the direction of propagation."""
        _, features, pointer = self.kept.load()
        return MemoryEntry(index, self.kind, features, pointer)


@dataclass(frozen=True)
class Masklet:
    """One object in a video.

    Attributes:
        records: by frame.
        conditioning: the frames of those that are read as prompted frames, in order.
        pending: the records of frames that were prompted since the last propagation. As in the official predictor,
            nothing reads their memory before the next one begins, so the order of such prompts does not matter.
        prompts: all prompts given on a frame, by frame.
    """

    records: dict[int, FrameRecord] = field(default_factory=dict)
    conditioning: tuple[int, ...] = ()
    pending: Mapping[int, FrameRecord] = field(default_factory=dict)
    prompts: Mapping[int, tuple[Prompt, ...]] = field(default_factory=dict)

    def at(self, frame_index: int) -> FrameRecord | None:
        """The newest record of a frame."""
        return self.pending.get(frame_index) or self.records.get(frame_index)

    @property
    def can_be_tracked(self) -> bool:
        """Whether some frame is, or will be, read as a prompted frame."""
        return bool(self.conditioning) or any(record.conditioning for record in self.pending.values())

    @property
    def first(self) -> int:
        """The first frame that is read as a prompted frame, once `committed`."""
        return self.conditioning[0]

    def prompted(self, frame_index: int, prompt: Prompt, record: FrameRecord) -> Masklet:
        """With one more prompt and what it gave."""
        given = (*self.prompts.get(frame_index, ()), prompt)
        return replace(
            self,
            pending={**self.pending, frame_index: record},
            prompts={**self.prompts, frame_index: given},
        )

    def committed(self, *, clear: bool) -> Masklet:
        """With the pending records among the others. Shares no dictionary with this masklet.

        Args:
            clear: forget what was remembered around corrected frames.
        """
        records = dict(self.records)
        for frame, record in self.pending.items():
            known = records.get(frame)
            if record.conditioning or known is None or not known.conditioning:  # as in the official code
                records[frame] = record
        if clear:
            for frame, record in self.pending.items():
                if record.kind is EntryKind.CORRECTION:
                    _forget_around(records, frame)
        return replace(self, records=records, conditioning=_conditioning(records), pending={})

    def unprompted(self, frame_index: int, *, clear: bool) -> Masklet:
        """Without the prompts of a frame. Its mask stays until it is tracked; it counts as not tracked yet."""
        records = dict(self.records)
        known = records.get(frame_index)
        if known is not None and known.conditioning:
            records[frame_index] = replace(known, kind=EntryKind.RECENT, conditioning=False, reverse=None)
            if clear:
                records[frame_index] = replace(records[frame_index], remembered=False)
                _forget_around(records, frame_index)
        return replace(
            self,
            records=records,
            conditioning=_conditioning(records),
            pending={frame: record for frame, record in self.pending.items() if frame != frame_index},
            prompts={frame: given for frame, given in self.prompts.items() if frame != frame_index},
        )

    def read(
        self, frame_index: int, *, reverse: bool, max_conditioning: int | None, video_length: int
    ) -> MemorySelection:
        """What a frame reads of the object's memory, in the direction in which it is tracked.

        Args:
            frame_index: the frame.
            reverse: it is tracked backwards.
            max_conditioning: most prompted frames to read; None = all.
            video_length: in frames.
        """
        sign = -1 if reverse else 1
        chosen = closest(self.conditioning, frame_index, max_conditioning)
        tracked = []
        for distance in range(MAX_POINTERS - 1, 0, -1):
            frame = frame_index - sign * distance
            record = self.records.get(frame)
            if record is not None and record.remembered and frame not in chosen:
                tracked.append(record.entry(sign * frame))
        conditioning = [self.records[frame].entry(sign * frame) for frame in chosen]
        return sam2_selection(conditioning, tracked, sign * frame_index, video_length=video_length)


def closest(frames: Sequence[int], frame_index: int, limit: int | None) -> tuple[int, ...]:
    """Of these frames, in order, the nearest before `frame_index`, the nearest at or after it, then the nearest others.

    Args:
        frames: in order.
        frame_index: may be one of them.
        limit: how many; None = all.
    """
    if limit is None or len(frames) <= limit:
        return tuple(frames)
    middle = bisect_left(frames, frame_index)
    pinned = (*frames[:middle][-1:], *frames[middle:][:1])
    others = sorted((frame for frame in frames if frame not in pinned), key=lambda frame: abs(frame - frame_index))
    return tuple(sorted((*pinned, *others[: limit - len(pinned)])))


def _conditioning(records: Mapping[int, FrameRecord]) -> tuple[int, ...]:
    return tuple(sorted(frame for frame, record in records.items() if record.conditioning))


def _forget_around(records: dict[int, FrameRecord], frame_index: int) -> None:
    """Forget the tracked frames whose pointers or memories a neighbour of this frame could read."""
    for frame in range(frame_index - MAX_POINTERS + 1, frame_index + MAX_POINTERS):
        record = records.get(frame)
        if record is not None and not record.conditioning:
            records[frame] = replace(record, remembered=False)
