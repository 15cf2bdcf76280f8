"""The protocol of correction clicks: track a target from a box, correct it on one frame, and track on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam2_ros.evaluation.datasets.clips import TargetClip
from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.protocols.first_frame import box_prompt
from sam2_ros.evaluation.protocols.shared_encoder import SharedEncoder
from sam2_ros.evaluation.protocols.simulated_prompts import next_click
from sam2_ros.model import Network
from sam2_ros.tracking import Prompt, VideoTracker


@dataclass(frozen=True)
class Correction:
    """J (region similarity) of one clip with and without correction.

    Attributes:
        frame: the corrected frame.
        by_click: J of that frame after 0, 1, 2, ... clicks.
        by_box: J of that frame with the true box instead of clicks.
        left_alone: mean J of the frames after it, without correction.
        corrected: mean J of the frames after it, with all clicks.
    """

    frame: int
    by_click: tuple[float, ...]
    by_box: float
    left_alone: float
    corrected: float


def correct(model: Network, policy: str, clip: TargetClip, *, frame: int, clicks: int) -> Correction:
    """Track a clip with and without corrections.

    The corrected frame is the first one from `frame` on that shows the target. Each click is put in the middle of the
    largest remaining error and given together with the earlier clicks.

    Args:
        model: the network.
        policy: name of the memory policy.
        clip: the video and its target.
        frame: index of the first frame that may be corrected.
        clicks: number of clicks.

    Raises:
        ValueError: if no frame from `frame` on shows the target, or only the last one.
    """
    shown = [index for index in range(frame, len(clip.truth) - 1) if clip.truth[index].any()]
    if not shown:
        raise ValueError(f'the target cannot be seen in frame {frame} or a later one that has a next frame')
    at, truth = shown[0], clip.truth
    shared = SharedEncoder(model)
    alone, tracker, boxed = (VideoTracker(shared, policy) for _ in range(3))
    for index in range(at + 1):
        prompts = [box_prompt('target', truth[0])] if index == 0 else []
        for other in (alone, boxed):
            other.step(clip.images[index], prompts)
        mask = tracker.step(clip.images[index], prompts)['target'].mask
    overlaps = [_overlap(mask, truth[at])]
    points: list[tuple[int, int]] = []
    labels: list[int] = []
    for _ in range(clicks):
        point, label = next_click(truth[at], mask)
        points.append(point)
        labels.append(label)
        mask = tracker.prompt(at, Prompt('target', points=points, labels=labels))[0].mask
        overlaps.append(_overlap(mask, truth[at]))
    by_box = _overlap(boxed.prompt(at, box_prompt('target', truth[at]))[0].mask, truth[at])
    after = [
        [_overlap(one.step(clip.images[index])['target'].mask, truth[index]) for one in (alone, tracker)]
        for index in range(at + 1, len(truth))
    ]
    left_alone, corrected = np.mean(after, axis=0).tolist()
    return Correction(at, tuple(overlaps), by_box, left_alone, corrected)


def _overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    return float(region_similarity(mask, truth))
