"""Chooses the device and the number format of a network where the user leaves them open."""

from __future__ import annotations

import torch

AUTO = 'auto'
DTYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}


def choose_device(name: str = AUTO) -> torch.device:
    """The device of this name; `auto` is the first GPU, or the CPU if there is none.

    Raises:
        ValueError: if the device is not there.
    """
    if name == AUTO:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises the latter when it was built without CUDA
        raise ValueError(
            f'the device {name!r} cannot be used; accepted are auto, cpu, and cuda, cuda:0 ... where PyTorch sees a '
            f'GPU (PyTorch {torch.__version__} sees {torch.cuda.device_count()}): {str(error).splitlines()[0]}'
        ) from error
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number format of this name.

    Args:
        name: a key of `DTYPES`, or `auto`: bfloat16 on a GPU and float32 on the CPU.
        device: the device of the network.
    """
    if name == AUTO:
        return torch.bfloat16 if device.type == 'cuda' else torch.float32
    return DTYPES[name]
