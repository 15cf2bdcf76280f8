"""Linear layers that use oneDNN on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONVOLUTION_ELEMENTS = 20_480  # elements of the input; below this, torch does not use oneDNN for a convolution
POINTWISE_PRODUCTS = 2**20  # multiplications; below this, calling oneDNN takes longer than they do
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {'none': lambda x: x, 'relu': F.relu, 'gelu': F.gelu}


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, activation: str = 'none') -> Tensor:
    """A linear layer and its activation: (..., C_in) -> (..., C_out).

    For float32 on the CPU, torch gives matrix products to MKL, which uses half of the vector width of AMD processors.
    oneDNN uses all of it. torch has an internal oneDNN operator that also applies the activation, but has no gradients.
    Where that cannot be used, a large product runs as a convolution, for which torch also uses oneDNN.

    Args:
        x: (..., C_in).
        weight: (C_out, C_in).
        bias: (C_out,).
        activation: a key of `ACTIVATIONS`.
    """
    if x.dtype == weight.dtype and x.numel() * weight.shape[0] >= POINTWISE_PRODUCTS and _takes_pointwise(weight):
        # if rows of the weights are apart in memory, it is hundreds of times slower
        return _pointwise(x, weight.contiguous(), bias, activation)
    if x.device.type == 'cpu' and x.dtype == torch.float32 and x.numel() > CONVOLUTION_ELEMENTS:
        return ACTIVATIONS[activation](_convolve(x, weight, bias))
    return ACTIVATIONS[activation](F.linear(x, weight, bias))


def multiplier(weight: Tensor, rows: int, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """`linear` for several inputs with the same weights, which are laid out for oneDNN only once.

    Args:
        weight: (C_out, C_in).
        rows: about how many rows each input (rows, C_in) has.
        bias: (C_out,).
    """
    if not _takes_pointwise(weight):
        return lambda x: linear(x, weight, bias)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)
    return lambda x: _pointwise(x, packed, bias, 'none')


def _takes_pointwise(weight: Tensor) -> bool:
    return (
        weight.device.type == 'cpu'
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled('cpu')
        and bool(torch.backends.mkldnn.enabled)
        and _has_pointwise(weight.dtype)
    )


@cache
def _has_pointwise(dtype: torch.dtype) -> bool:
    """Whether this torch has the oneDNN operators that are called here; they are not part of its documented API."""
    if dtype not in (torch.float32, torch.bfloat16):
        return False
    one = torch.ones(1, 1, dtype=dtype)
    try:
        return bool(_pointwise(one, torch.ops.mkldnn._reorder_linear_weight(one, 1), None, 'none') == 1)
    except (AttributeError, RuntimeError, TypeError):
        return False


def _pointwise(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    algorithm = 'none' if activation == 'gelu' else ''
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], algorithm)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.linear` as a 1x1 convolution, for which torch uses oneDNN, with gradients.

    The dilation does not change the result of a 1x1 kernel. Without it, torch with a single thread would turn the
    convolution back into a matrix product.
    """
    c_out, c_in = weight.shape
    pixels = x.reshape(1, 1, -1, c_in).permute(0, 3, 1, 2)
    y = F.conv2d(pixels, weight.reshape(c_out, c_in, 1, 1), bias, dilation=2)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], c_out)


class Linear(nn.Linear):
    """`nn.Linear` that calls `linear`, with an activation after it."""

    def forward(self, x: Tensor, activation: str = 'none') -> Tensor:
        return linear(x, self.weight, self.bias, activation=activation)
