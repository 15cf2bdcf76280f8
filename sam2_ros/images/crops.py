"""Where to look and where to ask: crops of an image, and grids of points (SAM appendix B, "Segmenting everything")."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np


@dataclass(frozen=True)
class Crop:
    """A part of an image.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the image, half-open.
        layer: 0 for the whole image, then one more for each halving of the sides.
    """

    box: tuple[int, int, int, int]
    layer: int

    @property
    def area(self) -> int:
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        x0, y0, x1, y1 = self.box
        return y1 - y0, x1 - x0


def crops_of(size: tuple[int, int], *, layers: int, overlap_ratio: float) -> list[Crop]:
    """The whole image, then 4 crops, then 16 and so on.

    Args:
        size: (height, width) of the image in pixels.
        layers: how many layers of crops.
        overlap_ratio: by how much of the shorter side of the image the crops of the first layer overlap; those of the
            next by half of that, and so on.
    """
    height, width = size
    crops = [Crop((0, 0, width, height), 0)]
    for layer in range(1, layers + 1):
        count = 2**layer
        overlap = int(overlap_ratio * min(size) * (2 / count))
        crop_width, crop_height = (math.ceil((overlap * (count - 1) + side) / count) for side in (width, height))
        lefts = [(crop_width - overlap) * number for number in range(count)]
        tops = [(crop_height - overlap) * number for number in range(count)]
        crops += [
            Crop((x, y, min(x + crop_width, width), min(y + crop_height, height)), layer)
            for x, y in product(lefts, tops)
        ]
    return crops


def point_grid(per_side: int) -> np.ndarray:
    """(per_side**2, 2) points x, y in 0..1, in the middles of the cells of a grid, row by row."""
    half = 1 / (2 * per_side)
    along = np.linspace(half, 1 - half, per_side)
    x, y = np.meshgrid(along, along)
    return np.stack((x.ravel(), y.ravel()), axis=1)
