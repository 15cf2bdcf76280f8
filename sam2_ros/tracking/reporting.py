"""Makes the result of an object in an image, as the tracker returns it."""

from __future__ import annotations

import numpy as np
import torch

from sam2_ros.model.config import MASK_STRIDE, NO_OBJECT_LOGIT
from sam2_ros.tracking.frame_step import Outcome
from sam2_ros.tracking.masks import box_of
from sam2_ros.tracking.memory_bank import EntryKind
from sam2_ros.tracking.result import ObjectResult
from sam2_ros.tracking.ring import RecentImage
from sam2_ros.tracking.states import MemoryEvent, ObjectState

MEMORY_EVENTS = {
    None: MemoryEvent.NONE,
    EntryKind.RECENT: MemoryEvent.RECENT,
    EntryKind.ANCHOR: MemoryEvent.ANCHOR,
    EntryKind.PROMPT: MemoryEvent.PROMPT,
    EntryKind.CORRECTION: MemoryEvent.PROMPT,
}


def box_and_area(mask: np.ndarray) -> tuple[tuple[int, int, int, int] | None, int]:
    """Box of a mask (H, W) bool, and its pixels within the box, as in `ObjectResult`."""
    box = box_of(mask)
    x0, y0, x1, y1 = box or (0, 0, 0, 0)
    return box, int(np.count_nonzero(mask[y0:y1, x0:x1]))


def object_result(object_id: str, image: RecentImage, outcome: Outcome, state: ObjectState) -> ObjectResult:
    """The result of an object that was tracked in the image."""
    box, area = box_and_area(outcome.mask)
    return ObjectResult(
        object_id=object_id,
        frame_index=image.frame_index,
        mask=outcome.mask,
        box=box,
        area=area,
        hidden_frames=outcome.track.visibility.hidden_frames,
        object_score_logit=outcome.object_score_logit,
        predicted_iou=outcome.predicted_iou,
        state=state,
        memory_event=MEMORY_EVENTS[outcome.written],
        memory_reason=outcome.memory_reason,
        anchors=outcome.track.bank.anchors,
        low_res_logits=outcome.logits,
    )


def unseen_result(object_id: str, image: RecentImage, *, prompted: int, image_size: int) -> ObjectResult:
    """The result of a new object that has only been prompted in a past image and has not caught up yet.

    Args:
        object_id: the object.
        image: the newest frame.
        prompted: index of the frame it was prompted on.
        image_size: of the network, in pixels.
    """
    side = image_size // MASK_STRIDE
    return ObjectResult(
        object_id=object_id,
        frame_index=image.frame_index,
        mask=np.zeros(image.size, dtype=bool),
        box=None,
        area=0,
        hidden_frames=max(1, image.frame_index - prompted),
        object_score_logit=NO_OBJECT_LOGIT,
        predicted_iou=0.0,
        state=ObjectState.CATCHING_UP,
        memory_event=MemoryEvent.NONE,
        memory_reason='not caught up yet',
        anchors=0,
        low_res_logits=torch.full((side, side), NO_OBJECT_LOGIT),
    )
