"""What objects read of their memories, as batches for the network. Tracking and training both read in this way."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from sam2_ros.model import MemoryRead, Network
from sam2_ros.tracking.memory_bank import MemorySelection

Item = TypeVar('Item')
Row = TypeVar('Row')


def condition_on_reads(model: Network, stride16: Tensor, reads: Sequence[MemorySelection]) -> Tensor:
    """Let the features of an image attend to what N objects read. Reads of equal shape are one call of the network.

    Args:
        model: the network.
        stride16: raw features, (1, C, h, w) for all objects or (N, C, h, w) with one row for each.
        reads: of the N objects.

    Returns:
        Conditioned features (N, C, h, w).
    """

    def condition(rows: Sequence[int]) -> list[Tensor]:
        shared = len(stride16) == 1 or len(rows) == len(reads)
        read = stack_reads([reads[row] for row in rows], model.device)
        return list(model.condition_on_memory(stride16 if shared else stride16[list(rows)], read).split(1))

    return torch.cat(by_group(range(len(reads)), key=lambda row: reads[row].shape, compute=condition))


def stack_reads(reads: Sequence[MemorySelection], device: torch.device) -> MemoryRead:
    """Reads of equal shape as one batch on `device`. Gradients go back to the entries that are read."""
    count, (memories, pointers) = len(reads), reads[0].shape
    spatial = [entry.features for read in reads for entry, _ in read.spatial if entry.features is not None]
    pointed = [entry.pointer for read in reads for entry, _ in read.pointers]
    blank = reads[0].spatial[0][0].pointer
    return MemoryRead(
        spatial=torch.stack(spatial).unflatten(0, (count, memories)),
        temporal_index=torch.tensor([[index for _, index in read.spatial] for read in reads], device=device),
        pointers=torch.stack(pointed).unflatten(0, (count, pointers))
        if pointed
        else blank.new_zeros(count, 0, *blank.shape),
        pointer_position=torch.tensor([[position for _, position in read.pointers] for read in reads], device=device),
        key_weights=_stack_key_weights(reads, device),
    )


def _stack_key_weights(reads: Sequence[MemorySelection], device: torch.device) -> Tensor | None:
    if not any(read.key_weights for read in reads):
        return None
    ones = (1.0,) * sum(reads[0].shape)
    return torch.tensor([read.key_weights or ones for read in reads], device=device)


def by_group(
    items: Sequence[Item], *, key: Callable[[Item], Hashable], compute: Callable[[Sequence[Item]], list[Row]]
) -> list[Row]:
    """Compute items of equal key together. Results come in the order of the items."""
    groups: dict[Hashable, list[int]] = {}
    for position, item in enumerate(items):
        groups.setdefault(key(item), []).append(position)
    results: dict[int, Row] = {}
    for positions in groups.values():
        results.update(zip(positions, compute([items[position] for position in positions]), strict=True))
    return [results[position] for position in range(len(items))]
