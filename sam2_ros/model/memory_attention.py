"""Memory attention: current features attend to themselves and to the memory bank (SAM 2 section 4).

It has one head and axial rotary position encoding. Attention weights sum to 1, so the value projection may come after
the weighted sum. The sum then has the few channels of the memory (64) instead of the hidden 256.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
    """What the queries attend to: the tokens of M memories, then those of object pointers.

    Attributes:
        values: (N, K, Cm).
        keys: values plus position codes, (N, K, Cm).
        turns: unit complex numbers (K, C/2) that rotate the projected keys; 1 for what has no place in the image, such
            as pointers.
        memories: M.
        pointer_tokens: how many of the K are pointers.
    """

    values: Tensor
    keys: Tensor
    turns: Tensor
    memories: int
    pointer_tokens: int


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate the pairs of neighbouring channels of (..., L, C) by unit complex numbers (L, C/2), in float32."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)


def _unchanged(keys: Tensor) -> Tensor:
    return keys


def attend_rotated(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    turns: Tensor,
    key_turns: Tensor,
    *,
    summary: Callable[[Tensor], Tensor] = _unchanged,
    score_bias: Tensor | None = None,
) -> Tensor:
    """Softmax attention of one head with rotary position encoding.

    Fused kernels need Cv = C, and are slower on the CPU. There, objects are processed one after the other, in pieces.

    Args:
        q: queries (N, Lq, C).
        k: keys (N, Lk, C).
        v: values (N, Lv, Cv).
        turns: unit complex numbers (Lq, C/2) that rotate the queries.
        key_turns: the same for the keys, (Lk, C/2).
        summary: what the rotated keys (..., Lk, C) become before they are compared, (..., Lv, C).
        score_bias: (Lv,), added to the scores of every query.

    Returns:
        (N, Lq, Cv).
    """
    if q.device.type == 'cpu':
        scaled = turns / math.sqrt(q.shape[2])
        rows = [
            attend_in_pieces(rotate(one, scaled), summary(rotate(keys, key_turns)), values, score_bias)
            for one, keys, values in zip(q, k, v, strict=True)
        ]
        return torch.stack(rows)
    q, k = rotate(q, turns), summary(rotate(k, key_turns))
    padded = F.pad(v, (0, q.shape[-1] - v.shape[-1]))
    mask = None if score_bias is None else score_bias.expand(len(q), 1, q.shape[1], -1)
    return F.scaled_dot_product_attention(q[:, None], k[:, None], padded[:, None], mask)[:, 0, :, : v.shape[-1]]


class RotaryAttention(nn.Module):
    """Single-head attention. Keys and values have `memory_dim` channels."""

    def __init__(self, channels: int, memory_dim: int) -> None:
        super().__init__()
        self.q_proj = Linear(channels, channels)
        self.k_proj = Linear(memory_dim, channels)
        self.v_proj = Linear(memory_dim, channels)
        self.out_proj = Linear(channels, channels)

    def forward(self, x: Tensor, memory: MemoryTokens, turns: Tensor) -> Tensor:
        """x (N, hw, C), memory with K tokens for each object, and the turns of x (hw, C/2) -> (N, hw, C)."""
        q, k = self.q_proj(x), self.k_proj(memory.keys)
        # under autocast, queries and keys are narrower than the memory
        return self.out_proj(self.v_proj(self.attend(q, k, memory.values.to(q.dtype), turns, memory)))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, turns: Tensor, memory: MemoryTokens) -> Tensor:
        """Queries (N, hw, C), keys (N, K, C) and values (N, K, Cm) -> (N, hw, Cm)."""
        return attend_rotated(q, k, v, turns, memory.turns)


class LandmarkAttention(RotaryAttention):
    """Instead of memories it reads their 2x2 averages, called landmarks (EfficientTAM, arXiv 2411.18933).

    A landmark stands for four tokens, so its score is raised by log 4. A published variant adds that number to each
    channel of the key instead. A single memory is read whole.

    Args:
        channels, memory_dim: as in `RotaryAttention`.
        raise_keys: the published variant.
    """

    WEIGHT = 2 * math.log(2)

    def __init__(self, channels: int, memory_dim: int, *, raise_keys: bool) -> None:
        super().__init__(channels, memory_dim)
        self.raise_keys = raise_keys

    def attend(self, q: Tensor, k: Tensor, v: Tensor, turns: Tensor, memory: MemoryTokens) -> Tensor:
        if memory.memories == 1:
            return super().attend(q, k, v, turns, memory)
        pixels, pointers = q.shape[1], memory.pointer_tokens
        side = math.isqrt(pixels)

        def landmarks(tokens: Tensor, raised: float = 0.0) -> Tensor:
            maps, rest = tokens.split((tokens.shape[-2] - pointers, pointers), dim=-2)
            maps = maps.unflatten(-2, (-1, side // 2, 2, side // 2, 2)).mean((-2, -4)).flatten(-4, -2)
            return torch.cat((maps + raised, rest), dim=-2)

        raised = q.new_zeros(memory.memories * pixels // 4 + pointers)
        raised[: len(raised) - pointers] = self.WEIGHT
        return attend_rotated(
            q,
            k,
            landmarks(v),
            turns,
            memory.turns,
            summary=lambda keys: landmarks(keys, self.WEIGHT if self.raise_keys else 0.0),
            score_bias=None if self.raise_keys else raised,
        )


class MemoryAttentionLayer(nn.Module):
    """Self-attention, cross-attention to memory, feed-forward; each with a layer norm before it and a residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels = config.hidden_dim
        self.self_attn = RotaryAttention(channels, channels)
        self.cross_attn_image = _cross_attention(config)
        self.linear1 = Linear(channels, config.memory_feedforward)
        self.linear2 = Linear(config.memory_feedforward, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels)

    def forward(self, x: Tensor, memory: MemoryTokens, turns: Tensor) -> Tensor:
        own = self.norm1(x)
        x = x + self.self_attn(own, MemoryTokens(own, own, turns, memories=1, pointer_tokens=0), turns)
        if x.shape[0] < memory.values.shape[0]:  # until here all objects share the image's features
            x = x.expand(memory.values.shape[0], -1, -1)
        x = x + self.cross_attn_image(self.norm2(x), memory, turns)
        return x + self.linear2(self.linear1(self.norm3(x), 'relu'))


def _cross_attention(config: ModelConfig) -> RotaryAttention:
    if config.landmarks is None:
        return RotaryAttention(config.hidden_dim, config.memory_dim)
    return LandmarkAttention(config.hidden_dim, config.memory_dim, raise_keys=config.landmarks == 'keys')


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
        turns = axial_rope_turns(height, width, channels, features.device)
        for layer in self.layers:
            x = layer(x, memory, turns)
        return self.norm(x).transpose(1, 2).unflatten(2, (height, width))
