"""Boxes of masks, and how far boxes agree. A box is x, y, width, height in pixels; x and y are its left top corner."""

from __future__ import annotations

import numpy as np


def boxes_of(masks: np.ndarray, *, inclusive: bool = True) -> np.ndarray:
    """The box around each mask; zeros around an empty one.

    Args:
        masks: (..., H, W) bool.
        inclusive: both outermost pixels count, so the width is x1 - x0 + 1, as DAM4SAM writes boxes. False: x1 - x0, as
            SAMURAI and the VOT toolkit do. One pixel moves the figures of small objects.

    Returns:
        (..., 4) float64.
    """
    extents = []
    for axis in (-2, -1):  # columns, then rows
        line = np.any(masks, axis=axis)
        first = line.argmax(axis=-1)
        last = line.shape[-1] - 1 - line[..., ::-1].argmax(axis=-1)
        extents.append((first, last - first + inclusive))
    (x, width), (y, height) = extents
    boxes = np.stack([x, y, width, height], axis=-1).astype(float)
    shown = np.any(masks, axis=(-2, -1))
    return boxes * shown[..., None]


def box_overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union; 0 where both boxes are without area.

    Args:
        first, second: (..., 4), no width or height below 0.

    Returns:
        (...) float64 in [0, 1].
    """
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=-1)
    union = np.prod(first[..., 2:], axis=-1) + np.prod(second[..., 2:], axis=-1) - common
    return np.divide(common, union, out=np.zeros_like(union, dtype=float), where=union > 0)


def clipped(boxes: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Boxes (..., 4) without what lies outside an image (height, width), as the toolkit of GOT-10k clips them.

    A box that begins left of the image or above it is moved inside, and keeps its size where the image is large enough.
    """
    limit = np.array(image_size[::-1], float)
    corner = np.clip(boxes[..., :2], 0, limit)
    return np.concatenate([corner, np.clip(boxes[..., 2:], 0, limit - corner)], axis=-1)
