"""What a decoded frame leaves: its numbers on the host, and memory entries. The tracker and the session both use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sam2_ros.model import ImageFeatures, Network
from sam2_ros.tracking.decoding import FrameDecoding
from sam2_ros.tracking.memory_bank import EntryKind, MemoryEntry
from sam2_ros.tracking.postprocessing import masks_at, resize_logits


@dataclass(frozen=True, eq=False)
class HostNumbers:
    """What is known of one object in one image, on the host.

    Attributes:
        object_score_logit: > 0 where the network sees the object.
        predicted_iou: the network's estimate of the mask's quality, in [0, 1].
        peak_logit: > 0: the low-resolution mask is not empty.
        chosen: which candidate the mask is; -1 for the single mask.
        mask: (H, W) bool at the size of the image.
        area: of the mask in pixels.
    """

    object_score_logit: float
    predicted_iou: float
    peak_logit: float
    chosen: int
    mask: np.ndarray
    area: int


def to_host(decoding: FrameDecoding, size: tuple[int, int]) -> list[HostNumbers]:
    """Bring the numbers of all objects to the host in one transfer, and make their masks.

    Args:
        decoding: of N objects.
        size: (height, width) of the image in pixels.
    """
    network = decoding.network
    peak = decoding.logits.flatten(1).amax(dim=1)
    columns = [network.object_score_logit, network.predicted_iou, peak, network.chosen]
    rows = torch.stack([column.float() for column in columns], dim=1).tolist()
    masks = masks_at(decoding.logits, size)
    return [
        HostNumbers(score, iou, peak, int(chosen), mask, int(np.count_nonzero(mask)))
        for (score, iou, peak, chosen), mask in zip(rows, masks, strict=True)
    ]


def encode_entries(
    model: Network,
    features: ImageFeatures,
    decoding: FrameDecoding,
    *,
    kinds: Sequence[EntryKind | None],
    frame_indices: Sequence[int],
    binarize: bool,
) -> list[MemoryEntry | None]:
    """Memory entries of the N objects of a decoding, in one call of the network.

    Args:
        model: the network.
        features: of the image.
        decoding: of the N objects.
        kinds: of the entries; None where nothing is remembered.
        frame_indices: the entries get these.
        binarize: masks of prompted frames and anchors enter the memory encoder as 0 or 1, not as probabilities.
    """
    entries: list[MemoryEntry | None] = [None] * len(kinds)
    planned = [(row, kind) for row, kind in enumerate(kinds) if kind is not None]
    if not planned:
        return entries
    network, size, device = decoding.network, model.image_size, model.device
    rows = [row for row, _ in planned]
    from_tracking = torch.tensor([kind is EntryKind.RECENT for _, kind in planned], device=device)
    # as in the official code: tracked frames are remembered as decoded, prompted frames and anchors as cleaned
    logits = torch.where(from_tracking[:, None, None], network.mask_logits[rows].float(), decoding.logits[rows])
    memory = model.encode_memory(
        features.stride16,
        resize_logits(logits, (size, size)),
        network.object_score_logit[rows],
        ~from_tracking & binarize,
    )
    for (row, kind), one in zip(planned, memory, strict=True):
        # copied, so that an entry that lives long does not keep the whole batch alive
        pointer = network.object_pointer[row].clone()
        entries[row] = MemoryEntry(frame_indices[row], kind, one.clone(), pointer)
    return entries
