"""Passes of a session through the video, and what they say of each object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.model import Network
from sam2_ros.session import SessionOptions, VideoSession
from sam2_ros.tracking.result import FrameResult, ObjectResult

# Gets the results of passes through a video, and how many there will be; gives them on.
Watch = Callable[[Iterable[FrameResult], int], Iterable[FrameResult]]

# Pixels of the low-resolution mask, each some 30 of the image. The authors of SA-V fill holes and remove specks of less
# than 200 pixels in automatic masklets.
SMALL = 8
STABILITY_OFFSET = 1.0  # logits, as in `AutomaticMaskGenerator`
_DIGITS = 4  # of scores in files


def unwatched(passes: Iterable[FrameResult], count: int) -> Iterable[FrameResult]:
    return passes


@dataclass
class Seen:
    """What passes said of one object.

    Attributes:
        masks: by frame, where it was seen.
        stability: of these masks, 0 to 1.
        quality: predicted IoU times stability, where it was tracked and seen.
        passed: all frames passed.
    """

    masks: dict[int, RunLengths] = field(default_factory=dict)
    stability: dict[int, float] = field(default_factory=dict)
    quality: list[float] = field(default_factory=list)
    passed: set[int] = field(default_factory=set)

    @property
    def score(self) -> float:
        """Mean quality, 0 to 1; 0 if it was seen on no frame but the prompted one."""
        return round(float(np.mean(self.quality)), _DIGITS) if self.quality else 0.0

    def add(self, result: ObjectResult, *, prompted: bool) -> None:
        """Add one frame; a later result of the same frame counts."""
        frame = result.frame_index
        self.passed.add(frame)
        self.masks.pop(frame, None)
        self.stability.pop(frame, None)
        if not result.area:
            return
        stability = stability_of(result)
        self.masks[frame] = RunLengths.of(result.mask)
        self.stability[frame] = round(stability, _DIGITS)
        if not prompted:
            self.quality.append(result.predicted_iou * stability)


def stability_of(result: ObjectResult) -> float:
    """How little a mask depends on its threshold, 0 to 1: its area at a high threshold over that at a low one."""
    inner, outer = ((result.low_res_logits > sign * STABILITY_OFFSET).sum() for sign in (1, -1))
    return float(inner / outer) if outer else 0.0


@contextmanager
def labelling_session(
    model: Network, frames: Sequence[np.ndarray], *, memory_bytes: int, spill_folder: Path | None
) -> Iterator[VideoSession]:
    """A session with masks that have no specks, and without undo, which nobody asks for here."""
    options = SessionOptions(
        max_hole_area=SMALL,
        max_speck_area=SMALL,
        undo_steps=0,
        memory_bytes=memory_bytes,
        features_bytes=0,  # passes seldom come to a frame a second time
        spill_folder=spill_folder,
    )
    with VideoSession(model, frames, options=options) as session:
        yield session


def collect(passes: Iterable[FrameResult], prompted: Mapping[str, Iterable[int]]) -> dict[str, Seen]:
    """What the passes say of each object.

    Args:
        passes: results of frames.
        prompted: the prompted frames of every object.
    """
    frames = {name: set(given) for name, given in prompted.items()}
    seen = {name: Seen() for name in prompted}
    for result in passes:
        for name, one in result.items():
            seen[name].add(one, prompted=result.frame_index in frames[name])
    return seen
