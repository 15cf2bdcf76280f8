"""A small world to try the tracker without a camera: robots of one type in a hall, seen from above.

As real robots of one type, they differ in their paint. The red robot drives under a roof behind its green twin, which
comes out while the red one goes in. Two more, blue and turquoise, circle around each other. A forklift drives alone.

The bundled model follows the objects of `PROMPTED` to the end of the demo. Their colours were found by trying: with an
orange twin instead of the green one, the model takes the twin for the red robot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from sam2_ros.synthetic.sprites import (
    Colour,
    Layer,
    SpriteScene,
    blank,
    ellipse,
    line,
    noise,
    rectangle,
    scaled,
    turned,
)

PERIOD = 450  # frames until the scene repeats itself
PROMPTED = ('red_robot', 'blue_robot', 'forklift')  # the objects that the demo follows; the others are look-alikes

_DARK: Colour = (38, 40, 46)
_WHITE: Colour = (236, 234, 226)
_ROOF_CENTRE, _ROOF_SIZE = (0.12, 0.315), (0.48, 0.33)
_SHADOW_STRENGTH = 0.45
_SLAB = 0.5  # side of the slabs of the floor


@dataclass(frozen=True)
class _Vehicle:
    """What a vehicle looks like, and the ellipse that it drives on, once in a period.

    Lengths, here and in the whole scene, are in heights of a 16:9 image.

    Attributes:
        drawing: of `_draw_robot` or `_draw_forklift`.
        length: of the vehicle.
        centre: of the ellipse, x and y from the middle of the image.
        radii: of the ellipse, horizontal and vertical.
        phase: where on the ellipse it starts: radians, clockwise from the right end.
    """

    drawing: np.ndarray
    length: float
    centre: tuple[float, float]
    radii: tuple[float, float]
    phase: float

    def pose(self, index: int) -> tuple[float, float, float]:
        """x and y from the middle of the image, and the heading in radians, clockwise."""
        angle = 2 * math.pi * index / PERIOD + self.phase
        x = self.centre[0] + self.radii[0] * math.cos(angle)
        y = self.centre[1] + self.radii[1] * math.sin(angle)
        return x, y, math.atan2(self.radii[1] * math.cos(angle), -self.radii[0] * math.sin(angle))


def _vehicles() -> dict[str, _Vehicle]:
    """All moving objects by name."""
    outer = partial(_Vehicle, length=0.23, centre=(0.12, 0.0), radii=(0.57, 0.32))
    inner = partial(_Vehicle, length=0.23, centre=(0.12, -0.05), radii=(0.26, 0.095))
    return {
        'red_robot': outer(_draw_robot((204, 44, 38), 'bars'), phase=-0.13),
        'green_robot': outer(_draw_robot((70, 150, 70), 'bars'), phase=0.95),
        'blue_robot': inner(_draw_robot((40, 92, 190), 'dot'), phase=0.4),
        'turquoise_robot': inner(_draw_robot((70, 180, 190), 'dot'), phase=0.4 + math.pi),
        'forklift': _Vehicle(_draw_forklift(), length=0.28, centre=(-0.69, 0.0), radii=(0.09, 0.27), phase=1.0),
    }


class DemoScene(SpriteScene):
    """The scene at one image size. `names` are those of all moving objects."""

    period = PERIOD
    prompted = PROMPTED

    def __init__(self, height: int, width: int) -> None:
        super().__init__(height, width)
        self._unit = min(height, 9 * width / 16)  # pixels of a length of 1: the height of a wide image
        self._vehicles = _vehicles()
        self.names = tuple(self._vehicles)
        self._sprites = {
            name: scaled(vehicle.drawing, vehicle.length * self._unit) for name, vehicle in self._vehicles.items()
        }
        self._shadows = {name: _shadow(sprite, 0.02 * self._unit) for name, sprite in self._sprites.items()}
        self._ground = _draw_floor(height, width, self._unit)
        self._roof = _draw_roof(self._unit)
        self._roof_shadow = _shadow(self._roof, 0.05 * self._unit)

    def _ground_at(self, index: int) -> np.ndarray:
        return self._ground.copy()

    def _layers(self, index: int) -> Iterator[Layer]:
        for name, vehicle in self._vehicles.items():
            x, y, heading = vehicle.pose(index)
            yield self._at('shadow', turned(self._shadows[name], heading), x + 0.008, y + 0.014)
            yield self._at(name, turned(self._sprites[name], heading), x, y)
        x, y = _ROOF_CENTRE
        yield self._at('shadow', self._roof_shadow, x + 0.012, y + 0.022)
        yield self._at('roof', self._roof, x, y)

    def _at(self, name: str, sprite: np.ndarray, x: float, y: float) -> Layer:
        return self._layer(name, sprite, self.width / 2 + x * self._unit, self.height / 2 + y * self._unit)


def _shadow(sprite: np.ndarray, blur: float) -> np.ndarray:
    """The soft shadow of a sprite. It hides nothing."""
    shadow = np.zeros_like(sprite)
    shadow[..., 3] = _SHADOW_STRENGTH * cv2.GaussianBlur(sprite[..., 3], (0, 0), max(0.5, blur / 2))
    return shadow


def _draw_robot(paint: Colour, mark: str) -> np.ndarray:
    """A transport robot that faces right: (side, side, 4) uint8, RGB and alpha."""
    rim, dim, bright = (_shade(paint, factor) for factor in (0.5, 0.8, 1.2))
    canvas = blank(rim)
    for x in (-0.25, 0.25):
        for y in (-0.32, 0.32):
            rectangle(canvas, (x, y), (0.11, 0.04), _DARK, radius=0.03)
    rectangle(canvas, (0, 0), (0.47, 0.32), rim, radius=0.12)
    rectangle(canvas, (0, 0), (0.45, 0.30), dim, radius=0.11)
    rectangle(canvas, (-0.005, -0.008), (0.43, 0.28), bright, radius=0.10)
    rectangle(canvas, (0.0, 0.002), (0.42, 0.27), paint, radius=0.09)
    if mark == 'bars':
        for x in (-0.20, -0.08):
            rectangle(canvas, (x, 0.002), (0.035, 0.19), _WHITE)
    else:
        ellipse(canvas, (-0.10, 0.002), (0.13, 0.13), _WHITE)
        ellipse(canvas, (-0.10, 0.002), (0.07, 0.07), paint)
    ellipse(canvas, (0.26, 0), (0.08, 0.08), _shade(paint, 0.35))
    ellipse(canvas, (0.26, 0), (0.05, 0.05), (70, 76, 88))
    ellipse(canvas, (0.245, -0.02), (0.018, 0.018), (200, 210, 225))
    for y in (-0.20, 0.20):
        rectangle(canvas, (0.435, y), (0.018, 0.05), (255, 240, 190), radius=0.012)
    return canvas


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue


def _draw_forklift() -> np.ndarray:
    """A yellow forklift with a parcel on its forks, which point right: (side, side, 4) uint8, RGB and alpha."""
    canvas = blank(_DARK)
    for y in (-0.12, 0.12):
        rectangle(canvas, (0.24, y), (0.24, 0.03), (120, 124, 130))
    rectangle(canvas, (0.29, 0), (0.17, 0.20), (150, 108, 62))
    rectangle(canvas, (0.29, -0.006), (0.158, 0.186), (190, 144, 92))
    line(canvas, (0.29, -0.19), (0.29, 0.18), 0.035, (214, 180, 132))
    for x in (-0.34, -0.02):
        for y in (-0.22, 0.22):
            rectangle(canvas, (x, y), (0.08, 0.04), (24, 24, 26), radius=0.02)
    rectangle(canvas, (-0.20, 0), (0.28, 0.21), (176, 140, 20), radius=0.07)
    rectangle(canvas, (-0.203, -0.006), (0.268, 0.196), (236, 194, 40), radius=0.06)
    rectangle(canvas, (-0.13, 0), (0.15, 0.16), (48, 50, 56), radius=0.03)
    for x in (-0.21, -0.13, -0.05):
        rectangle(canvas, (x, 0), (0.022, 0.15), (84, 88, 96))
    rectangle(canvas, (0.075, 0), (0.02, 0.19), (60, 62, 68))
    for y in (-0.11, 0.11):
        rectangle(canvas, (-0.42, y), (0.02, 0.04), (200, 40, 34), radius=0.012)
    return canvas


def _draw_roof(unit: float) -> np.ndarray:
    """A corrugated roof with a darker edge: float32, colour times alpha and alpha."""
    height, width = (max(4, round(side * unit)) for side in reversed(_ROOF_SIZE))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / unit
    ribs = 8 * np.sin(2 * math.pi * x / 0.05) - 10 * (y / _ROOF_SIZE[1])
    rgb = np.array((126, 140, 150), np.float32) + ribs[..., None]
    edge = np.minimum(np.minimum(x, _ROOF_SIZE[0] - x), np.minimum(y, _ROOF_SIZE[1] - y)) < 0.012
    rgb[edge] -= 30
    return np.dstack([np.clip(rgb, 0, 255), np.ones((height, width))]).astype(np.float32)


def _draw_floor(height: int, width: int, unit: float) -> np.ndarray:
    """A floor of concrete slabs: (height, width, 3) uint8, the same for the same size."""
    random = np.random.default_rng(5)
    shade = noise(random, height, width, scales=((4, 7.0), (14, 4.0), (70, 2.5)), grain=2.5)
    for middle, length, shades in ((height / 2, height, shade), (width / 2, width, shade.T)):
        places = (np.arange(length) - middle) / unit
        shades[(places + _SLAB / 2) % _SLAB < max(0.004, 1 / unit)] -= 16  # the joints, at least a pixel wide
    return np.clip(np.array((178, 178, 172), np.float32) + shade[..., None], 0, 255).astype(np.uint8)
