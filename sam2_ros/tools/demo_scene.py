"""A small world to try the tracker on without a camera: robots of one make in a hall, seen from above.

They differ as real ones do, in the colour of the lid and in what is painted on it. The red robot drives under a roof
behind its orange twin, which comes out when the red one has gone in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from sam2_ros.tools.sprites import (
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

PERIOD = 450                 # frames until the scene repeats itself, without a seam
PROMPTED = ('red_robot', 'blue_robot', 'forklift')     # whom the demo follows; the others are there to be mixed up

_DARK: Colour = (38, 40, 46)
_WHITE: Colour = (236, 234, 226)
_ROOF_CENTRE, _ROOF_SIZE = (0.12, 0.315), (0.56, 0.33)
_SHADOW_STRENGTH = 0.45


@dataclass(frozen=True)
class _Vehicle:
    """What a thing looks like, and the ellipse that it drives on, once in a period. Lengths: see `_unit`.

    phase: where on the ellipse it starts, radians, clockwise as seen from the right end.
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
    """All that move, by name."""
    ring = {'length': 0.20, 'centre': (0.12, 0.0), 'radii': (0.57, 0.32)}
    inner = {'length': 0.20, 'centre': (0.12, -0.045), 'radii': (0.30, 0.115)}
    return {
        'red_robot': _Vehicle(_draw_robot((204, 44, 38), 'bars'), phase=-0.13, **ring),
        'orange_robot': _Vehicle(_draw_robot((232, 132, 34), 'bars'), phase=0.95, **ring),
        'green_robot': _Vehicle(_draw_robot((70, 150, 70), 'cross'), phase=-1.9, **ring),
        'blue_robot': _Vehicle(_draw_robot((40, 92, 190), 'dot'), phase=0.4, **inner),
        'turquoise_robot': _Vehicle(_draw_robot((70, 180, 190), 'dot'), phase=0.4 + math.pi, **inner),
        'forklift': _Vehicle(_draw_forklift(), length=0.25, centre=(-0.69, 0.0), radii=(0.09, 0.27), phase=1.0),
    }


class DemoScene(SpriteScene):
    """The scene at one image size. `names` are those of all that moves."""

    prompted = PROMPTED

    def __init__(self, height: int, width: int) -> None:
        super().__init__(height, width)
        self._unit = min(height, 9 * width / 16)     # pixels of a length of 1: the height of a wide image
        self._vehicles = _vehicles()
        self.names = tuple(self._vehicles)
        self._sprites = {name: scaled(vehicle.drawing, vehicle.length * self._unit)
                         for name, vehicle in self._vehicles.items()}
        self._ground = _draw_floor(height, width, self._unit)
        self._roof = _draw_roof(self._unit)

    def _ground_at(self, index: int) -> np.ndarray:
        return self._ground.copy()

    def _layers(self, index: int) -> Iterator[Layer]:
        for name, vehicle in self._vehicles.items():
            x, y, heading = vehicle.pose(index)
            sprite = turned(self._sprites[name], heading)
            yield self._at('shadow', _shadow(sprite, 0.02 * self._unit), x + 0.008, y + 0.014)
            yield self._at(name, sprite, x, y)
        x, y = _ROOF_CENTRE
        yield self._at('shadow', _shadow(self._roof, 0.05 * self._unit), x + 0.012, y + 0.022)
        yield self._at('roof', self._roof, x, y)

    def _at(self, name: str, sprite: np.ndarray, x: float, y: float) -> Layer:
        return self._layer(name, sprite, self.width / 2 + x * self._unit, self.height / 2 + y * self._unit)


def _shadow(sprite: np.ndarray, blur: float) -> np.ndarray:
    """The soft shadow of a sprite, which hides nothing."""
    shadow = np.zeros_like(sprite)
    shadow[..., 3] = _SHADOW_STRENGTH * cv2.GaussianBlur(sprite[..., 3], (0, 0), max(0.5, blur / 2))
    return shadow


def _draw_robot(lid: Colour, mark: str) -> np.ndarray:
    """A transport robot that looks to the right: (side, side, 4) uint8 RGB and alpha."""
    canvas = blank(_DARK)
    for x in (-0.27, 0.27):
        for y in (-0.34, 0.34):
            rectangle(canvas, (x, y), (0.12, 0.05), (24, 24, 26), radius=0.03)
    rectangle(canvas, (0, 0), (0.48, 0.33), (92, 96, 104), radius=0.11)
    rectangle(canvas, (0, 0), (0.46, 0.31), (58, 61, 68), radius=0.10)
    bright, dim = (tuple(min(255, round(part * factor)) for part in lid) for factor in (1.25, 0.78))
    rectangle(canvas, (-0.07, 0), (0.355, 0.27), dim, radius=0.07)
    rectangle(canvas, (-0.075, -0.008), (0.345, 0.258), bright, radius=0.07)
    rectangle(canvas, (-0.068, 0.004), (0.335, 0.25), lid, radius=0.06)
    if mark == 'bars':
        for x in (-0.24, -0.10):
            rectangle(canvas, (x, 0.004), (0.04, 0.25), _WHITE)
    elif mark == 'cross':
        rectangle(canvas, (-0.07, 0.004), (0.335, 0.05), _WHITE)
        rectangle(canvas, (-0.07, 0.004), (0.05, 0.25), _WHITE)
    else:
        ellipse(canvas, (-0.10, 0.004), (0.15, 0.15), _WHITE)
        ellipse(canvas, (-0.10, 0.004), (0.08, 0.08), lid)
    ellipse(canvas, (0.36, 0), (0.085, 0.085), (22, 22, 26))
    ellipse(canvas, (0.36, 0), (0.055, 0.055), (70, 76, 88))
    ellipse(canvas, (0.345, -0.02), (0.018, 0.018), (200, 210, 225))
    for y in (-0.22, 0.22):
        rectangle(canvas, (0.44, y), (0.018, 0.05), (255, 240, 190), radius=0.012)
    return canvas


def _draw_forklift() -> np.ndarray:
    """A yellow forklift with a parcel on its forks, which point to the right."""
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
    """A corrugated roof with a striped edge: float32, colour times alpha and alpha."""
    height, width = (max(4, round(side * unit)) for side in reversed(_ROOF_SIZE))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / unit
    ribs = 12 * np.sin(2 * math.pi * x / 0.035) - 14 * (y / _ROOF_SIZE[1])
    rgb = np.array((158, 166, 170), np.float32) + ribs[..., None]
    edge = np.minimum(np.minimum(x, _ROOF_SIZE[0] - x), np.minimum(y, _ROOF_SIZE[1] - y)) < 0.018
    warning = np.where(((x + y) % 0.06 < 0.03)[..., None], (232, 190, 40), (40, 40, 44))
    rgb = np.where(edge[..., None], warning, rgb)
    return np.dstack([np.clip(rgb, 0, 255), np.ones((height, width))]).astype(np.float32)


def _draw_floor(height: int, width: int, unit: float) -> np.ndarray:
    """Concrete in slabs with painted lanes and some pallets: (height, width, 3) uint8, the same for the same size."""
    random = np.random.default_rng(5)
    shade = noise(random, height, width, scales=((4, 7.0), (14, 4.0), (70, 2.5)), grain=2.5)
    floor = np.clip(np.array((150, 150, 146), np.float32) + shade[..., None], 0, 255).astype(np.uint8)
    return floor
