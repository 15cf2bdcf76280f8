"""The prompts with which an object begins: its mask, its box, or clicks that are simulated one after the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sam2_ros.evaluation.datasets.dataset import TrackedObject, VideoSequence
from sam2_ros.evaluation.protocols.first_frame import PROMPT_KINDS, point_prompt
from sam2_ros.evaluation.protocols.simulated_prompts import next_click
from sam2_ros.tracking import FrameResult, ObjectResult, Prompt, VideoTracker

CLICKS = {'1-click': 1, '3-click': 3, '5-click': 5}
FIRST_PROMPTS = ('mask', 'box', *CLICKS)


def first_prompt(kind: str, object_id: str, *, sequence: VideoSequence, target: TrackedObject) -> Prompt:
    """The prompt of an object in the frame in which it starts; of several clicks the first.

    Args:
        kind: of `FIRST_PROMPTS`.
        object_id: name of the object for the tracker.
        sequence: the video.
        target: the object. A box is that of the data set where its truth is boxes.

    Raises:
        DatasetError: if there is no mask.
    """
    if kind == 'box' and target.boxes is not None:
        x, y, width, height = target.boxes[target.start].tolist()
        return Prompt(object_id, box=(x, y, x + width, y + height))
    make = PROMPT_KINDS.get(kind, point_prompt)
    return make(object_id, sequence.first_mask(target))


def start_objects(
    tracker: VideoTracker,
    rgb: np.ndarray,
    targets: Mapping[str, TrackedObject],
    *,
    sequence: VideoSequence,
    kind: str,
) -> tuple[FrameResult, dict[str, ObjectResult]]:
    """Process the next image, and begin objects on it.

    Args:
        tracker: gets the image.
        rgb: the image.
        targets: the objects that begin, by their names for the tracker.
        sequence: the video.
        kind: of the prompts.

    Returns:
        The result of the image, and in place of it what objects are after clicks beyond the first.
    """
    prompts = [first_prompt(kind, name, sequence=sequence, target=target) for name, target in targets.items()]
    result = tracker.step(rgb, prompts)
    refined = {}
    for prompt, target in zip(prompts, targets.values(), strict=True):
        if CLICKS.get(kind, 1) > 1:
            refined[prompt.object_id] = click_more(
                tracker,
                result[prompt.object_id],
                sequence.first_mask(target),
                prompt=prompt,
                clicks=CLICKS[kind] - 1,
            )
    return result, refined


def click_more(
    tracker: VideoTracker, result: ObjectResult, truth: np.ndarray, *, clicks: int, prompt: Prompt | None = None
) -> ObjectResult:
    """Click on the newest image where its mask is most wrong, with all earlier clicks each time, until nothing is.

    Args:
        tracker: has just processed the image.
        result: of the object in it.
        truth: (H, W) bool, the true mask.
        clicks: at most so many.
        prompt: the clicks that were given already; None = none.
    """
    points = [] if prompt is None else prompt.points.tolist()
    labels = [] if prompt is None else prompt.labels.tolist()
    for _ in range(clicks):
        if np.array_equal(truth, result.mask):
            break
        point, label = next_click(truth, result.mask)
        points.append(point)
        labels.append(label)
        corrected = Prompt(result.object_id, points=points, labels=labels)
        result = tracker.prompt(tracker.frame_index, corrected)[-1]
    return result
