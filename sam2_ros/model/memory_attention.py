"""Memory attention: current features attend to themselves and to the memory bank (SAM 2 section 4).

It has one head and axial rotary position encoding. Attention weights sum to 1, so the value projection may come after
the weighted sum. The sum then has the few channels of the memory (64) instead of the hidden 256.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

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
    """What the queries attend to: the tokens of M memories, then those of object pointers.

    Attributes:
        values: (N, K, Cm).
        keys: values plus position codes, (N, K, Cm).
        turns: unit complex numbers (K, C/2) that rotate the projected keys; 1 for what has no place in the image, such
            as pointers.
        memories: M.
        pointer_tokens: how many of the K are pointers.
        used: (N, 2) long, the first token of each object and the one after its last. None: all of them.
    """

    values: Tensor
    keys: Tensor
    turns: Tensor
    memories: int
    pointer_tokens: int
    used: Tensor | None = None

    def part(self, objects: slice) -> MemoryTokens:
        """The tokens of some of the objects."""
        used = None if self.used is None else self.used[objects]
        return replace(self, values=self.values[objects], keys=self.keys[objects], used=used)


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
    used: Tensor | None = None,
    summary: Callable[[Tensor], Tensor] = _unchanged,
    score_bias: Tensor | None = None,
) -> Tensor:
    """Softmax attention of one head with rotary position encoding.

    On the CPU, objects are processed one after the other, in pieces, without the tokens that are not used.

    Args:
        q: queries (N, Lq, C).
        k: keys (N, Lk, C).
        v: values (N, Lv, Cv).
        turns: unit complex numbers (Lq, C/2) that rotate the queries.
        key_turns: the same for the keys, (Lk, C/2).
        used: (N, 2) long, the first of the Lv that an object attends to, and the one after its last. None: to all.
        summary: what the rotated keys (..., Lk, C) become before they are compared, (..., Lv, C).
        score_bias: (Lv,), added to the scores of every query.

    Returns:
        (N, Lq, Cv).
    """
    if q.device.type != 'cpu':
        return attend_used(rotate(q, turns), summary(rotate(k, key_turns)), v, used, score_bias)
    scaled = turns / math.sqrt(q.shape[2])
    spans = [slice(None)] * len(q) if used is None else [slice(*span) for span in used.tolist()]
    rows = []
    for one, keys, values, span in zip(q, k, v, spans, strict=True):
        compared, bias = summary(rotate(keys, key_turns))[span], None if score_bias is None else score_bias[span]
        rows.append(attend_in_pieces(rotate(one, scaled), compared, values[span], bias))
    return torch.stack(rows)


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
        if len(x) > OBJECTS_AT_ONCE:
            parts = [slice(first, first + OBJECTS_AT_ONCE) for first in range(0, len(x), OBJECTS_AT_ONCE)]
            return torch.cat([self(x[part], memory.part(part), turns) for part in parts])
        q, k = self.q_proj(x), self.k_proj(memory.keys)
        # under autocast, queries and keys are narrower than the memory
        return self.out_proj(self.v_proj(self.attend(q, k, memory.values.to(q.dtype), turns, memory)))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, turns: Tensor, memory: MemoryTokens) -> Tensor:
        """Queries (N, hw, C), keys (N, K, C) and values (N, K, Cm) -> (N, hw, Cm)."""
        return attend_rotated(q, k, v, turns, memory.turns, used=memory.used)


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
        newest = pixels + pointers  # tokens of the last memory and of the pointers, for objects that have no other

        def landmarks(tokens: Tensor, raised: float = 0.0) -> Tensor:
            maps, rest = tokens.split((tokens.shape[-2] - pointers, pointers), dim=-2)
            maps = maps.unflatten(-2, (-1, side // 2, 2, side // 2, 2)).mean((-2, -4)).flatten(-4, -2)
            read = [maps + raised, rest]
            return torch.cat(read if memory.used is None else [*read, tokens[..., -newest:, :]], dim=-2)

        many = memory.memories * pixels // 4
        used = None
        if memory.used is not None:
            first, end = memory.used[:, 0], memory.used[:, 1] - memory.memories * pixels  # among the pointers
            single = first == (memory.memories - 1) * pixels
            starts = torch.where(single, many + pointers, first // 4)
            ends = torch.where(single, many + pointers + pixels, many) + end
            used = torch.stack((starts, ends), dim=1)
        values = landmarks(v)
        raised = q.new_zeros(values.shape[1])
        raised[:many] = self.WEIGHT
        return attend_rotated(
            q,
            k,
            values,
            turns,
            memory.turns,
            used=used,
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
