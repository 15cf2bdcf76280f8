"""What a decoded frame leaves: its numbers on the host, and memory entries. The tracker and the session both use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sam2_ros.model import ImageFeatures, Network
from sam2_ros.tracking.decoding import FrameDecoding
from sam2_ros.tracking.graphs import PLAIN, Runner
from sam2_ros.tracking.host_numbers import HostNumbers
from sam2_ros.tracking.memory_bank import EntryKind, MemoryEntry
from sam2_ros.tracking.memory_reads import to_device
from sam2_ros.tracking.postprocessing import masks_at, resize_logits


@dataclass(frozen=True)
class EncodeMemory:
    """Raw features (1, C, h, w), mask logits (N, S/4, S/4), object scores (N,) and whether masks enter as 0 or 1 (N,)
    -> spatial memories (N, Cm, h, w)."""

    model: Network

    def __call__(self, stride16: Tensor, logits: Tensor, score: Tensor, binarize: Tensor) -> tuple[Tensor]:
        size = self.model.image_size
        return (self.model.encode_memory(stride16, resize_logits(logits, (size, size)), score, binarize),)


def to_host(decoding: FrameDecoding, size: tuple[int, int]) -> list[HostNumbers]:
    """Bring the numbers of all objects to the host in one transfer, and make their masks.

    Args:
        decoding: of N objects.
        size: (height, width) of the image in pixels.
    """
    if decoding.arriving is not None:
        return decoding.arriving.numbers()
    network = decoding.network
    peak = decoding.logits.flatten(1).amax(dim=1)
    columns = [network.object_score_logit, network.predicted_iou, peak, network.chosen]
    rows = torch.stack([column.float() for column in columns], dim=1).tolist()
    masks = masks_at(decoding.logits, size)
    return [
        HostNumbers(
            score, iou, top, int(chosen), mask, int(np.count_nonzero(mask)),
            alternatives=partial(_alternatives, candidates, int(chosen), size),
        )
        for (score, iou, top, chosen), mask, candidates in zip(rows, masks, network.candidate_logits, strict=True)
    ]  # fmt: skip


def _alternatives(candidates: Tensor, chosen: int, size: tuple[int, int]) -> list[np.ndarray]:
    """The masks of the candidates (3, S/4, S/4) that were not chosen."""
    return masks_at(candidates[[other for other in range(len(candidates)) if other != chosen]], size)


def encode_entries(
    model: Network,
    features: ImageFeatures,
    decoding: FrameDecoding,
    *,
    kinds: Sequence[EntryKind | None],
    frame_indices: Sequence[int],
    binarize: bool,
    runner: Runner = PLAIN,
) -> list[MemoryEntry | None]:
    """Memory entries of the N objects of a decoding, in one call of the network.

    Args:
        model: the network.
        features: of the image.
        decoding: of the N objects.
        kinds: of the entries; None where nothing is remembered.
        frame_indices: the entries get these.
        binarize: masks of prompted frames and anchors enter the memory encoder as 0 or 1, not as probabilities.
        runner: runs the memory encoder.
    """
    entries: list[MemoryEntry | None] = [None] * len(kinds)
    planned = [(row, kind) for row, kind in enumerate(kinds) if kind is not None]
    if not planned:
        return entries
    network = decoding.network
    padded = [*planned, *planned[:1] * (runner.rows(len(planned), most=len(kinds)) - len(planned))]
    chosen = to_device(torch.tensor([[row, kind is EntryKind.RECENT] for row, kind in padded]), model.device)
    rows, from_tracking = chosen[:, 0], chosen[:, 1].bool()
    # as in the official code: tracked frames are remembered as decoded, prompted frames and anchors as cleaned
    logits = torch.where(from_tracking[:, None, None], network.mask_logits[rows].float(), decoding.logits[rows])
    score = network.object_score_logit[rows]
    [memory] = runner.run(EncodeMemory(model), features.stride16, logits, score, ~from_tracking & binarize)
    for (row, kind), one in zip(planned, memory, strict=False):
        # copied, so that an entry that lives long does not keep the whole batch alive
        pointer = network.object_pointer[row].clone()
        entries[row] = MemoryEntry(frame_indices[row], kind, one.clone(), pointer)
    return entries
