"""Time per frame of several trackers, which take turns in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from sam2_ros.evaluation.datasets.clips import TargetClip
from sam2_ros.evaluation.measures.metrics import standard_error
from sam2_ros.evaluation.protocols.first_frame import box_prompt
from sam2_ros.tracking import VideoTracker

WARM_UP_FRAMES = 16  # then the memories are full, and a frame costs what it costs in a long run


@dataclass(frozen=True)
class FrameTime:
    """Time per frame of one tracker.

    Attributes:
        name: of the tracker.
        median: milliseconds, over all frames but the first WARM_UP_FRAMES of each clip.
        ratio: mean time divided by that of the first tracker on the same clip.
        ratio_error: standard error of `ratio` over clips.
    """

    name: str
    median: float
    ratio: float
    ratio_error: float


def time_trackers(
    trackers: Mapping[str, Callable[[], VideoTracker]], *, clips: Sequence[TargetClip]
) -> list[FrameTime]:
    """Track the target of every clip from a box. Each frame goes through all trackers before the next frame.

    So other work of the machine slows all trackers alike.

    Args:
        trackers: makers of new trackers by name. The others are compared with the first one.
        clips: of more than WARM_UP_FRAMES frames.

    Raises:
        ValueError: for a shorter clip.
    """
    shortest = min(len(clip.images) for clip in clips)
    if shortest <= WARM_UP_FRAMES:
        raise ValueError(f'to measure time, clips need more than {WARM_UP_FRAMES} frames, not {shortest}')
    by_clip = [_time_clip([make() for make in trackers.values()], clip) for clip in clips]
    mean = np.stack([seconds.mean(axis=1) for seconds in by_clip])  # (clips, trackers)
    ratio = mean / mean[:, :1]
    median = 1000 * np.median(np.concatenate(by_clip, axis=1), axis=1)
    return [
        FrameTime(name, float(median[index]), float(ratio[:, index].mean()), standard_error(ratio[:, index]))
        for index, name in enumerate(trackers)
    ]


def _time_clip(trackers: Sequence[VideoTracker], clip: TargetClip) -> np.ndarray:
    """Seconds per frame after the warm-up, (trackers, T - WARM_UP_FRAMES)."""
    seconds = np.empty((len(trackers), len(clip.images)))
    prompts = [box_prompt('target', clip.truth[0])]
    for frame, rgb in enumerate(clip.images):
        for turn in range(len(trackers)):
            index = (frame + turn) % len(trackers)  # no tracker is always first, when the caches are cold
            start = perf_counter()
            trackers[index].step(rgb, prompts if frame == 0 else ())
            seconds[index, frame] = perf_counter() - start
    return seconds[:, WARM_UP_FRAMES:]
