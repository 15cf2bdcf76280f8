"""Hiera trunk: a hierarchical vision transformer with windowed attention (Ryali et al. 2023, SAM 2 section 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_ros.model.attention import attend
from sam2_ros.model.config import HieraConfig
from sam2_ros.model.layers import MLP
from sam2_ros.model.linear import Linear
from sam2_ros.model.position_encoding import stretched

NORM_EPS = 1e-6


def _pool(x: Tensor) -> Tensor:
    """Max-pool (B, H, W, C) 2x2."""
    rows = torch.maximum(x[:, ::2], x[:, 1::2])  # faster on the CPU than F.max_pool2d, which also finds indices
    return torch.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def _to_windows(x: Tensor, window: int) -> Tensor:
    """(B, H, W, C) -> (B * windows, window, window, C), zero-padded at the bottom and right.

    As in the published network, the padding takes part in attention as keys and values.
    """
    batch, height, width, channels = x.shape
    if height % window or width % window:  # F.pad copies x even where it adds nothing
        x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    rows, columns = x.shape[1] // window, x.shape[2] // window
    x = x.view(batch, rows, window, columns, window, channels).transpose(2, 3)
    return x.reshape(-1, window, window, channels)


def _from_windows(x: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Inverse of `_to_windows` for an output of `height` x `width`; drops the padding."""
    window, channels = x.shape[1], x.shape[-1]
    rows, columns = -(-height // window), -(-width // window)
    x = x.view(batch, rows, columns, window, window, channels).transpose(2, 3)
    return x.reshape(batch, rows * window, columns * window, channels)[:, :height, :width]


class MultiScaleAttention(nn.Module):
    """Self-attention over (B, H, W, C). With `pool`, the queries alone are pooled 2x2."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, *, pool: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.pool = pool
        self.qkv = Linear(dim, 3 * dim_out)
        self.proj = Linear(dim_out, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        if self.pool:
            q = _pool(q)
        height, width = q.shape[1:3]
        q, k, v = (t.flatten(1, 2).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in (q, k, v))
        x = attend(q, k, v)
        return self.proj(x.transpose(1, 2).flatten(2)).unflatten(1, (height, width))


class MultiScaleBlock(nn.Module):
    """Transformer block. `window` 0 attends globally; `pool` halves the resolution (first block of a stage)."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, *, window: int, pool: bool) -> None:
        super().__init__()
        self.window = window
        self.pool = pool
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = MultiScaleAttention(dim, dim_out, num_heads, pool=pool)
        self.norm2 = nn.LayerNorm(dim_out, eps=NORM_EPS)
        self.mlp = MLP(dim_out, 4 * dim_out, dim_out, 2, activation='gelu')
        self.proj = Linear(dim, dim_out) if dim != dim_out else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        x = self.norm1(x)
        if self.proj is not None:  # the published network projects the normalised input, not the raw one
            shortcut = self.proj(x)
            if self.pool:
                shortcut = _pool(shortcut)
        batch, height, width, _ = shortcut.shape
        window = self.window
        x = _from_windows(self.attn(_to_windows(x, window)), batch, height, width) if window else self.attn(x)
        x = shortcut + x
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """Image (B, 3, S, S) -> tokens (B, S/stride, S/stride, C): one convolution."""

    def __init__(self, embed_dim: int, *, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).permute(0, 2, 3, 1).contiguous()  # all later layers need the channels last


class Hiera(nn.Module):
    """Image (B, 3, S, S) -> features of strides 4, 8, 16, 32 as (B, C, H, W), shallow to deep."""

    def __init__(self, config: HieraConfig) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(config.embed_dim, kernel=7, stride=4, padding=3)
        window = config.window_spec[0]
        self.pos_embed = nn.Parameter(torch.zeros(1, config.embed_dim, *[config.pos_embed_background] * 2))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, config.embed_dim, window, window))
        self.blocks = nn.ModuleList()
        self.stage_ends: list[int] = []
        dim = config.embed_dim
        for stage, depth in enumerate(config.stages):
            for block in range(depth):
                index = len(self.blocks)
                opens_stage = block == 0 and stage > 0
                # the block that opens a stage still works in the windows of the stage before
                window = config.window_spec[stage - 1 if opens_stage else stage]
                self.blocks.append(
                    MultiScaleBlock(
                        dim,
                        config.stage_dims[stage],
                        config.num_heads * 2**stage,
                        window=0 if index in config.global_attention_blocks else window,
                        pool=opens_stage,
                    )
                )
                dim = config.stage_dims[stage]
            self.stage_ends.append(len(self.blocks) - 1)

    def _position(self, height: int, width: int) -> Tensor:
        """Learned position (H, W, C): a stretched background grid plus a repeated window pattern."""
        window = self.pos_embed_window[0].permute(1, 2, 0).contiguous()
        background = stretched(self.pos_embed[0].permute(1, 2, 0), height, width)
        side = len(window)  # divides both lengths, because images have sides that are multiples of 32
        tiles = background.view(-1, side, width // side, side, window.shape[2])
        return (tiles + window[:, None]).view(background.shape)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.patch_embed(images)
        x = x + self._position(*x.shape[1:3])
        outputs = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.stage_ends:
                outputs.append(x.permute(0, 3, 1, 2))
        return outputs
