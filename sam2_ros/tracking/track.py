"""The state of one tracked object between two frames."""

from __future__ import annotations

from dataclasses import dataclass, field

from sam2_ros.tracking.distractor import AreaHistory
from sam2_ros.tracking.memory_bank import MemoryBank
from sam2_ros.tracking.options import TrackerOptions
from sam2_ros.tracking.states import ObjectState


@dataclass(frozen=True)
class Visibility:
    """For how long an object has been hidden.

    Attributes:
        hidden_frames: number of frames since it was last seen; 0 = seen in the newest frame.
        hidden_since: time of the first of these frames in seconds, if known.
    """

    hidden_frames: int = 0
    hidden_since: float | None = None

    def update(self, *, visible: bool, time: float | None) -> Visibility:
        """The visibility after one more frame. `time`: of that frame in seconds, if known."""
        if visible:
            return Visibility()
        since = time if self.hidden_since is None else self.hidden_since
        if since is not None and time is not None:
            since = min(since, time)  # if the clock was set back, the time hidden starts anew
        return Visibility(self.hidden_frames + 1, since)

    def state(self, options: TrackerOptions, time: float | None) -> ObjectState:
        """VISIBLE, OCCLUDED or LOST at `time` in seconds, if known."""
        if self.hidden_frames == 0:
            return ObjectState.VISIBLE
        if options.lost_after_seconds is not None and time is not None and self.hidden_since is not None:
            lost = time - self.hidden_since > options.lost_after_seconds
        else:
            lost = self.hidden_frames > options.lost_after_frames
        return ObjectState.LOST if lost else ObjectState.OCCLUDED


@dataclass(frozen=True)
class Track:
    """One object before its next image. Immutable, so that a past frame can be tracked again from its old state.

    Attributes:
        bank: the object's memory.
        rivals: the memories of the other hypotheses about the object, best first; `bank` is that of the best. Equal
            hypotheses are the same bank.
        next_index: index of the next image in the object's own count; 0 = the object starts there.
        areas: recent mask areas, for the anchor test.
        last_anchor: own index of its newest anchor.
        visibility: for how long it has been hidden.
    """

    bank: MemoryBank
    rivals: tuple[MemoryBank, ...] = ()
    next_index: int = 0
    areas: AreaHistory = field(default_factory=AreaHistory)
    last_anchor: int | None = None
    visibility: Visibility = field(default_factory=Visibility)

    @property
    def starts(self) -> bool:
        """Whether the object starts in its next image."""
        return self.next_index == 0

    @property
    def hypotheses(self) -> tuple[MemoryBank, ...]:
        """The memories of all hypotheses, best first."""
        return (self.bank, *self.rivals)
