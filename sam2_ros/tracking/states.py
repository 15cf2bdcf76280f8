"""Words for how a track stands and what a frame left in its memory."""

from __future__ import annotations

from enum import Enum


class ObjectState(str, Enum):
    """How the track of an object stands in one frame."""

    VISIBLE = 'visible'
    OCCLUDED = 'occluded'  # hidden, for not longer than the tracker's `lost_after_*`
    LOST = 'lost'  # hidden for longer; still looked for in every frame
    CATCHING_UP = 'catching_up'  # a prompt for a past image is being worked off; the result is that of the old track


class MemoryEvent(str, Enum):
    """What the frame left in the object's memory."""

    NONE = 'none'
    RECENT = 'recent'  # recent appearance memory
    ANCHOR = 'anchor'  # distractor resolving memory
    PROMPT = 'prompt'  # conditioning memory of a prompted frame
