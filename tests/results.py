"""Results of the tracker, made up for tests of what is done with them."""

from __future__ import annotations

import numpy as np
import torch

from sam2_ros.tracking import FrameResult, MemoryEvent, ObjectResult, ObjectState
from sam2_ros.tracking.masks import box_of


def object_result(
    object_id: str,
    mask: np.ndarray,
    *,
    logit: float = 3.0,
    state: ObjectState = ObjectState.VISIBLE,
    hidden_frames: int = 0,
    memory_event: MemoryEvent = MemoryEvent.NONE,
) -> ObjectResult:
    """What the tracker would say about an object with this mask, (H, W) bool."""
    box = box_of(mask)
    left, top, right, bottom = box or (0, 0, 0, 0)
    low_res_logits = torch.full((8, 8), logit)
    return ObjectResult(
        object_id=object_id,
        frame_index=4,
        mask=mask,
        box=box,
        area=int(mask[top:bottom, left:right].sum()),
        hidden_frames=hidden_frames,
        object_score_logit=logit,
        predicted_iou=0.75,
        state=state,
        memory_event=memory_event,
        memory_reason='',
        anchors=0,
        low_res_logits=low_res_logits,
    )


def frame_result(*results: ObjectResult, image_size: tuple[int, int] = (6, 8)) -> FrameResult:
    return FrameResult(frame_index=4, image_size=image_size, objects={result.object_id: result for result in results})
