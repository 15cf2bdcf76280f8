"""Small building blocks shared by the parts of the network."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONVOLUTION_ELEMENTS = 20_480  # of the input; with fewer, torch does not use oneDNN for a convolution


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(..., C_in) -> (..., C_out), as ``F.linear``; in float32 on the CPU it is computed as a 1x1 convolution.

    torch leaves matrix products to MKL, which uses half of the vector width of AMD processors, and convolutions to
    oneDNN, which uses all of it. A dilation means nothing to a 1x1 kernel, but without one torch takes such a
    convolution for a matrix product when it has a single thread.
    """
    if x.device.type != 'cpu' or x.dtype != torch.float32 or x.numel() <= CONVOLUTION_ELEMENTS:
        return F.linear(x, weight, bias)
    c_out, c_in = weight.shape
    pixels = x.reshape(1, 1, -1, c_in).permute(0, 3, 1, 2)
    y = F.conv2d(pixels, weight.reshape(c_out, c_in, 1, 1), bias, dilation=2)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], c_out)


class Linear(nn.Linear):
    """``nn.Linear`` by way of ``linear``."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of (B, C, H, W), eps 1e-6 as in the published network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, 1e-6).permute(0, 3, 1, 2)


class MLP(nn.Module):
    """``num_layers`` linear layers with an activation between them, none after the last."""

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        output_dim: int,
        num_layers: int,
        *,
        activation: Callable[[Tensor], Tensor] = F.relu,
    ) -> None:
        super().__init__()
        dims = [input_dim, *[hidden_dim] * (num_layers - 1), output_dim]
        self.layers = nn.ModuleList(Linear(d_in, d_out) for d_in, d_out in pairwise(dims))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)


class Attention(nn.Module):
    """Multi-head attention with separate q, k, v projections; ``internal_dim`` may be below ``embedding_dim``."""

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
        x = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(x.transpose(1, 2).flatten(2))
