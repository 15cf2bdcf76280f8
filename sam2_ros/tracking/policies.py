"""Memory policies: what is written, what is read, in which order and with which temporal index.

The names are the rows of the ablation table of DAM4SAM:

| name       | recent memory                                 | anchors                       |
|------------|-----------------------------------------------|-------------------------------|
| `sam2`     | the last 6 frames                             | none                          |
| `pres`     | the last 6 frames that show the target        | none                          |
| `interval` | the newest of those, and those at multiples of 5 | none                       |
| `drm1`     | as `interval`                                 | where tracking is reliable    |
| `drm2`     | as `interval`                                 | where a distractor is seen    |
| `dam`      | as `interval`                                 | where both hold               |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sam2_ros.model.config import CONDITIONING_INDEX, NUM_SPATIAL_SLOTS
from sam2_ros.tracking.distractor import AnchorRule, DamSettings
from sam2_ros.tracking.memory_bank import EntryKind, MemoryBank, MemoryEntry, MemoryPolicy, MemorySelection

# constants of the `sam2` policy; those of the others are in `DamSettings`
NUM_RECENT = NUM_SPATIAL_SLOTS - 1  # recent frames read
MAX_CONDITIONING = 4  # conditioning entries read at most
MAX_POINTERS = 16  # pointer horizon: the current frame and 15 before it


@dataclass(frozen=True)
class Sam2Memory:
    """The official memory: conditioning frames and the last frames, whether they show the target or not.

    The pointer horizon is 16 frames unless a shorter video length is known. The official predictor uses 16 for any
    video of at least 16 frames.
    """

    anchor_rule: None = None
    box_starts_as_mask: bool = False

    def writes(self, *, visible: bool) -> bool:
        return True

    def select(self, bank: MemoryBank, frame_index: int, *, video_length: int | None) -> MemorySelection:
        conditioning = _bounded(bank.conditioning, MAX_CONDITIONING)
        return sam2_selection(conditioning, bank.recent, frame_index, video_length=video_length)

    def retain(self, bank: MemoryBank) -> tuple[Sequence[MemoryEntry], Sequence[MemoryEntry]]:
        next_frame = _newest(bank) + 1
        window = _pointer_window(bank.recent, next_frame, MAX_POINTERS)
        return _bounded(bank.conditioning, MAX_CONDITIONING), [
            entry if entry.frame_index >= next_frame - NUM_RECENT else entry.without_features() for entry in window
        ]


@dataclass(frozen=True)
class DistractorAwareMemory:
    """DAM4SAM: conditioning frames and anchors (DRM) fill up to 4 slots, recent appearance memory (RAM) the rest of 7.

    Those are the published capacities; `settings` may change them. RAM is the newest frame that shows the target, then
    older such frames at multiples of `interval`. The temporal index of RAM is a rank (newest 0), not a distance.
    Pointers come from every frame in the horizon that shows the target. Without a known video length, the horizon is
    the number of the object's own frames so far, up to 16. The published tracker does the same, because it takes the
    frames seen so far for the whole video.
    """

    settings: DamSettings
    interval: int
    anchor_rule: AnchorRule | None = None
    box_starts_as_mask: bool = True

    def writes(self, *, visible: bool) -> bool:
        return visible  # the published code also stores the others, but never reads them

    def select(self, bank: MemoryBank, frame_index: int, *, video_length: int | None) -> MemorySelection:
        conditioning = self._conditioning(bank, frame_index)
        # one frame later an anchor is read as the newest recent frame, from then on as a conditioning entry
        fresh = [entry for entry in bank.conditioning if _is_fresh_anchor(entry, frame_index)]
        past = [entry for entry in (*bank.recent, *fresh) if entry.frame_index < frame_index]
        slots = self.settings.spatial_slots - len(conditioning)
        ram = past[-1:] + [entry for entry in past[-2::-1] if self._is_regular(entry)][: slots - 1]
        spatial = [(entry, CONDITIONING_INDEX) for entry in conditioning]
        spatial += [(entry, rank) for rank, entry in reversed(list(enumerate(ram)))]
        horizon = min(video_length or frame_index + 1, self.settings.max_pointers)
        return MemorySelection(tuple(spatial), _pointers(conditioning, past, frame_index, horizon=horizon))

    def retain(self, bank: MemoryBank) -> tuple[Sequence[MemoryEntry], Sequence[MemoryEntry]]:
        next_frame = _newest(bank) + 1
        read = self._conditioning(bank, next_frame)
        conditioning = [one for one in bank.conditioning if one in read or _is_fresh_anchor(one, next_frame)]
        regular = [entry for entry in bank.recent if self._is_regular(entry)][-self.settings.spatial_slots + 1 :]
        spatial = {entry.frame_index for entry in (*regular, *bank.recent[-1:])}
        window = {entry.frame_index for entry in _pointer_window(bank.recent, next_frame, self.settings.max_pointers)}
        return conditioning, [
            entry if entry.frame_index in spatial else entry.without_features()
            for entry in bank.recent
            if entry.frame_index in spatial | window
        ]

    def _conditioning(self, bank: MemoryBank, frame_index: int) -> list[MemoryEntry]:
        """The newest, the first, then the others from new to old (the order of the published code)."""
        known = [one for one in bank.conditioning if not _is_fresh_anchor(one, frame_index)]
        *older, newest = _bounded(known, self.settings.max_conditioning)
        return [newest, *older[:1], *older[:0:-1]]

    def _is_regular(self, entry: MemoryEntry) -> bool:
        return entry.kind is EntryKind.RECENT and entry.frame_index % self.interval == 0


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
        _pointers(past, tracked, frame_index, horizon=horizon),
    )


def make_policy(name: str, settings: DamSettings | None = None) -> MemoryPolicy:
    """The memory policy of a row of the table above.

    Args:
        name: of the row.
        settings: constants of all rows but `sam2`; the published ones when left out.

    Raises:
        ValueError: if there is no such row.
        TypeError: for settings of another type.
    """
    if not isinstance(settings, DamSettings | None):
        raise TypeError(f'settings must be a DamSettings, not {type(settings).__name__}')
    settings = settings or DamSettings()
    reliable = AnchorRule(settings, needs_distractor=False)
    distracted = AnchorRule(settings, needs_reliability=False)
    policies: dict[str, MemoryPolicy] = {
        'sam2': Sam2Memory(),
        'pres': DistractorAwareMemory(settings, interval=1),
        'interval': DistractorAwareMemory(settings, settings.ram_interval),
        'drm1': DistractorAwareMemory(settings, settings.ram_interval, reliable),
        'drm2': DistractorAwareMemory(settings, settings.ram_interval, distracted),
        'dam': DistractorAwareMemory(settings, settings.ram_interval, AnchorRule(settings)),
    }
    if name not in policies:
        raise ValueError(f'memory must be one of {", ".join(policies)}, not {name!r}')
    return policies[name]


POLICY_NAMES = ('sam2', 'pres', 'interval', 'drm1', 'drm2', 'dam')


def _bounded(conditioning: Sequence[MemoryEntry], capacity: int) -> list[MemoryEntry]:
    """At most `capacity` entries, oldest first: the first prompt, the newest correction, then the newest others."""
    corrections = [entry for entry in conditioning if entry.kind is EntryKind.CORRECTION]
    pinned = [*conditioning[:1], *corrections[-1:]]
    others = [entry for entry in conditioning if entry not in pinned]
    kept = [*pinned, *others[max(0, len(others) + len(pinned) - capacity) :]]
    return [entry for entry in conditioning if entry in kept]


def _is_fresh_anchor(entry: MemoryEntry, frame_index: int) -> bool:
    return entry.kind is EntryKind.ANCHOR and entry.frame_index == frame_index - 1


def _newest(bank: MemoryBank) -> int:
    return max(entry.frame_index for entry in (*bank.conditioning[-1:], *bank.recent[-1:]))


def _pointer_window(entries: Sequence[MemoryEntry], frame_index: int, horizon: int) -> list[MemoryEntry]:
    return [entry for entry in entries if frame_index - horizon < entry.frame_index < frame_index]


def _pointers(
    conditioning: Sequence[MemoryEntry], tracked: Sequence[MemoryEntry], frame_index: int, *, horizon: int
) -> tuple[tuple[MemoryEntry, float], ...]:
    """Conditioning pointers, however old, then those of the tracked frames in the horizon, newest first."""
    window = [entry for entry in tracked if frame_index - horizon < entry.frame_index < frame_index]
    entries = [*conditioning, *reversed(window)]
    return tuple((entry, (frame_index - entry.frame_index) / (horizon - 1)) for entry in entries)
