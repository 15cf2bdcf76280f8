"""Results of a frame, made from what a session keeps of it."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sam2_ros.session.masklet import FrameRecord
from sam2_ros.session.options import SessionOptions
from sam2_ros.tracking.masks import resolve_overlaps
from sam2_ros.tracking.memory_bank import EntryKind
from sam2_ros.tracking.postprocessing import masks_at, resize_logits
from sam2_ros.tracking.reporting import MEMORY_EVENTS, box_and_area
from sam2_ros.tracking.result import FrameResult, ObjectResult
from sam2_ros.tracking.states import MemoryEvent, ObjectState

REASONS = {EntryKind.PROMPT: 'prompt', EntryKind.CORRECTION: 'correction', EntryKind.RECENT: 'tracked'}


def frame_result(
    frame_index: int, size: tuple[int, int], records: Mapping[str, FrameRecord], *, options: SessionOptions
) -> FrameResult:
    """The result of a frame of `size` (height, width) in pixels: the objects of these records."""
    logits = {name: record.kept.load()[0] for name, record in records.items()}
    masks = masks_at(torch.stack(list(logits.values())), size) if records else []
    if options.non_overlap:
        rows = list(logits.values())
        masks = resolve_overlaps(masks, lambda row: resize_logits(rows[row][None], size)[0].cpu().numpy())
    results = {}
    for (name, record), mask in zip(records.items(), masks, strict=True):
        box, area = box_and_area(mask)
        hidden = 0 if mask.any() else max(1, record.hidden_frames)
        results[name] = ObjectResult(
            object_id=name,
            frame_index=frame_index,
            mask=mask,
            box=box,
            area=area,
            hidden_frames=hidden,
            object_score_logit=record.object_score_logit,
            predicted_iou=record.predicted_iou,
            state=_state(hidden, options),
            memory_event=MEMORY_EVENTS[record.kind] if record.remembered else MemoryEvent.NONE,
            memory_reason=_reason(record),
            anchors=0,
            low_res_logits=logits[name],
        )
    return FrameResult(frame_index, size, results)


def _state(hidden_frames: int, options: SessionOptions) -> ObjectState:
    if not hidden_frames:
        return ObjectState.VISIBLE
    return ObjectState.LOST if hidden_frames > options.lost_after_frames else ObjectState.OCCLUDED


def _reason(record: FrameRecord) -> str:
    words = REASONS[record.kind]
    if record.kind is EntryKind.RECENT and record.reverse is not None:
        words += ' backwards' if record.reverse else ' forwards'
    return words if record.remembered else f'{words}; forgotten, because a frame near it was corrected'
