"""The masks of all objects as one image of labels, in which points are looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np

LEAST_CORE = 1 / 3  # share of a mask that has to be left after erosion; thin objects are eroded less
MOST_OBJECTS = (1 << 14) - 1


class Layer(IntEnum):
    """Where in a mask a pixel lies: the two low bits of its label."""

    NONE = 0
    MARGIN = 1  # outside, within the erosion
    RIM = 2  # inside, within the erosion: here masks bleed, and depth pixels fly between object and background
    CORE = 3


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask, cropped.

    Attributes:
        corner: (x, y) in the image of the first pixel of the crop.
        crop: (h, w), not zero on the object.
    """

    corner: tuple[int, int]
    crop: np.ndarray


@dataclass(frozen=True, eq=False)
class LabelImage:
    """A label for each pixel: the number of its object, counted from 1, times 4, plus its Layer; 0 where none is.

    Attributes:
        values: (H, W) uint16.
        box: x0, y0, x1, y1 in pixels, half-open: all labels are in it. Empty (x0 = x1) without any.
    """

    values: np.ndarray
    box: tuple[int, int, int, int]


def draw_labels(masks: Sequence[Mask], *, image_size: tuple[int, int], erosion: int) -> LabelImage:
    """One image of labels of all masks. Where masks overlap, the smaller one counts: a cup before its table.

    Args:
        masks: whose first one has number 1. They may lie partly outside the image.
        image_size: (height, width) in pixels.
        erosion: width of the rim and of the margin in pixels.

    Raises:
        ValueError: for more than MOST_OBJECTS masks.
    """
    if len(masks) > MOST_OBJECTS:
        raise ValueError(f'{len(masks)} masks, but at most {MOST_OBJECTS} are accepted')
    values = np.zeros(image_size, np.uint16)
    binary = [np.ascontiguousarray(mask.crop != 0).view(np.uint8) for mask in masks]
    areas = [int(cv2.countNonZero(crop)) for crop in binary]
    drawn: list[tuple[int, int, int, int]] = []
    layers: list[tuple[int, np.ndarray, tuple[slice, slice]]] = []
    for place in sorted(range(len(masks)), key=lambda place: -areas[place]):
        if not areas[place]:
            continue
        x, y = masks[place].corner
        layer = _layers(binary[place], areas[place], erosion)
        window, layer = _clipped(layer, (x - erosion, y - erosion), image_size)
        if layer.size:
            inside, target = layer >= Layer.RIM, values[window]
            target[inside] = layer[inside] + ((place + 1) << 2)
            layers.append((place, layer, window))
            rows, columns = window
            drawn.append((columns.start, rows.start, columns.stop, rows.stop))
    for place, layer, window in layers:  # after all masks, for a margin is what no mask covers
        target = values[window]
        target[(layer == Layer.MARGIN) & (target == 0)] = Layer.MARGIN + ((place + 1) << 2)
    if not drawn:
        return LabelImage(values, (0, 0, 0, 0))
    corners = np.array(drawn)
    x0, y0 = (int(value) for value in corners[:, :2].min(0))
    x1, y1 = (int(value) for value in corners[:, 2:].max(0))
    return LabelImage(values, (x0, y0, x1, y1))


def _layers(crop: np.ndarray, area: int, erosion: int) -> np.ndarray:
    """The Layer of each pixel of a crop and of a frame of `erosion` pixels around it: (h + 2e, w + 2e) uint8."""
    padded = np.pad(crop, erosion)
    if not erosion:
        return padded * np.uint8(Layer.CORE)
    layer = cv2.dilate(padded, _disc(erosion))  # MARGIN is 1
    layer[padded != 0] = Layer.RIM
    width, core = erosion, cv2.erode(padded, _disc(erosion))
    while width and cv2.countNonZero(core) < LEAST_CORE * area:
        width //= 2
        core = cv2.erode(padded, _disc(width)) if width else padded
    layer[core != 0] = Layer.CORE
    return layer


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _clipped(
    layer: np.ndarray, corner: tuple[int, int], image_size: tuple[int, int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """The part of a crop that lies in the image, and where it lies there."""
    slices, parts = [], []
    for start, length, size in zip(reversed(corner), layer.shape, image_size, strict=True):
        first, last = min(max(start, 0), size), min(max(start + length, 0), size)
        slices.append(slice(first, last))
        parts.append(slice(first - start, last - start))
    return (slices[0], slices[1]), layer[parts[0], parts[1]]
