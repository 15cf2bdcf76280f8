"""Rules about prompts that need no tracker: which object is meant, whether the mask fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np

from sam2_ros.live.arrived_images import ShownObject
from sam2_ros.live.requests import PromptRequest
from sam2_ros.tracking import ObjectResult, Prompt

MIN_BOX_OVERLAP = (
    0.3  # intersection over union of the box of a mask and the prompted box; less looks like another thing
)
MAX_WORD = 48  # characters of its class that the name of an object begins with


class NewNames:
    """Names of objects that have none: cup_1, cup_2 of the class cup, object_1 where no class is known."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()  # by the word that the names begin with

    def new(self, class_name: str, *, taken: Collection[str]) -> str:
        """A name that was never given before and is not taken."""
        word = class_name[:MAX_WORD] or 'object'
        while True:
            self._given[word] += 1
            name = f'{word}_{self._given[word]}'
            if name not in taken:
                return name


def supersedes(newer: PromptRequest, older: PromptRequest) -> bool:
    """Whether the newer prompt makes the older one needless. Clicks only refine a box or a mask."""
    if newer.extend or not newer.object_id or newer.object_id != older.object_id:
        return False
    return not newer.prompt.only_refines or older.prompt.only_refines


def object_at(objects: Iterable[ShownObject], prompt: Prompt) -> str | None:
    """The object that was clicked on, the smallest if there are several; None beside all of them."""
    x, y = (int(value) for value in prompt.points[0])
    hits = []
    for message in objects:
        left, top, right, bottom = (int(value) for value in message.box)
        if left <= x < right and top <= y < bottom and message.mask.data[(y - top) * message.mask.step + x - left]:
            hits.append((message.area, message.object_id))
    return min(hits)[1] if hits else None


def misfit(prompt: Prompt, result: ObjectResult) -> str:
    """How a mask contradicts its prompt, as the end of a sentence; empty if it does not."""
    if result.box is None:
        if prompt.mask is not None and not prompt.mask.any():
            return ''  # it was said to be hidden
        return 'there is nothing in its mask: prompt it again, with a box around all of it or a click in its middle'
    height, width = result.mask.shape
    if prompt.box is not None:
        overlap = _box_overlap(np.clip(prompt.box, 0, (width, height, width, height)), np.array(result.box))
        if overlap < MIN_BOX_OVERLAP:
            return (
                f'the box of its mask, {result.box}, overlaps with that of the prompt by {overlap:.2f} only '
                f'(intersection over union, less than {MIN_BOX_OVERLAP:g})'
            )
    pixels = np.minimum(prompt.points.astype(int), (width - 1, height - 1))
    wrong = result.mask[pixels[:, 1], pixels[:, 0]] != (prompt.labels == 1)
    if wrong.any():
        x, y = prompt.points[wrong][0]
        return f'the point ({x:g}, {y:g}) is {"outside" if prompt.labels[wrong][0] else "inside"} its mask'
    return ''


def _box_overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    return common / (float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - common)


def extended(earlier: Prompt | None, prompt: Prompt) -> Prompt:
    """Both prompts as one. The newer box counts. A mask replaces all that came before it."""
    if earlier is None or earlier.mask is not None or prompt.mask is not None:
        return prompt
    return Prompt(
        prompt.object_id,
        points=np.concatenate([earlier.points, prompt.points]),
        labels=np.concatenate([earlier.labels, prompt.labels]),
        box=earlier.box if prompt.box is None else prompt.box,
    )
