"""Random weights that exercise every parameter, for comparisons where no trained ones exist."""

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
        if key.endswith('.gamma'):
            tensor.mul_(0.3)
        elif key.endswith('.bias'):
            tensor.mul_(0.1)
        elif tensor.ndim == 1:
            tensor.mul_(0.2).add_(1)  # scale of a norm
        elif key.endswith('.weight') and 'embed.weight' not in key and 'token' not in key.split('.')[-2]:
            tensor.div_(tensor[0].numel() ** 0.5)
    return state_dict
