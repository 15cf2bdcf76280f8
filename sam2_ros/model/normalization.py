"""Pixel values as the image encoder expects them."""

from __future__ import annotations

import torch
from torch import Tensor

from sam2_ros.model.config import PIXEL_MEAN, PIXEL_STD


def normalize(pixels: Tensor) -> Tensor:
    """RGB of any type in [0, 1], (..., 3, H, W) -> float32: minus the mean of ImageNet, over its standard deviation."""
    mean, std = (torch.tensor(values, device=pixels.device)[:, None, None] for values in (PIXEL_MEAN, PIXEL_STD))
    return (pixels.float() - mean) / std
