"""The protocol of a run: prompt a target in the first frame that shows it, track it to the last, correct nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sam2_ros.evaluation.datasets.clips import TargetClip, first_shown
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


def track_clip(model: Network, runs: Mapping[RunKey, TargetClip]) -> dict[RunKey, Prediction]:
    """Track the targets of a clip with several memory policies from several kinds of prompts.

    Every image is encoded only once. Targets and prompts are objects of one tracker, which do not influence each other.
    The policies are trackers that take turns.

    Args:
        model: the network.
        runs: the target of each run. All are of one clip, with the same images.
    """
    shared = SharedEncoder(model)
    trackers = {run.policy: VideoTracker(shared, memory=run.policy) for run in runs}
    starts = {run: first_shown(target.truth) for run, target in runs.items()}
    masks = {run: np.zeros_like(target.truth) for run, target in runs.items()}
    scores = {run: np.full(len(target.truth), np.nan, np.float32) for run, target in runs.items()}
    for frame, rgb in enumerate(next(iter(runs.values())).images):
        for policy, tracker in trackers.items():
            own = [run for run in runs if run.policy == policy and starts[run] <= frame]
            prompts = [
                PROMPT_KINDS[run.prompt](_object_id(run), runs[run].truth[frame]) for run in own if starts[run] == frame
            ]
            result = tracker.step(rgb, prompts)
            for run in own:
                masks[run][frame] = result[_object_id(run)].mask
                scores[run][frame] = result[_object_id(run)].object_score_logit
    return {run: Prediction(masks[run], scores[run]) for run in runs}


def _object_id(run: RunKey) -> str:
    return f'{run.target} from a {run.prompt}'
