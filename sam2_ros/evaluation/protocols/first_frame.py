"""The protocol of a run: prompt the target in the first frame, track it to the last, correct nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sam2_ros.evaluation.datasets.synthetic import TargetClip
from sam2_ros.evaluation.predictions import Prediction, RunKey
from sam2_ros.evaluation.protocols.shared_encoder import SharedEncoder
from sam2_ros.evaluation.protocols.simulated_prompts import mask_box, next_click
from sam2_ros.model import Network
from sam2_ros.tracking import Prompt, VideoTracker


def box_prompt(object_id: str, mask: np.ndarray) -> Prompt:
    """The tight half-open box of a mask (H, W) bool."""
    return Prompt(object_id, box=mask_box(mask))


def point_prompt(object_id: str, mask: np.ndarray) -> Prompt:
    """One click, on the pixel that lies deepest inside a mask (H, W) bool."""
    return Prompt(object_id, points=[next_click(mask)[0]])


def mask_prompt(object_id: str, mask: np.ndarray) -> Prompt:
    """The mask (H, W) bool itself."""
    return Prompt(object_id, mask=mask)


PROMPT_KINDS: dict[str, Callable[[str, np.ndarray], Prompt]] = {
    'box': box_prompt,
    'point': point_prompt,
    'mask': mask_prompt,
}


def track_clip(model: Network, clip: TargetClip, runs: Sequence[RunKey]) -> dict[RunKey, Prediction]:
    """Track the target of a clip with several memory policies from several kinds of prompts.

    Every image is encoded only once. The prompts are objects of one tracker, which do not influence each other. The
    policies are trackers that take turns.

    Args:
        model: the network.
        clip: the video and its target.
        runs: which policies and prompts.
    """
    shared = SharedEncoder(model)
    trackers = {run.policy: VideoTracker(shared, memory=run.policy) for run in runs}
    masks = {run: np.empty_like(clip.truth) for run in runs}
    scores = {run: np.empty(len(clip.truth), np.float32) for run in runs}
    for frame, rgb in enumerate(clip.images):
        for policy, tracker in trackers.items():
            own = [run for run in runs if run.policy == policy]
            prompts = [PROMPT_KINDS[run.prompt](run.prompt, clip.truth[0]) for run in own] if frame == 0 else ()
            result = tracker.step(rgb, prompts)
            for run in own:
                masks[run][frame] = result[run.prompt].mask
                scores[run][frame] = result[run.prompt].object_score_logit
    return {run: Prediction(masks[run], scores[run]) for run in runs}
