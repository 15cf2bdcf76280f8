"""2D spatial perceiver: a spatial memory becomes few tokens (EdgeTAM, Zhou et al. 2025, arXiv 2501.07256)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_ros.model.attention import attend
from sam2_ros.model.linear import Linear
from sam2_ros.model.position_encoding import axial_rope_turns, sine_position_2d

DEPTH = 2
EXPANSION = 4  # hidden channels of the MLPs, in multiples of their inputs


class FeedForward(nn.Sequential):
    """Layer norm and MLP over (N, L, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.LayerNorm(channels),
            Linear(channels, EXPANSION * channels, bias=False),
            nn.GELU(),
            Linear(EXPANSION * channels, channels, bias=False),
        )


class LatentAttention(nn.Module):
    """Attention of one head, without biases; `position` is added to keys and values after their projection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.to_q = Linear(channels, channels, bias=False)
        self.to_kv = Linear(channels, 2 * channels, bias=False)
        self.to_out = Linear(channels, channels, bias=False)

    def attend(self, latents: Tensor, x: Tensor, position: Tensor | None = None) -> Tensor:
        """Latents (N, L, C), x (N, K, C) and position (K, C) -> (N, L, C)."""
        k, v = self.to_kv(x).chunk(2, dim=-1)
        if position is not None:
            k, v = k + position, v + position
        return self.to_out(attend(self.to_q(latents)[:, None], k[:, None], v[:, None])[:, 0])


class CrossAttention(LatentAttention):
    """Latents attend to the memory."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.norm_x = nn.LayerNorm(channels)
        self.norm_latents = nn.LayerNorm(channels)

    def forward(self, latents: Tensor, x: Tensor, position: Tensor | None) -> Tensor:
        return self.attend(self.norm_latents(latents), self.norm_x(x), position)


class SelfAttention(LatentAttention):
    """Latents attend to each other."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, latents: Tensor) -> Tensor:
        latents = self.norm(latents)
        return self.attend(latents, latents)


class PerceiverLayer(nn.Module):
    """Cross-attention, MLP, self-attention, MLP; each with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attn = CrossAttention(channels)
        self.ff = FeedForward(channels)
        self.self_attn = SelfAttention(channels)
        self.self_ff = FeedForward(channels)

    def forward(self, latents: Tensor, x: Tensor, position: Tensor | None) -> Tensor:
        latents = latents + self.attn(latents, x, position)
        latents = latents + self.ff(latents)
        latents = latents + self.self_attn(latents)
        return latents + self.self_ff(latents)


class PerceiverResampler(nn.Module):
    """A memory form (see `memory_forms`): half of the tokens are global, half belong to the windows of a grid.

    Global latents see the whole memory. Each local latent sees its own window, and so has a place in the image: the
    grid has `side` x `side` windows whatever the size of the memory. Both go through the same layers.

    Args:
        channels: Cm of the memories.
        side: of the grid; there are side * side latents of either kind.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.latents = nn.Parameter(torch.randn(side * side, channels))
        self.latents_2d = nn.Parameter(torch.randn(side * side, channels))
        self.layers = nn.ModuleList(PerceiverLayer(channels) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(channels)

    def forward(self, memory: Tensor) -> Tensor:
        """Memory (N, Cm, h, w), sides that are multiples of that of the grid -> (N, 2 side^2, Cm): global, local."""
        return torch.cat((self._global(memory), self._local(memory)), dim=1)

    def _global(self, memory: Tensor) -> Tensor:
        count, channels, height, width = memory.shape
        position = sine_position_2d(height, width, channels, memory.device).flatten(1).T.to(memory.dtype)
        return self._refined(self.latents.expand(count, -1, -1), memory.flatten(2).transpose(1, 2), position)

    def _local(self, memory: Tensor) -> Tensor:
        (count, channels), side = memory.shape[:2], self.side
        windows = memory.unflatten(3, (side, -1)).unflatten(2, (side, -1)).permute(0, 2, 4, 3, 5, 1)
        windows = windows.reshape(count * side * side, -1, channels)
        latents = self._refined(self.latents_2d.repeat(count, 1)[:, None], windows, None)
        return latents.view(count, side * side, channels)

    def _refined(self, latents: Tensor, x: Tensor, position: Tensor | None) -> Tensor:
        for layer in self.layers:
            latents = layer(latents, x, position)
        return self.norm(latents)

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        return 2 * self.side**2, self.latents.shape[1]

    def tokens(self, memories: Tensor) -> Tensor:
        return memories

    def places(self, height: int, width: int, device: torch.device) -> Tensor:
        """Zero for global latents."""
        local = sine_position_2d(self.side, self.side, self.latents.shape[1], device).flatten(1).T
        return F.pad(local, (0, 0, self.side**2, 0))

    def turns(self, height: int, width: int, channels: int, device: torch.device) -> Tensor:
        """None for global latents. Local ones turn by the cell of their window, not by the pixels of the image."""
        local = axial_rope_turns(self.side, self.side, channels, device)
        return torch.cat((torch.ones_like(local), local))
