"""Random weights that exercise every parameter, for comparisons where no trained ones exist."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn


def randomise(network: nn.Module, *, seed: int) -> dict[str, Tensor]:
    """Fill all parameters and buffers of `network` in place, and return its state dict.

    Fresh modules hide mistakes: norms and layer scales do nothing, position codes and biases are zero. Here nothing is
    neutral, and activations keep about their size from layer to layer.
    """
    generator = torch.Generator().manual_seed(seed)
    state_dict = network.state_dict()
    for key, tensor in state_dict.items():
        tensor.normal_(generator=generator)
        _fit(key, tensor)
    return state_dict


def portable_weights(shapes: Mapping[str, tuple[int, ...]], *, seed: int) -> dict[str, Tensor]:
    """The same for tensors of these names and shapes; equal on all machines and with all versions of torch."""
    generator = np.random.default_rng(seed)
    state_dict = {}
    for key in sorted(shapes):
        state_dict[key] = torch.from_numpy(generator.standard_normal(shapes[key], dtype=np.float32))
        _fit(key, state_dict[key])
    return state_dict


def _fit(key: str, tensor: Tensor) -> None:
    """Make standard normal numbers those of a parameter, in place."""
    parent, _, name = key.rpartition('.')
    if name == 'gamma':
        tensor.mul_(0.3)
    elif name in ('bias', 'running_mean'):
        tensor.mul_(0.1)
    elif name == 'running_var':
        tensor.abs_().add_(0.5)
    elif tensor.ndim == 1:
        tensor.mul_(0.2).add_(1)  # scale of a norm
        if parent.endswith(('conv2.bn', 'token_mixer.conv.bn', 'token_mixer.conv1.bn')):
            tensor.mul_(0.3)  # of a branch beside a residual, of which RepViT has many in a row
    elif name == 'weight' and 'embed.weight' not in key and 'token' not in parent.split('.')[-1]:
        tensor.div_(tensor[0].numel() ** 0.5)
