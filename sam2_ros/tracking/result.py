"""What the tracker says about a frame and the objects in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from sam2_ros.tracking.masks import resolve_overlaps
from sam2_ros.tracking.postprocessing import resize_logits
from sam2_ros.tracking.states import MemoryEvent, ObjectState


@dataclass(frozen=True, eq=False)
class ObjectResult:
    """One object in one frame.

    Attributes:
        object_id, frame_index: whose result this is, and of which frame of the tracker (counted from 0).
        mask: (H, W) bool at the size of the image; empty when the object is absent.
        box: x0, y0, x1, y1 pixels, half-open (a one-pixel mask at (3, 5) has the box (3, 5, 4, 6)); None when absent.
            Specks, the pieces of the mask that are smaller than a tenth of the largest one, do not stretch it.
        area: pixels of the mask within the box.
        hidden_frames: its images since it was last seen, this one included; 0 = seen in this one.
        object_score_logit: > 0 where the network sees the object, published as it is.
        predicted_iou: the network's own estimate of the quality of the mask, in [0, 1].
        memory_event, memory_reason: what the frame left in the object's memory, and why, in words.
        anchors: anchor frames held after this frame.
        low_res_logits: (S/4, S/4) float32 on the network's device; > 0 is object. See `mask_logits`.
    """

    object_id: str
    frame_index: int
    mask: np.ndarray
    box: tuple[int, int, int, int] | None
    area: int
    hidden_frames: int
    object_score_logit: float
    predicted_iou: float
    state: ObjectState
    memory_event: MemoryEvent
    memory_reason: str
    anchors: int
    low_res_logits: torch.Tensor

    @property
    def occlusion_probability(self) -> float:
        """From 0 (visible) to 1 (hidden), 1 - sigmoid(object score)."""
        return 1 / (1 + math.exp(min(self.object_score_logit, 700.0)))  # exp overflows a double above 709

    def mask_logits(self) -> np.ndarray:
        """(H, W) float32 logits at the size of the image, computed on request; > 0 is object (before `non_overlap`)."""
        return resize_logits(self.low_res_logits[None], self.mask.shape)[0].cpu().numpy()


@dataclass(frozen=True, eq=False)
class FrameResult(Mapping[str, ObjectResult]):
    """All objects of one frame: `result['cup']`, `for object_id in result`, `len(result)`.

    Attributes:
        frame_index: count of frames in this tracker since its start or `reset`, from 0.
        image_size: (height, width) in pixels.
        objects: results by object id, in the order in which the objects were added.
    """

    frame_index: int
    image_size: tuple[int, int]
    objects: Mapping[str, ObjectResult]

    def __getitem__(self, object_id: str) -> ObjectResult:
        return self.objects[object_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.objects)

    def __len__(self) -> int:
        return len(self.objects)

    def label_map(self, labels: Mapping[str, int], dtype: type[np.unsignedinteger] = np.uint8) -> np.ndarray:
        """(H, W) image of labels, 0 = background; where objects overlap, the one with the higher logit has the pixel.

        Args:
            labels: a label > 0 for every object.
            dtype: wide enough for the largest label.
        """
        results = list(self.objects.values())
        masks = resolve_overlaps([one.mask for one in results], lambda index: results[index].mask_logits())
        image = np.zeros(self.image_size, dtype=dtype)
        for result, mask in zip(results, masks, strict=True):
            image[mask] = labels[result.object_id]
        return image
