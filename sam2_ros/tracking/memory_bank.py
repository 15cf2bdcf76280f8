"""The memory of one object: immutable entries in a bank of fixed capacity.

A bank never changes: `write` returns a new bank, which shares the entries. To track a past frame again, the tracker
starts from the bank of that time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol, runtime_checkable

from torch import Tensor

from sam2_ros.tracking.candidates import CandidateRule
from sam2_ros.tracking.distractor import AnchorRule


class EntryKind(Enum):
    """Why a frame is remembered."""

    PROMPT = 'first prompt'
    CORRECTION = 'correction'
    ANCHOR = 'anchor'  # distractor resolving memory, DRM
    RECENT = 'recent'  # recent appearance memory, RAM


@dataclass(frozen=True, eq=False)
class MemoryEntry:
    """What is remembered of one frame.

    Attributes:
        frame_index: count of the object's own frames; its first prompted frame is 0.
        kind: why the frame is remembered.
        features: spatial memory of the network, bfloat16; None once only the pointer can still be read.
        pointer: (C,) object pointer.
        object_score_logit: the decoder's object score of a tracked frame, if the policy has a candidate rule.
        trusted: as its `Choice` says; the entry of a frame that was not chosen by a rule is trusted.
    """

    frame_index: int
    kind: EntryKind
    features: Tensor | None
    pointer: Tensor
    object_score_logit: float = 0.0
    trusted: bool = True

    @property
    def nbytes(self) -> int:
        """Memory that its tensors take."""
        return self.pointer.nbytes + (0 if self.features is None else self.features.nbytes)

    def without_features(self) -> MemoryEntry:
        """The entry with its pointer alone."""
        return self if self.features is None else replace(self, features=None)


@dataclass(frozen=True)
class MemorySelection:
    """What memory attention reads for one object, in this order.

    Attributes:
        spatial: entries with their temporal index: 6 = conditioning entry, 0 = newest recent frame, up to 5 = oldest.
        pointers: entries with their age in frames, divided by the largest age in the pointer horizon.
        key_weights: factors of the keys of `spatial`, then of `pointers`; empty: all 1.
    """

    spatial: tuple[tuple[MemoryEntry, int], ...]
    pointers: tuple[tuple[MemoryEntry, float], ...]
    key_weights: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of spatial memories and of pointers. Objects of equal shape are read as one batch."""
        return len(self.spatial), len(self.pointers)


@runtime_checkable
class MemoryPolicy(Protocol):
    """What is written, what is read, in which order and with which temporal index; see `policies`.

    Attributes:
        anchor_rule: when a tracked frame becomes an anchor; None = never.
        candidate_rule: which of the decoder's masks are followed; None = that of the highest predicted IoU.
        box_starts_as_mask: a box that starts an object is turned into a mask, and the mask is the prompt, as in the
            published DAM4SAM. Otherwise the box itself is the prompt, as in the official predictor.
    """

    @property
    def anchor_rule(self) -> AnchorRule | None: ...

    @property
    def candidate_rule(self) -> CandidateRule | None: ...

    @property
    def box_starts_as_mask(self) -> bool: ...

    def writes(self, *, visible: bool) -> bool:
        """Whether a tracked frame enters the recent memory. `visible`: whether it shows the target."""
        ...

    def select(self, bank: MemoryBank, frame_index: int, *, video_length: int | None) -> MemorySelection:
        """What frame `frame_index` of the object reads."""
        ...

    def retain(self, bank: MemoryBank) -> tuple[Sequence[MemoryEntry], Sequence[MemoryEntry]]:
        """The conditioning and the recent entries that a later frame can still read."""
        ...


@dataclass(frozen=True)
class MemoryBank:
    """Everything memory attention may read for one object.

    Attributes:
        policy: decides what is read and what may be forgotten.
        conditioning: prompted frames and anchors, oldest first.
        recent: tracked frames, oldest first.
        state: what the policy's candidate rule knows of the object beside the entries; immutable, None at first.
    """

    policy: MemoryPolicy
    conditioning: tuple[MemoryEntry, ...] = ()
    recent: tuple[MemoryEntry, ...] = ()
    state: object = None

    def write(self, entry: MemoryEntry) -> MemoryBank:
        """The bank with one more entry, and without the entries that no later frame can read.

        Raises:
            ValueError: if the entry is not newer than all others.
        """
        newest = max((old.frame_index for old in (*self.conditioning[-1:], *self.recent[-1:])), default=-1)
        if entry.frame_index <= newest:
            raise ValueError(
                f'frame {entry.frame_index} cannot be written after frame {newest}: memory grows in order of time'
            )
        if entry.kind is EntryKind.RECENT:
            grown = replace(self, recent=(*self.recent, entry))
        else:
            grown = replace(self, conditioning=(*self.conditioning, entry))
        conditioning, recent = self.policy.retain(grown)
        return replace(grown, conditioning=tuple(conditioning), recent=tuple(recent))

    def drop_recent(self) -> MemoryBank:
        """The bank without recent memories and pointers. When an object is corrected, those are what was wrong."""
        return replace(self, recent=())

    def read(self, frame_index: int, *, video_length: int | None = None) -> MemorySelection:
        """What frame `frame_index` reads; `video_length` in frames, None for a stream without an end."""
        return self.policy.select(self, frame_index, video_length=video_length)

    @property
    def anchors(self) -> int:
        """Number of anchor frames held."""
        return sum(entry.kind is EntryKind.ANCHOR for entry in self.conditioning)
