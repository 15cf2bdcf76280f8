"""Memory attention: current features attend to themselves and to the memory bank (SAM 2 section 4).

It has one head and axial rotary position encoding. Attention weights sum to 1, so the value projection may come after
the weighted sum. The sum then has the few channels of the memory (64) instead of the hidden 256.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_ros.model.attention import attend_in_pieces
from sam2_ros.model.config import ModelConfig
from sam2_ros.model.linear import Linear
from sam2_ros.model.position_encoding import axial_rope_turns, sine_position_2d

INPUT_POSITION_WEIGHT = 0.1  # the sine position is added to the features once, times this


@dataclass(frozen=True)
class MemoryTokens:
    """What the queries attend to.

    The first tokens are whole (h, w) maps in row-major order. The last ones are object pointers, which have no place in
    the image and are not rotated.

    Attributes:
        values: (N, K, Cm).
        keys: values plus position codes, (N, K, Cm).
        num_pointer_tokens: number of pointer tokens among the K.
    """

    values: Tensor
    keys: Tensor
    num_pointer_tokens: int


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate the pairs of neighbouring channels of (..., L, C) by unit complex numbers (L, C/2), in float32."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)


def attend_rotated(q: Tensor, k: Tensor, v: Tensor, turns: Tensor) -> Tensor:
    """Softmax attention of one head with rotary position encoding.

    Fused kernels need Cv = C, and are slower on the CPU. There, objects are processed one after the other, in pieces.

    Args:
        q: queries (N, Lq, C).
        k: keys (N, Lk, C).
        v: values (N, Lk, Cv).
        turns: unit complex numbers (Lk, C/2) that rotate the keys; the first Lq rows rotate the queries.

    Returns:
        (N, Lq, Cv).
    """
    if q.device.type == 'cpu':
        scaled = turns[: q.shape[1]] / math.sqrt(q.shape[2])
        rows = [
            attend_in_pieces(rotate(one, scaled), rotate(keys, turns), values)
            for one, keys, values in zip(q, k, v, strict=True)
        ]
        return torch.stack(rows)
    q, k = rotate(q, turns[: q.shape[1]]), rotate(k, turns)
    padded = F.pad(v, (0, q.shape[-1] - v.shape[-1]))
    return F.scaled_dot_product_attention(q[:, None], k[:, None], padded[:, None])[:, 0, :, : v.shape[-1]]


class RotaryAttention(nn.Module):
    """Single-head attention. Keys and values have `memory_dim` channels."""

    def __init__(self, channels: int, memory_dim: int) -> None:
        super().__init__()
        self.q_proj = Linear(channels, channels)
        self.k_proj = Linear(memory_dim, channels)
        self.v_proj = Linear(memory_dim, channels)
        self.out_proj = Linear(channels, channels)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, turns: Tensor) -> Tensor:
        """x (N, hw, C), keys and values (N, K, Cm) -> (N, hw, C); `turns` (K, C/2) as in `attend_rotated`."""
        q, k = self.q_proj(x), self.k_proj(keys)
        # under autocast, queries and keys are narrower than the memory
        return self.out_proj(self.v_proj(attend_rotated(q, k, values.to(q.dtype), turns)))


class MemoryAttentionLayer(nn.Module):
    """Self-attention, cross-attention to memory, feed-forward; each with a layer norm before it and a residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels = config.hidden_dim
        self.self_attn = RotaryAttention(channels, channels)
        self.cross_attn_image = RotaryAttention(channels, config.memory_dim)
        self.linear1 = Linear(channels, config.memory_feedforward)
        self.linear2 = Linear(config.memory_feedforward, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels)

    def forward(self, x: Tensor, memory: MemoryTokens, turns: Tensor) -> Tensor:
        own = self.norm1(x)
        x = x + self.self_attn(own, own, own, turns[: x.shape[1]])
        if x.shape[0] < memory.values.shape[0]:  # until here all objects share the image's features
            x = x.expand(memory.values.shape[0], -1, -1)
        x = x + self.cross_attn_image(self.norm2(x), memory.keys, memory.values, turns)
        return x + self.linear2(self.linear1(self.norm3(x), 'relu'))


class MemoryAttention(nn.Module):
    """Image features (1 or N, C, h, w) and memory of N objects -> conditioned features (N, C, h, w)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MemoryAttentionLayer(config) for _ in range(config.memory_layers))
        self.norm = nn.LayerNorm(config.hidden_dim)

    def forward(self, features: Tensor, memory: MemoryTokens) -> Tensor:
        _, channels, height, width = features.shape
        position = sine_position_2d(height, width, channels, features.device)
        x = features + (INPUT_POSITION_WEIGHT * position).to(features.dtype)
        x = x.flatten(2).transpose(1, 2)
        grid = axial_rope_turns(height, width, channels, features.device)
        maps = (memory.keys.shape[1] - memory.num_pointer_tokens) // len(grid)
        turns = torch.cat((*[grid] * maps, grid.new_ones(memory.num_pointer_tokens, channels // 2)))
        for layer in self.layers:
            x = layer(x, memory, turns)
        return self.norm(x).transpose(1, 2).unflatten(2, (height, width))
