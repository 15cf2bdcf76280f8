"""The streaming tracker: one per camera, one image per step, any number of objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam2_ros.model import Sam2Network
from sam2_ros.tracking.options import TrackerOptions
from sam2_ros.tracking.policies import MemoryPolicy
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.result import FrameResult, ObjectResult


class CatchUp:
    """A prompt for a past image on its way to the newest one; made by `VideoTracker.begin_prompt`.

    `object_id`; `done` (bool, also True when the object was removed or the tracker reset);
    `remaining`: images still to process; `advance() -> ObjectResult`: process one image; the first call gives the result at the prompted image.
    """


class VideoTracker:
    def __init__(self, model: Sam2Network, memory: str | MemoryPolicy = 'dam', *, options: TrackerOptions | None = None) -> None: ...

    @property
    def object_ids(self) -> tuple[str, ...]: ...  # in the order they were added; those that only catch up included

    @property
    def frame_index(self) -> int: ...  # of the newest frame; -1 before the first

    @property
    def oldest_frame_index(self) -> int: ...  # oldest frame `prompt` reaches

    def step(self, rgb: np.ndarray, prompts: Sequence[Prompt] = (), *, time: float | None = None) -> FrameResult: ...

    def begin_prompt(self, frame_index: int, prompt: Prompt, *, image: np.ndarray | None = None, time: float | None = None) -> CatchUp: ...

    def prompt(self, frame_index: int, prompt: Prompt, *, image: np.ndarray | None = None, time: float | None = None) -> list[ObjectResult]: ...

    def remove(self, object_id: str) -> None: ...

    def reset(self) -> None: ...
