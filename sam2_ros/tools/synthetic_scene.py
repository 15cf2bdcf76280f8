"""A small world to try the tracker on without a camera: three look-alike ladybirds that walk under a leaf."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

PERIOD = 600                 # frames until the scene repeats itself, without a seam
FRAME_RATE = 30.0            # frames per second at which the ladybirds walk at a natural pace
LADYBIRDS = ('ladybird_1', 'ladybird_2', 'ladybird_3')

_PHASES = (0.0, 0.85 * math.pi, 1.45 * math.pi)    # on their common path; two nearly meet where it crosses
_SPOTS = (                   # the only difference: the spots, in lengths of the body from its middle
    ((-0.22, -0.14), (0.05, -0.20), (-0.22, 0.14), (0.05, 0.20)),
    ((-0.27, 0.0), (-0.10, -0.18), (-0.10, 0.18), (0.12, -0.13), (0.12, 0.13)),
    ((-0.15, -0.13), (-0.15, 0.13), (0.10, 0.0)),
)
_BODY_LENGTH = 0.20          # in heights of the image, like all lengths of the scene
_LEAF_LENGTH = 0.62
_LEAF_HEADING = -0.5         # radians
_SWAY = 0.03                 # how far the camera sways from its middle position
_DRAWING = 512               # pixels of the canvas on which a sprite is drawn, before it is scaled down


@dataclass(frozen=True)
class _Layer:
    """A sprite in its place. `corner` is the (x, y) of its first pixel, which may lie outside the image."""

    name: str
    rgb: np.ndarray          # (h, w, 3) float32, already multiplied by alpha
    alpha: np.ndarray        # (h, w, 1) float32, 0..1
    corner: tuple[int, int]


class SyntheticScene:
    """The scene at one image size. Frame `index` is the same picture whatever was asked for before."""

    def __init__(self, height: int, width: int) -> None:
        """Prepare the scene; `height` and `width` are in pixels. Raises ValueError when one is below 64."""
        if height < 64 or width < 64:
            raise ValueError(f'the synthetic scene is {width} x {height} pixels, but needs at least 64 x 64')
        self.height, self.width = height, width
        self._margin = round(2 * _SWAY * height)
        self._ground = _draw_ground(height + 2 * self._margin, width + 2 * self._margin)
        self._ladybirds = [_scaled(_draw_ladybird(spots), _BODY_LENGTH * height) for spots in _SPOTS]
        self._leaf = _trimmed(_turned(_scaled(_draw_leaf(), _LEAF_LENGTH * height), _LEAF_HEADING))

    def frame(self, index: int) -> np.ndarray:
        """The picture of frame `index`: RGB, (height, width, 3) uint8."""
        sway_x, sway_y = self._camera(index)
        top, left = self._margin + sway_y, self._margin + sway_x
        rgb = self._ground[top:top + self.height, left:left + self.width].copy()
        for layer in self._layers(index):
            inside, part = self._overlap(layer)
            if part is not None:
                below = rgb[inside] * (1 - layer.alpha[part]) + layer.rgb[part]
                rgb[inside] = below.astype(np.uint8)
        return rgb

    def masks(self, index: int) -> dict[str, np.ndarray]:
        """The visible part of each ladybird by name: (height, width) bool, all False when it is hidden."""
        masks = {name: np.zeros((self.height, self.width), bool) for name in LADYBIRDS}
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

    def _camera(self, index: int) -> tuple[int, int]:
        angle = 2 * math.pi * index / PERIOD
        reach = _SWAY * self.height
        return round(reach * math.sin(3 * angle)), round(reach * math.sin(2 * angle))

    def _layers(self, index: int) -> Iterator[_Layer]:
        """Sprites from the farthest to the nearest."""
        camera = self._camera(index)
        reach = min(0.62, 0.40 * self.width / self.height)
        for name, sprite, phase in zip(LADYBIRDS, self._ladybirds, _PHASES, strict=True):
            angle = 2 * math.pi * index / PERIOD + phase
            across, down = reach * math.sin(angle), 0.30 * math.sin(2 * angle)
            heading = math.atan2(0.60 * math.cos(2 * angle), reach * math.cos(angle))
            yield self._place(name, _turned(sprite, heading), across, down, camera)
        yield self._place('leaf', self._leaf, 0.72 * reach, 0.27, camera)

    def _place(self, name: str, sprite: np.ndarray, across: float, down: float,
               camera: tuple[int, int]) -> _Layer:
        """Put the middle of a sprite at a place on the ground, seen by a camera moved by `camera` pixels."""
        x = self.width / 2 + across * self.height - camera[0] - sprite.shape[1] / 2
        y = self.height / 2 + down * self.height - camera[1] - sprite.shape[0] / 2
        return _Layer(name, sprite[..., :3], sprite[..., 3:], (round(x), round(y)))

    def _overlap(self, layer: _Layer) -> tuple[tuple[slice, slice], tuple[slice, slice] | None]:
        """The pixels of the image that a layer lies on, and the same ones of the layer (None: outside)."""
        (x, y), (height, width) = layer.corner, layer.alpha.shape[:2]
        left, right = max(x, 0), min(x + width, self.width)
        top, bottom = max(y, 0), min(y + height, self.height)
        inside = (slice(top, bottom), slice(left, right))
        if left >= right or top >= bottom:
            return inside, None
        return inside, (slice(top - y, bottom - y), slice(left - x, right - x))


def _scaled(drawing: np.ndarray, length: float) -> np.ndarray:
    """A drawing scaled to `length` pixels, with room to be turned: float32, colour times alpha and alpha."""
    inner = max(8, round(length))
    sprite = cv2.resize(drawing, (inner, inner), interpolation=cv2.INTER_AREA).astype(np.float32)
    sprite[..., 3] /= 255
    sprite[..., :3] *= sprite[..., 3:]
    border = inner // 4
    return cv2.copyMakeBorder(sprite, border, border, border, border, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))


def _turned(sprite: np.ndarray, heading: float) -> np.ndarray:
    """A square sprite turned about its middle by `heading` radians, clockwise as seen."""
    side = sprite.shape[0]
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), -math.degrees(heading), 1.0)
    return cv2.warpAffine(sprite, turn, (side, side), flags=cv2.INTER_LINEAR)


def _trimmed(sprite: np.ndarray) -> np.ndarray:
    """A sprite without its empty rows and columns."""
    x, y, width, height = cv2.boundingRect((sprite[..., 3] > 0).astype(np.uint8))
    return sprite[y:y + height, x:x + width]


def _canvas_point(x: float, y: float) -> tuple[int, int]:
    """A point of the canvas from lengths of the sprite, counted from its middle."""
    return round((x + 0.5) * _DRAWING), round((y + 0.5) * _DRAWING)


def _ellipse(canvas: np.ndarray, centre: tuple[float, float], radii: tuple[float, float],
             colour: tuple[int, ...]) -> None:
    axes = (round(radii[0] * _DRAWING), round(radii[1] * _DRAWING))
    cv2.ellipse(canvas, _canvas_point(*centre), axes, 0, 0, 360, colour, -1, cv2.LINE_AA)


def _line(canvas: np.ndarray, start: tuple[float, float], end: tuple[float, float], thickness: float,
          colour: tuple[int, ...]) -> None:
    cv2.line(canvas, _canvas_point(*start), _canvas_point(*end), colour, round(thickness * _DRAWING),
             cv2.LINE_AA)


def _draw_ladybird(spots: tuple[tuple[float, float], ...]) -> np.ndarray:
    """A ladybird that looks to the right: (side, side, 4) uint8 RGB and alpha."""
    black, red = (28, 24, 26, 255), (200, 38, 28, 255)
    canvas = np.zeros((_DRAWING, _DRAWING, 4), np.uint8)
    canvas[..., :3] = black[:3]      # so that half-covered edge pixels take the outline's colour
    _ellipse(canvas, (0.32, 0.0), (0.15, 0.20), black)
    _ellipse(canvas, (-0.06, 0.0), (0.42, 0.34), black)
    _ellipse(canvas, (-0.06, 0.0), (0.395, 0.315), red)
    _ellipse(canvas, (-0.12, -0.11), (0.20, 0.09), (226, 88, 66, 255))
    for side in (-1, 1):
        _ellipse(canvas, (0.38, 0.10 * side), (0.035, 0.045), (235, 232, 222, 255))
    for spot in spots:
        _ellipse(canvas, spot, (0.065, 0.065), black)
    _line(canvas, (-0.46, 0), (0.33, 0), 0.02, black)
    return canvas


def _draw_leaf() -> np.ndarray:
    """A leaf whose stem points to the left: (side, side, 4) uint8 RGB and alpha."""
    along = np.linspace(-0.46, 0.46, 60)
    half_width = 0.30 * np.cos(along / 0.46 * math.pi / 2) ** 0.7
    outline = [_canvas_point(x, y) for x, y in zip(along, -half_width, strict=True)]
    outline += [_canvas_point(x, y) for x, y in zip(along[::-1], half_width[::-1], strict=True)]
    canvas = np.zeros((_DRAWING, _DRAWING, 4), np.uint8)
    canvas[..., :3] = (44, 98, 40)
    cv2.fillPoly(canvas, [np.array(outline)], (58, 128, 52, 255), cv2.LINE_AA)
    vein = (112, 168, 84, 255)
    _line(canvas, (-0.49, 0), (0.44, 0), 0.014, vein)
    for x in np.arange(-0.34, 0.32, 0.11):
        reach = 0.19 * math.cos(x / 0.46 * math.pi / 2)
        for side in (-1, 1):
            _line(canvas, (x, 0), (x + reach, side * reach), 0.006, vein)
    return canvas


def _draw_ground(height: int, width: int) -> np.ndarray:
    """Sandy ground with patches, grain and pebbles: (height, width, 3) uint8, the same for the same size."""
    random = np.random.default_rng(7)
    shade = np.zeros((height, width), np.float32)
    for cells, strength in ((4, 14.0), (12, 8.0), (60, 5.0)):
        noise = random.normal(size=(cells, cells)).astype(np.float32)
        shade += strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    shade += random.normal(scale=5.0, size=(height, width)).astype(np.float32)
    ground = np.clip(np.array((178, 160, 128), np.float32) + shade[..., None], 0, 255).astype(np.uint8)
    for _ in range(70):
        centre = (int(random.integers(width)), int(random.integers(height)))
        radius = max(1, round(height * float(random.uniform(0.004, 0.014))))
        axes = (radius, max(1, round(radius * float(random.uniform(0.6, 1.0)))))
        tilt, tone = float(random.uniform(0, 180)), int(random.integers(-35, 30))
        shadow, stone = (centre[0] + 1, centre[1] + 2), (160 + tone, 150 + tone, 136 + tone)
        cv2.ellipse(ground, shadow, axes, tilt, 0, 360, (120, 106, 84), -1, cv2.LINE_AA)
        cv2.ellipse(ground, centre, axes, tilt, 0, 360, stone, -1, cv2.LINE_AA)
    return ground
