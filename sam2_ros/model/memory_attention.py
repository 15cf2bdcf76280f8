"""Memory attention: current features attend to themselves and to the memory bank (SAM 2 section 4).

It has one head and axial rotary position encoding. Attention weights sum to 1, so the value projection may come after
the weighted sum. The sum then has the few channels of the memory (64) instead of the hidden 256.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sam2_ros.model.attention import attend_in_pieces
from sam2_ros.model.config import ModelConfig
from sam2_ros.model.linear import Linear
from sam2_ros.model.position_encoding import axial_rope_turns, sine_position_2d
from sam2_ros.model.used_attention import attend_used

OBJECTS_AT_ONCE = 8  # whose keys are in memory together: at 1024 pixels 15 MB each in bfloat16
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
        used: (N, 2) long, the first token of each object and the one after its last. None: all of them.
    """

    values: Tensor
    keys: Tensor
    num_pointer_tokens: int
    used: Tensor | None = None


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate the pairs of neighbouring channels of (..., L, C) by unit complex numbers (L, C/2), in float32."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)


def attend_rotated(q: Tensor, k: Tensor, v: Tensor, turns: Tensor, used: Tensor | None = None) -> Tensor:
    """Softmax attention of one head with rotary position encoding.

    On the CPU, objects are processed one after the other, in pieces, without the tokens that are not used.

    Args:
        q: queries (N, Lq, C).
        k: keys (N, Lk, C).
        v: values (N, Lk, Cv).
        turns: unit complex numbers (Lk, C/2) that rotate the keys; the first Lq rows rotate the queries.
        used: as in `MemoryTokens`.

    Returns:
        (N, Lq, Cv).
    """
    if q.device.type != 'cpu':
        return attend_used(rotate(q, turns[: q.shape[1]]), rotate(k, turns), v, used)
    scaled = turns[: q.shape[1]] / math.sqrt(q.shape[2])
    spans = [slice(None)] * len(q) if used is None else [slice(*span) for span in used.tolist()]
    rows = [
        attend_in_pieces(rotate(one, scaled), rotate(keys[span], turns[span]), values[span])
        for one, keys, values, span in zip(q, k, v, spans, strict=True)
    ]
    return torch.stack(rows)


class RotaryAttention(nn.Module):
    """Single-head attention. Keys and values have `memory_dim` channels."""

    def __init__(self, channels: int, memory_dim: int) -> None:
        super().__init__()
        self.q_proj = Linear(channels, channels)
        self.k_proj = Linear(memory_dim, channels)
        self.v_proj = Linear(memory_dim, channels)
        self.out_proj = Linear(channels, channels)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, turns: Tensor, used: Tensor | None = None) -> Tensor:
        """x (N, hw, C), keys and values (N, K, Cm) -> (N, hw, C); `turns` and `used` as in `attend_rotated`."""
        if len(x) > OBJECTS_AT_ONCE:
            parts = [slice(first, first + OBJECTS_AT_ONCE) for first in range(0, len(x), OBJECTS_AT_ONCE)]
            return torch.cat([
                self(x[part], keys[part], values[part], turns, None if used is None else used[part]) for part in parts
            ])  # fmt: skip
        q, k = self.q_proj(x), self.k_proj(keys)
        # under autocast, queries and keys are narrower than the memory
        return self.out_proj(self.v_proj(attend_rotated(q, k, values.to(q.dtype), turns, used)))


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
        x = x + self.cross_attn_image(self.norm2(x), memory.keys, memory.values, turns, memory.used)
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
