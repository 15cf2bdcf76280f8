"""Softmax attention, on the CPU with the matrix products of ``linear``."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model.linear import linear, multiplier

LONG = 2**20  # elements of an attention matrix; with fewer, torch's function is as fast
PIECE_ELEMENTS = 2**19  # of the attention matrix, worked on at a time: 2 MB, which stay in the caches
LEAST_QUERIES = 64  # of a piece; fewer make slow products


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, heads, Lq, C), (B, heads, Lk, C), (B, heads, Lk, C) -> (B, heads, Lq, C), as torch's fused function.

    For long sequences in float32, pieces are faster on the CPU.
    """
    in_pieces = q.device.type == 'cpu' and q.dtype == torch.float32 and q.shape[2] * k.shape[2] >= LONG and len(q) > 0
    if not in_pieces or torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v)
    scaled = q / math.sqrt(q.shape[3])
    heads = zip(*(one.flatten(0, 1) for one in (scaled, k, v)), strict=True)
    return torch.stack([attend_in_pieces(*head) for head in heads]).unflatten(0, q.shape[:2])


def attend_in_pieces(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of one head with scaled queries on the CPU, (Lq, C), (Lk, C), (Lk, Cv) -> (Lq, Cv).

    torch's function needs Cv = C and leaves products in float32 to MKL (see ``linear``). It is more exact in bfloat16,
    which here rounds the scores before the softmax.
    """
    queries = max(LEAST_QUERIES, PIECE_ELEMENTS // len(k))
    if len(q) <= queries:
        return linear(torch.softmax(linear(q, k), dim=1), v.t())
    score, average = multiplier(k, queries), multiplier(v.t(), queries)
    return torch.cat([average(torch.softmax(score(piece), dim=1)) for piece in q.split(queries)])
