"""Small building blocks shared by the parts of the network."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_ros.model.attention import attend
from sam2_ros.model.linear import Linear

EPS = 1e-6
FEW_CHANNELS = 8


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of (B, C, H, W), with eps 1e-6 as in the published network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] > FEW_CHANNELS:
            x = x.permute(0, 2, 3, 1)
            return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, EPS).permute(0, 3, 1, 2)
        # torch's kernel works pixel by pixel, which is slow for pixels of few channels
        wide = x if x.dtype == torch.float64 else x.float()
        offset = wide - wide.mean(1, keepdim=True)
        unit = offset * (offset.square().mean(1, keepdim=True) + EPS).rsqrt()
        return (unit * self.weight[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class MLP(nn.Module):
    """`num_layers` linear layers with an activation between them, none after the last: (..., C_in) -> (..., C_out)."""

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        output_dim: int,
        num_layers: int,
        *,
        activation: str = 'relu',
    ) -> None:
        super().__init__()
        dims = [input_dim, *[hidden_dim] * (num_layers - 1), output_dim]
        self.layers = nn.ModuleList(Linear(d_in, d_out) for d_in, d_out in pairwise(dims))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            x = layer(x, self.activation)
        return last(x)


class Attention(nn.Module):
    """Multi-head attention with separate q, k, v projections; `internal_dim` may be less than `embedding_dim`."""

    def __init__(self, embedding_dim: int, num_heads: int, *, internal_dim: int | None = None) -> None:
        super().__init__()
        internal_dim = internal_dim or embedding_dim
        self.num_heads = num_heads
        self.q_proj = Linear(embedding_dim, internal_dim)
        self.k_proj = Linear(embedding_dim, internal_dim)
        self.v_proj = Linear(embedding_dim, internal_dim)
        self.out_proj = Linear(internal_dim, embedding_dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (B, Lq, C), k and v (B, Lk, C) -> (B, Lq, C)."""
        q, k, v = (
            proj(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for proj, x in ((self.q_proj, q), (self.k_proj, k), (self.v_proj, v))
        )
        x = attend(q, k, v)
        return self.out_proj(x.transpose(1, 2).flatten(2))
