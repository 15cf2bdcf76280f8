"""Softmax attention; on the CPU with the matrix products of `linear`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model.linear import linear, multiplier

LONG = 2**20  # elements of an attention matrix; below this, torch's function is as fast
PIECE_ELEMENTS = 2**19  # elements of the attention matrix that one piece has: 2 MB, which stay in the caches
LEAST_QUERIES = 64  # of a piece; products of fewer queries are slow


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of several heads.

    For long sequences in float32 on the CPU, pieces are faster than torch's fused function.

    Args:
        q: queries (B, heads, Lq, C), not scaled.
        k, v: keys and values (B, heads, Lk, C).

    Returns:
        (B, heads, Lq, C).
    """
    in_pieces = q.device.type == 'cpu' and q.dtype == torch.float32 and q.shape[2] * k.shape[2] >= LONG and len(q) > 0
    if not in_pieces or torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v)
    scaled = q / math.sqrt(q.shape[3])
    heads = zip(*(one.flatten(0, 1) for one in (scaled, k, v)), strict=True)
    return torch.stack([attend_in_pieces(*head) for head in heads]).unflatten(0, q.shape[:2])


def attend_in_pieces(q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None = None) -> Tensor:
    """Softmax attention of one head on the CPU, over a limited number of queries at a time.

    Three things differ from torch's function. Values may have another number of channels than keys. In float32,
    products go through oneDNN, not MKL (see `linear`). In bfloat16, scores are rounded before the softmax, which is
    less exact.

    Args:
        q: queries (Lq, C), already divided by sqrt(C).
        k: keys (Lk, C).
        v: values (Lk, Cv).
        score_bias: (Lk,), added to the scores of every query.

    Returns:
        (Lq, Cv).
    """
    queries = max(LEAST_QUERIES, PIECE_ELEMENTS // len(k))
    if len(q) <= queries:
        return linear(torch.softmax(linear(q, k, score_bias), dim=1), v.t())
    score, average = multiplier(k, queries, score_bias), multiplier(v.t(), queries)
    return torch.cat([average(torch.softmax(score(piece), dim=1)) for piece in q.split(queries)])
