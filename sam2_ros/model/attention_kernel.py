"""Attention to memory as a Triton kernel: one head, narrow values, the keys that are used as data.

torch's fused kernels need values as wide as keys. Here keys have 256 channels and values 64, so this one does little
more than half of their work. Flash attention: Dao, FlashAttention-2 (2023). Needs Triton, which comes with PyTorch for
CUDA; nothing imports this module where it is missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:
    triton = None


@dataclass(frozen=True)
class Tiling:
    """How the work is cut: queries and keys of a tile, warps that share one, tiles loaded ahead."""

    queries: int
    keys: int
    warps: int
    stages: int

    def __str__(self) -> str:
        return f'{self.queries}x{self.keys} {self.warps} warps {self.stages} stages'


TILINGS = (Tiling(128, 64, 8, 2), Tiling(128, 64, 8, 3), Tiling(128, 32, 8, 3), Tiling(64, 64, 4, 2))


def attend_tiled(q: Tensor, k: Tensor, v: Tensor, used: Tensor, tiling: Tiling = TILINGS[0]) -> Tensor:
    """See `used_attention.attend_used`. Channels are powers of 2, at least 16, and lie side by side in memory."""
    count, queries, channels = q.shape
    width = v.shape[2]
    attended = torch.empty(count, queries, width, dtype=q.dtype, device=q.device)
    grid = (triton.cdiv(queries, tiling.queries), count)
    with torch.cuda.device_of(q):  # Triton takes the current one
        _attend[grid](
            q, k, v, used, attended,
            q.stride(0), q.stride(1), k.stride(0), k.stride(1), v.stride(0), v.stride(1),
            attended.stride(0), attended.stride(1), used.stride(0), used.stride(1),
            queries, math.log2(math.e) / math.sqrt(channels),
            CHANNELS=channels, WIDTH=width, QUERIES=tiling.queries, KEYS=tiling.keys,
            num_warps=tiling.warps, num_stages=tiling.stages,
        )  # fmt: skip
    return attended


if triton is not None:

    @triton.jit
    def _attend(  # type: ignore[no-untyped-def]
        q_pointer, k_pointer, v_pointer, used_pointer, out_pointer,
        q_object, q_row, k_object, k_row, v_object, v_row, out_object, out_row, used_object, used_end,
        num_queries, scale,
        CHANNELS: tl.constexpr, WIDTH: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
    ):  # fmt: skip
        """One tile of queries of one object. Running maximum, sum and average over its tiles of keys."""
        number = tl.program_id(1).to(tl.int64)
        rows = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
        channels = tl.arange(0, CHANNELS)
        columns = tl.arange(0, WIDTH)
        inside = rows[:, None] < num_queries
        q = tl.load(q_pointer + number * q_object + rows[:, None] * q_row + channels[None, :], mask=inside, other=0.0)
        first = tl.load(used_pointer + number * used_object).to(tl.int32)
        end = tl.load(used_pointer + number * used_object + used_end).to(tl.int32)
        total = tl.zeros((QUERIES, WIDTH), tl.float32)
        weight = tl.zeros((QUERIES,), tl.float32)
        top = tl.full((QUERIES,), -float('inf'), tl.float32)
        for start in range(first, end, KEYS):
            places = start + tl.arange(0, KEYS)
            valid = places < end
            k = tl.load(
                k_pointer + number * k_object + places[None, :] * k_row + channels[:, None],
                mask=valid[None, :], other=0.0,
            )  # fmt: skip
            scores = tl.where(valid[None, :], tl.dot(q, k, input_precision='ieee') * scale, -float('inf'))
            higher = tl.maximum(top, tl.max(scores, 1))
            share = tl.exp2(scores - higher[:, None])
            fade = tl.exp2(top - higher)
            v = tl.load(
                v_pointer + number * v_object + places[:, None] * v_row + columns[None, :],
                mask=valid[:, None], other=0.0,
            )  # fmt: skip
            total = total * fade[:, None] + tl.dot(share.to(v.dtype), v, input_precision='ieee')
            weight = weight * fade + tl.sum(share, 1)
            top = higher
        tl.store(
            out_pointer + number * out_object + rows[:, None] * out_row + columns[None, :],
            (total / weight[:, None]).to(out_pointer.dtype.element_ty), mask=inside,
        )  # fmt: skip
