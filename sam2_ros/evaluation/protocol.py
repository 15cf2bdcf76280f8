"""The protocol of a run: prompt the target in the first frame, track it to the last, correct nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sam2_ros.evaluation.clips import TargetClip
from sam2_ros.evaluation.predictions import Track
from sam2_ros.model import Sam2Network
from sam2_ros.tracking import Prompt, VideoTracker
from sam2_ros.training.prompts import mask_box, next_click


def box_prompt(object_id: str, mask: np.ndarray) -> Prompt:
    """The tight half-open box of a mask."""
    return Prompt(object_id, box=mask_box(mask))


def point_prompt(object_id: str, mask: np.ndarray) -> Prompt:
    """One click, on the pixel that lies deepest inside a mask."""
    return Prompt(object_id, points=[next_click(mask)[0]])


def mask_prompt(object_id: str, mask: np.ndarray) -> Prompt:
    return Prompt(object_id, mask=mask)


PROMPT_KINDS: dict[str, Callable[[str, np.ndarray], Prompt]] = {
    'box': box_prompt,
    'point': point_prompt,
    'mask': mask_prompt,
}


def track_clip(
    model: Sam2Network, clip: TargetClip, *, policy: str, prompt_kinds: Sequence[str]
) -> dict[str, Track]:
    """Track the target of a clip from every kind of prompt.

    They are objects of one tracker: the image is encoded once, and objects do not influence each other.
    """
    tracker = VideoTracker(model, memory=policy)
    prompts = [PROMPT_KINDS[kind](kind, clip.truth[0]) for kind in prompt_kinds]
    masks = {kind: np.empty_like(clip.truth) for kind in prompt_kinds}
    scores = {kind: np.empty(len(clip.truth), np.float32) for kind in prompt_kinds}
    for frame, rgb in enumerate(clip.images):
        result = tracker.step(rgb, prompts if frame == 0 else ())
        for kind in prompt_kinds:
            masks[kind][frame] = result[kind].mask
            scores[kind][frame] = result[kind].object_score_logit
    return {kind: Track(masks[kind], scores[kind]) for kind in prompt_kinds}
