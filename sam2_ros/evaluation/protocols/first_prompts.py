"""The prompts with which objects begin: a mask, a box, or clicks that are simulated one after the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sam2_ros.evaluation.datasets.dataset import TrackedObject, VideoSequence
from sam2_ros.evaluation.protocols.protocol import Track, TrackBuilder
from sam2_ros.evaluation.protocols.simulated_prompts import mask_box, next_click
from sam2_ros.model import Network
from sam2_ros.tracking import FrameResult, ObjectResult, Prompt, TrackerOptions, VideoTracker

CLICKS = {'1-click': 1, '3-click': 3, '5-click': 5}
FIRST_PROMPTS = ('mask', 'box', *CLICKS)


def check_kind(kind: str) -> None:
    """Raise ValueError if this is not one of `FIRST_PROMPTS`."""
    if kind not in FIRST_PROMPTS:
        raise ValueError(f'there is no prompt {kind!r}; accepted are {", ".join(FIRST_PROMPTS)}')


def box_prompt(object_id: str, mask: np.ndarray) -> Prompt:
    """The tight half-open box of a mask (H, W) bool."""
    return Prompt(object_id, box=mask_box(mask))


def point_prompt(object_id: str, mask: np.ndarray) -> Prompt:
    """One click, on the pixel that lies deepest inside a mask (H, W) bool."""
    return Prompt(object_id, points=[next_click(mask)[0]])


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
    mask = sequence.first_mask(target)
    if kind == 'mask':
        return Prompt(object_id, mask=mask)
    return (box_prompt if kind == 'box' else point_prompt)(object_id, mask)


def start_objects(
    tracker: VideoTracker, frame: int, starts: Mapping[str, tuple[str, TrackedObject]], *, sequence: VideoSequence
) -> tuple[FrameResult, dict[str, ObjectResult]]:
    """Process the next image, and begin objects on it.

    Args:
        tracker: gets the image.
        frame: index of the image in the video.
        starts: the kinds of prompts and the objects that begin, by their names for the tracker.
        sequence: the video.

    Returns:
        The result of the image, and in place of it what objects are after clicks beyond the first.
    """
    prompts = {
        name: first_prompt(kind, name, sequence=sequence, target=target) for name, (kind, target) in starts.items()
    }
    result = tracker.step(sequence.image(frame), prompts.values())
    refined = {}
    for name, (kind, target) in starts.items():
        if CLICKS.get(kind, 1) > 1:
            truth, further = sequence.first_mask(target), CLICKS[kind] - 1
            refined[name] = click_more(tracker, result[name], truth, prompt=prompts[name], clicks=further)
    return result, refined


def track_all(
    model: Network, memory: str, sequence: VideoSequence, *, prompts: Mapping[str, str], options: TrackerOptions
) -> list[Track]:
    """Track all objects of a video from their starts to the end; none is corrected.

    Several kinds of prompts are objects of one tracker, which do not influence each other, so an image is encoded once.

    Args:
        model, memory, options: of the tracker.
        sequence: the video.
        prompts: by the name of the run, which its tracks get, the kind of prompts.
    """
    tracker = VideoTracker(model, memory, options=options)
    objects: dict[str, tuple[str, TrackedObject]] = {}
    builders: dict[str, TrackBuilder] = {}
    for run, kind in prompts.items():
        for one in sequence.objects:
            name = f'{one.object_id} {run}'.rstrip()
            objects[name], builders[name] = (kind, one), TrackBuilder(one.object_id, run)
    started: set[str] = set()
    for frame in range(min(one.start for one in sequence.objects), len(sequence.frames)):
        starts = {name: (kind, one) for name, (kind, one) in objects.items() if one.start == frame}
        result, refined = start_objects(tracker, frame, starts, sequence=sequence)
        started |= starts.keys()
        for name in started:
            builders[name].add(frame, refined.get(name, result[name]))
    return [builder.track() for builder in builders.values()]


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
