"""Time per frame of several trackers, which take turns in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.measures.metrics import standard_error
from sam2_ros.evaluation.protocols.first_prompts import first_prompt
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


def check_long_enough(sequence: VideoSequence) -> None:
    """Raises ValueError if a video is too short to measure time on it."""
    length = len(sequence.frames) - sequence.objects[0].start
    if length <= WARM_UP_FRAMES:
        raise ValueError(
            f'to measure time, an object needs more than {WARM_UP_FRAMES} frames, and that of {sequence.name} has '
            f'{length}'
        )


def time_trackers(
    trackers: Mapping[str, Callable[[], VideoTracker]], sequences: Iterable[VideoSequence]
) -> list[FrameTime]:
    """Track the first object of every video from its box. Each frame goes through all trackers before the next frame.

    So other work of the machine slows all trackers alike.

    Args:
        trackers: makers of new trackers by name. The others are compared with the first one.
        sequences: some videos.

    Raises:
        ValueError: if a video is too short.
    """
    by_clip = [_time_clip([make() for make in trackers.values()], sequence) for sequence in sequences]
    mean = np.stack([seconds.mean(axis=1) for seconds in by_clip])  # (clips, trackers)
    ratio = mean / mean[:, :1]
    median = 1000 * np.median(np.concatenate(by_clip, axis=1), axis=1)
    return [
        FrameTime(name, float(median[index]), float(ratio[:, index].mean()), standard_error(ratio[:, index]))
        for index, name in enumerate(trackers)
    ]


def _time_clip(trackers: Sequence[VideoTracker], sequence: VideoSequence) -> np.ndarray:
    """Seconds per frame after the warm-up, (trackers, frames)."""
    check_long_enough(sequence)
    target = sequence.objects[0]
    prompts = [first_prompt('box', 'target', sequence=sequence, target=target)]
    seconds = np.empty((len(trackers), len(sequence.frames) - target.start))
    for frame in range(seconds.shape[1]):
        rgb = sequence.image(target.start + frame)
        for turn in range(len(trackers)):
            index = (frame + turn) % len(trackers)  # no tracker is always first, when the caches are cold
            start = perf_counter()
            trackers[index].step(rgb, prompts if frame == 0 else ())
            seconds[index, frame] = perf_counter() - start
    return seconds[:, WARM_UP_FRAMES:]
