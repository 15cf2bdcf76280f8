"""Boxes from a vision_msgs/Detection2DArray. Whatever has its fields is understood, so this needs no vision_msgs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sam2_ros.detections.boxes import DetectedBox, upright_box
from sam2_ros.detections.kinds import checked_class

MAX_BOXES = 500  # of one message that are looked at; more are no detections, but proposals


def boxes_from_message(message: Any, *, name_of: Callable[[str], str]) -> tuple[list[DetectedBox], list[str]]:
    """The boxes of a message in the detector's pixels, and a sentence for each detection that is none.

    A turned box is replaced by the smallest upright one around it. Of several results the surest counts.

    Args:
        message: a Detection2DArray.
        name_of: the name of a class id.
    """
    boxes: list[DetectedBox] = []
    problems: list[str] = []
    if len(message.detections) > MAX_BOXES:
        problems.append(f'there are {len(message.detections)} in a message, but only {MAX_BOXES} are looked at')
    for detection in message.detections[:MAX_BOXES]:
        try:
            boxes.append(_box(detection, name_of))
        except ValueError as error:
            problems.append(str(error))
    return boxes, problems


def _box(detection: Any, name_of: Callable[[str], str]) -> DetectedBox:
    """Raises ValueError, a sentence."""
    if not detection.results:
        raise ValueError('it has no result, so neither class nor score')
    surest = max((result.hypothesis for result in detection.results), key=lambda hypothesis: hypothesis.score)
    if not 0 <= surest.score <= 1:
        raise ValueError(f'its score is {surest.score:g}, but must be from 0 to 1')
    box, centre = detection.bbox, detection.bbox.center
    return DetectedBox(
        upright_box(centre.position.x, centre.position.y, box.size_x, box.size_y, angle=centre.theta),
        class_id=surest.class_id,
        class_name=checked_class(name_of(surest.class_id)),
        score=surest.score,
    )
