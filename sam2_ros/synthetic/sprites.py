"""Scenes made of sprites, which know the true mask of every object."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

DRAWING = 512  # pixels, side of the canvas on which a sprite is drawn before it is scaled down
SMALLEST = 64  # pixels, least side of an image of a scene
FRAME_RATE = 30.0  # frames per second at which things in scenes move at a natural pace

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Layer:
    """A sprite in its place.

    Attributes:
        name: of the object.
        rgb: (h, w, 3) float32, already multiplied by alpha.
        alpha: (h, w, 1) float32, 0..1.
        corner: (x, y) of its first pixel, which may lie outside the image.
    """

    name: str
    rgb: np.ndarray
    alpha: np.ndarray
    corner: tuple[int, int]


class SpriteScene(ABC):
    """A scene at one image size. A frame depends only on its index.

    Attributes:
        period: number of frames until the scene repeats itself, without a jump.
        names: of the objects that have a mask.
        prompted: names of the objects to track; the others are look-alikes.
    """

    period: int
    names: tuple[str, ...]
    prompted: tuple[str, ...]

    def __init__(self, height: int, width: int) -> None:
        """Draw the sprites.

        Args:
            height, width: of the image in pixels.

        Raises:
            ValueError: if one of them is below 64.
        """
        if min(height, width) < SMALLEST:
            raise ValueError(
                f'the synthetic scene is {width} x {height} pixels, but needs at least {SMALLEST} x {SMALLEST}'
            )
        self.height, self.width = height, width

    def frame(self, index: int) -> np.ndarray:
        """The picture of frame `index`: RGB, (height, width, 3) uint8."""
        rgb = self._ground_at(index)
        for layer in self._layers(index):
            inside, part = self._overlap(layer)
            if part is not None:
                below = rgb[inside] * (1 - layer.alpha[part]) + layer.rgb[part]
                rgb[inside] = below.astype(np.uint8)
        return rgb

    def masks(self, index: int) -> dict[str, np.ndarray]:
        """The visible part of each object by name: (height, width) bool, all False if it is hidden."""
        masks = {name: np.zeros((self.height, self.width), bool) for name in self.names}
        for layer in self._layers(index):
            inside, part = self._overlap(layer)
            if part is None:
                continue
            covered = layer.alpha[part][..., 0] >= 0.5
            for mask in masks.values():
                mask[inside] &= ~covered
            if layer.name in masks:
                masks[layer.name][inside] |= covered
        return masks

    @abstractmethod
    def _ground_at(self, index: int) -> np.ndarray:
        """The picture below all sprites: a new array, (height, width, 3) uint8."""

    @abstractmethod
    def _layers(self, index: int) -> Iterator[Layer]:
        """Sprites from the farthest to the nearest."""

    def _layer(self, name: str, sprite: np.ndarray, x: float, y: float) -> Layer:
        """A sprite whose middle is at the pixel (x, y)."""
        corner = (round(x - sprite.shape[1] / 2), round(y - sprite.shape[0] / 2))
        return Layer(name, sprite[..., :3], sprite[..., 3:], corner)

    def _overlap(self, layer: Layer) -> tuple[tuple[slice, slice], tuple[slice, slice] | None]:
        """The pixels of the image that a layer covers, and the same pixels in the layer (None: outside)."""
        (x, y), (height, width) = layer.corner, layer.alpha.shape[:2]
        left, right = max(x, 0), min(x + width, self.width)
        top, bottom = max(y, 0), min(y + height, self.height)
        inside = (slice(top, bottom), slice(left, right))
        if left >= right or top >= bottom:
            return inside, None
        return inside, (slice(top - y, bottom - y), slice(left - x, right - x))


def scaled(drawing: np.ndarray, length: float) -> np.ndarray:
    """A drawing scaled to `length` pixels, with room to turn it: float32, colour times alpha, and alpha."""
    inner = max(8, round(length))
    sprite = cv2.resize(drawing, (inner, inner), interpolation=cv2.INTER_AREA).astype(np.float32)
    sprite[..., 3] /= 255
    sprite[..., :3] *= sprite[..., 3:]
    border = inner // 4
    return cv2.copyMakeBorder(sprite, border, border, border, border, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))


def turned(sprite: np.ndarray, heading: float) -> np.ndarray:
    """A square sprite turned about its middle by `heading` radians, clockwise."""
    side = sprite.shape[0]
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), -math.degrees(heading), 1.0)
    return cv2.warpAffine(sprite, turn, (side, side), flags=cv2.INTER_LINEAR)


def trimmed(sprite: np.ndarray) -> np.ndarray:
    """A sprite without its empty rows and columns."""
    x, y, width, height = cv2.boundingRect((sprite[..., 3] > 0).astype(np.uint8))
    return sprite[y : y + height, x : x + width]


def blank(edge: Colour) -> np.ndarray:
    """An empty canvas. Half-covered pixels at outlines take the RGB colour `edge`."""
    canvas = np.zeros((DRAWING, DRAWING, 4), np.uint8)
    canvas[..., :3] = edge
    return canvas


def canvas_point(x: float, y: float) -> tuple[int, int]:
    """The canvas pixel of a point that is given from the middle of the sprite, in its lengths."""
    return round((x + 0.5) * DRAWING), round((y + 0.5) * DRAWING)


def ellipse(canvas: np.ndarray, centre: tuple[float, float], radii: tuple[float, float], colour: Colour) -> None:
    """Fill an ellipse. Lengths are in lengths of the sprite, as in all functions that draw."""
    axes = (round(radii[0] * DRAWING), round(radii[1] * DRAWING))
    cv2.ellipse(canvas, canvas_point(*centre), axes, 0, 0, 360, (*colour, 255), -1, cv2.LINE_AA)


def line(
    canvas: np.ndarray, start: tuple[float, float], end: tuple[float, float], thickness: float, colour: Colour
) -> None:
    """Draw a line."""
    cv2.line(canvas, canvas_point(*start), canvas_point(*end), (*colour, 255), round(thickness * DRAWING), cv2.LINE_AA)


def polygon(canvas: np.ndarray, points: np.ndarray, colour: Colour) -> None:
    """Fill a polygon. `points`: (V, 2) x, y."""
    outline = np.array([canvas_point(x, y) for x, y in points])
    cv2.fillPoly(canvas, [outline], (*colour, 255), cv2.LINE_AA)


def rectangle(
    canvas: np.ndarray, centre: tuple[float, float], half: tuple[float, float], colour: Colour, *, radius: float = 0.0
) -> None:
    """Fill a rectangle. `half`: half its width and half its height; `radius`: of its corners."""
    (x, y), (reach_x, reach_y) = centre, half
    angle = np.linspace(0, math.pi / 2, 9)
    arc = radius * np.stack([np.cos(angle), np.sin(angle)], 1) + (reach_x - radius, reach_y - radius)
    points = np.concatenate([arc, arc[::-1] * (-1, 1), arc * (-1, -1), arc[::-1] * (1, -1)])
    polygon(canvas, points + np.array((x, y)), colour)


def noise(
    random: np.random.Generator, height: int, width: int, *, scales: tuple[tuple[int, float], ...], grain: float
) -> np.ndarray:
    """Smooth patches and grain: (height, width) float32 around 0.

    Args:
        random: random numbers.
        height, width: in pixels.
        scales: (number of patches along a side, strength in grey values) for each size of patches.
        grain: strength of the grain in grey values.
    """
    shade = np.zeros((height, width), np.float32)
    for cells, strength in scales:
        values = random.normal(size=(cells, cells)).astype(np.float32)
        shade += strength * cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)
    return shade + random.normal(scale=grain, size=(height, width)).astype(np.float32)
