"""The resizing of images on any device, byte for byte as torch does it on the CPU.

torch resizes bytes on the CPU by two passes with whole weights, and rounds to bytes between them. On a GPU it has only
floats, which would differ in more than a tenth of the values. Here the same sums are computed with integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

WEIGHT_BITS = 15  # a weight is less than 2 to this
MOST_PRECISION = 22  # bits after the point
SUPPORT = 2.0  # of the cubic kernel, in pixels of the wider spaced grid
SHARPNESS = -0.5  # the parameter a of the cubic kernel (Keys 1981)


@dataclass(frozen=True)
class Shrink:
    """An image (H, W, 3) uint8 -> (3, S, S) uint8, as `preprocessing.resize_bicubic`."""

    size: int

    def __call__(self, image: Tensor) -> tuple[Tensor]:
        planes = image.permute(2, 0, 1)
        return (_resized(_resized(planes, self.size).mT, self.size).mT.contiguous(),)


def _resized(image: Tensor, size: int) -> Tensor:
    """(..., L) uint8 -> (..., S) uint8."""
    index, weights, precision = _taps(image.shape[-1], size, image.device)
    total = (image[..., index] * weights).sum(dim=-1, dtype=torch.int32)
    return ((total + (1 << (precision - 1))) >> precision).clamp(0, 255).to(torch.uint8)


@cache  # all are kept: graphs on a GPU read them where they lie
def _taps(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """Which pixels (S, T) of a line each pixel of the new one is made of, with which whole weights (S, T).

    Returns:
        Indices, weights, and the bits after the point that the weights have.
    """
    scale = length / size
    support, squeeze = SUPPORT * max(scale, 1.0), 1 / max(scale, 1.0)
    centre = scale * (np.arange(size) + 0.5)
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    count = np.minimum((centre + support + 0.5).astype(np.int64), length) - first
    tap = np.arange(count.max())
    valid = tap < count[:, None]
    weights = np.where(valid, _cubic((tap + first[:, None] - centre[:, None] + 0.5) * squeeze), 0.0)
    # summed one after the other, as there
    weights = weights / np.cumsum(weights, axis=1)[:, -1:]
    precision = 0
    while precision < MOST_PRECISION and int(0.5 + weights.max() * (1 << (precision + 1))) < 1 << WEIGHT_BITS:
        precision += 1
    scaled = weights * (1 << precision)
    whole = np.where(scaled < 0, scaled - 0.5, scaled + 0.5).astype(np.int32)
    with torch.inference_mode(False):
        index = torch.from_numpy(np.minimum(first[:, None] + tap, length - 1)).to(device)
        return index, torch.from_numpy(np.where(valid, whole, 0)).to(device), precision


def _cubic(distance: np.ndarray) -> np.ndarray:
    """The cubic convolution kernel, in the order of operations in which torch computes it."""
    x, a = np.abs(distance), SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
