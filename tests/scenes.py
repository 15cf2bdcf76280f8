"""Synthetic still pictures: textured shapes before a textured background, drawn with numpy alone."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sam2_ros.model.config import PIXEL_MEAN, PIXEL_STD


@dataclass(frozen=True)
class Scene:
    """`image` (H, W, 3) uint8 RGB; `masks` (K, H, W) bool, the visible parts of its objects."""

    image: NDArray[np.uint8]
    masks: NDArray[np.bool_]

    def boxes(self) -> NDArray[np.float32]:
        """Tight half-open boxes (K, 4) as x0, y0, x1, y1."""
        boxes = []
        for mask in self.masks:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        return np.array(boxes, np.float32)

    def centres(self) -> NDArray[np.float32]:
        """A point (K, 2) as x, y well inside each object."""
        points = []
        for mask in self.masks:
            rows, columns = np.nonzero(mask)
            nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
            points.append((columns[nearest], rows[nearest]))
        return np.array(points, np.float32)


def scene(*, height: int = 256, width: int = 256, seed: int = 0, shift: float = 0.0) -> Scene:
    """An ellipse, a rectangle and a triangle apart from each other, placed by `seed`.

    `shift` moves them to the right by that part of the width.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width, y / height
    image = _texture(height, width, base=rng.uniform(60, 190, 3), rng=rng)
    masks = []
    places = rng.permutation([(0.27, 0.3), (0.73, 0.3), (0.5, 0.74)])
    for shape, (cx, cy) in zip(('ellipse', 'rectangle', 'triangle'), places, strict=True):
        cx, cy = cx + shift + rng.uniform(-0.04, 0.04), cy + rng.uniform(-0.04, 0.04)
        rx, ry = rng.uniform(0.11, 0.17, 2)
        dx, dy = (x - cx) / rx, (y - cy) / ry
        if shape == 'ellipse':
            mask = dx**2 + dy**2 < 1
        elif shape == 'rectangle':
            mask = np.maximum(abs(dx), abs(dy)) < 1
        else:
            mask = (dy < 1) & (dy > 2 * abs(dx) - 1)
        texture = _texture(height, width, base=rng.uniform(0, 255, 3), rng=rng)
        image = np.where(mask[..., None], texture, image)
        masks.append(mask)
    return Scene(image, np.stack(masks))


def network_input(image: NDArray[np.uint8], size: int) -> Tensor:
    """(1, 3, S, S) normalised float32."""
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    pixels = F.interpolate(pixels, size=(size, size), mode='bilinear', antialias=True)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (PIXEL_MEAN, PIXEL_STD))
    return (pixels - mean) / std


def _texture(height: int, width: int, *, base: NDArray, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Smooth noise of several scales around a colour."""
    total = np.zeros((height, width, 3), np.float32)
    for cells, amplitude in ((4, 30), (16, 20), (64, 12)):
        noise = torch.from_numpy(rng.standard_normal((1, 3, cells, cells)).astype(np.float32))
        noise = F.interpolate(noise, size=(height, width), mode='bicubic')[0]
        total += amplitude * noise.permute(1, 2, 0).numpy()
    return np.clip(total + base, 0, 255).astype(np.uint8)


def rectangle(top: int, left: int, bottom: int, right: int, *, shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    """A mask that is a rectangle, edges half-open."""
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask
