"""Pixel values as the image encoder expects them."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from sam2_ros.model.config import PIXEL_MEAN, PIXEL_STD


def normalize(pixels: Tensor) -> Tensor:
    """RGB of any type in [0, 1], (..., 3, H, W) -> float32: minus the mean of ImageNet, over its standard deviation."""
    mean, std = _statistics(pixels.device)
    return (pixels.float() - mean) / std


@cache  # all are kept: graphs on a GPU read them where they lie
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):
        mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (PIXEL_MEAN, PIXEL_STD))
        return mean, std
