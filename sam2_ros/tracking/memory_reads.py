"""What objects read of their memories, as batches for the network. Tracking and training both read in this way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sam2_ros.model import MemoryRead, Network
from sam2_ros.tracking.memory_bank import MemorySelection


@dataclass(frozen=True)
class ReadLayout:
    """The shape of a batch of reads.

    Attributes:
        memories, pointers: places for each object; at least as many as any of them reads.
        weighted: the keys have weights.
        counted: some places may be free.
    """

    memories: int
    pointers: int
    weighted: bool
    counted: bool

    @classmethod
    def of(cls, reads: Sequence[MemorySelection]) -> ReadLayout:
        """The smallest for these reads."""
        memories, pointers = (max(column) for column in zip(*(read.shape for read in reads), strict=True))
        counted = any(read.shape != (memories, pointers) for read in reads)
        return cls(memories, pointers, any(read.key_weights for read in reads), counted)

    def row(self, read: MemorySelection) -> list[float]:
        """All numbers of one read, for `unpack`: temporal indices, positions of pointers, counts, weights of keys."""
        before, after = self.memories - len(read.spatial), self.pointers - len(read.pointers)
        indices: list[float] = [index for _, index in read.spatial]
        positions = [position for _, position in read.pointers]
        weights = read.key_weights or (1.0,) * sum(read.shape)
        return [
            *[0.0] * before, *indices, *positions, *[0.0] * after, *read.shape,
            *([1.0] * before + [*weights] + [1.0] * after if self.weighted else []),
        ]  # fmt: skip

    def unpack(self, spatial: Tensor, pointers: Tensor, numbers: Tensor) -> MemoryRead:
        """Spatial memories (N, M, Cm, h, w), pointers (N, K, C) and the numbers (N, L) of the reads as a batch."""
        widths = [self.memories, self.pointers, 2, numbers.shape[1] - self.memories - self.pointers - 2]
        indices, positions, counts, weights = numbers.split(widths, dim=1)
        return MemoryRead(
            spatial,
            indices.long(),
            pointers,
            positions,
            key_weights=weights if self.weighted else None,
            counts=counts.long() if self.counted else None,
        )


def condition_on_reads(model: Network, stride16: Tensor, reads: Sequence[MemorySelection]) -> Tensor:
    """Let the features of an image attend to what N objects read, in one call of the network.

    Args:
        model: the network.
        stride16: raw features, (1, C, h, w) for all objects or (N, C, h, w) with one row for each.
        reads: of the N objects.

    Returns:
        Conditioned features (N, C, h, w).
    """
    layout = ReadLayout.of(reads)
    return model.condition_on_memory(stride16, layout.unpack(*pack_reads(reads, layout, model.device)))


def pack_reads(
    reads: Sequence[MemorySelection], layout: ReadLayout, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """The reads of N objects as tensors on `device`, for `ReadLayout.unpack`, without waiting for the device.

    Gradients go back to the entries that are read.
    """
    first = reads[0].spatial[0][0]
    assert first.features is not None, 'what is read has features'
    no_map, no_pointer = torch.zeros_like(first.features), torch.zeros_like(first.pointer)
    maps: list[Tensor] = []
    pointers: list[Tensor] = []
    for read in reads:
        maps += [no_map] * (layout.memories - len(read.spatial))
        maps += [entry.features for entry, _ in read.spatial if entry.features is not None]
        pointers += [entry.pointer for entry, _ in read.pointers]
        pointers += [no_pointer] * (layout.pointers - len(read.pointers))
    shape = len(reads), layout.pointers
    return (
        torch.stack(maps).unflatten(0, (len(reads), layout.memories)),
        torch.stack(pointers).unflatten(0, shape) if pointers else no_pointer.expand(*shape, *no_pointer.shape),
        to_device(torch.tensor([layout.row(read) for read in reads]), device),
    )


def to_device(numbers: Tensor, device: torch.device) -> Tensor:
    """Numbers of the host on `device`, without waiting for what is still computed there."""
    return numbers.pin_memory().to(device, non_blocking=True) if device.type == 'cuda' else numbers.to(device)
