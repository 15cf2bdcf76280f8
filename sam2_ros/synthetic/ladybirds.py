"""A small world that is hard for a tracker: three look-alike ladybirds that walk under a leaf."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from sam2_ros.synthetic.sprites import (
    Layer,
    SpriteScene,
    blank,
    ellipse,
    line,
    noise,
    polygon,
    scaled,
    trimmed,
    turned,
)

PERIOD = 600  # frames until the scene repeats itself
LADYBIRDS = ('ladybird_1', 'ladybird_2', 'ladybird_3')

_PHASES = (0.0, 0.85 * math.pi, 1.45 * math.pi)  # on their common path, radians; two nearly meet at its crossing
_SPOTS = (  # the only difference: places of the spots, from the middle of the body, in body lengths
    ((-0.22, -0.14), (0.05, -0.20), (-0.22, 0.14), (0.05, 0.20)),
    ((-0.27, 0.0), (-0.10, -0.18), (-0.10, 0.18), (0.12, -0.13), (0.12, 0.13)),
    ((-0.15, -0.13), (-0.15, 0.13), (0.10, 0.0)),
)
_BODY_LENGTH = 0.20  # in heights of the image, like all lengths of the scene
_LEAF_LENGTH = 0.62
_LEAF_HEADING = -0.5  # radians
_SWAY = 0.03  # how far the camera sways from its middle position


class LadybirdScene(SpriteScene):
    """The scene at one image size."""

    period = PERIOD
    names = LADYBIRDS
    prompted = LADYBIRDS[:1]

    def __init__(self, height: int, width: int) -> None:
        super().__init__(height, width)
        self._margin = round(2 * _SWAY * height)
        self._ground = _draw_ground(height + 2 * self._margin, width + 2 * self._margin)
        self._ladybirds = [scaled(_draw_ladybird(spots), _BODY_LENGTH * height) for spots in _SPOTS]
        self._leaf = trimmed(turned(scaled(_draw_leaf(), _LEAF_LENGTH * height), _LEAF_HEADING))

    def _camera(self, index: int) -> tuple[int, int]:
        angle = 2 * math.pi * index / PERIOD
        reach = _SWAY * self.height
        return round(reach * math.sin(3 * angle)), round(reach * math.sin(2 * angle))

    def _ground_at(self, index: int) -> np.ndarray:
        sway_x, sway_y = self._camera(index)
        top, left = self._margin + sway_y, self._margin + sway_x
        return self._ground[top : top + self.height, left : left + self.width].copy()

    def _layers(self, index: int) -> Iterator[Layer]:
        sway_x, sway_y = self._camera(index)
        reach = min(0.62, 0.40 * self.width / self.height)

        def layer(name: str, sprite: np.ndarray, across: float, down: float) -> Layer:
            return self._layer(
                name,
                sprite,
                self.width / 2 + across * self.height - sway_x,
                self.height / 2 + down * self.height - sway_y,
            )

        for name, sprite, phase in zip(LADYBIRDS, self._ladybirds, _PHASES, strict=True):
            angle = 2 * math.pi * index / PERIOD + phase
            heading = math.atan2(0.60 * math.cos(2 * angle), reach * math.cos(angle))
            yield layer(name, turned(sprite, heading), reach * math.sin(angle), 0.30 * math.sin(2 * angle))
        yield layer('leaf', self._leaf, 0.72 * reach, 0.27)


def _draw_ladybird(spots: tuple[tuple[float, float], ...]) -> np.ndarray:
    """A ladybird that looks to the right: (side, side, 4) uint8 RGB and alpha."""
    black, red = (28, 24, 26), (200, 38, 28)
    canvas = blank(black)
    ellipse(canvas, (0.32, 0.0), (0.15, 0.20), black)
    ellipse(canvas, (-0.06, 0.0), (0.42, 0.34), black)
    ellipse(canvas, (-0.06, 0.0), (0.395, 0.315), red)
    ellipse(canvas, (-0.12, -0.11), (0.20, 0.09), (226, 88, 66))
    for side in (-1, 1):
        ellipse(canvas, (0.38, 0.10 * side), (0.035, 0.045), (235, 232, 222))
    for spot in spots:
        ellipse(canvas, spot, (0.065, 0.065), black)
    line(canvas, (-0.46, 0), (0.33, 0), 0.02, black)
    return canvas


def _draw_leaf() -> np.ndarray:
    """A leaf whose stem points to the left: (side, side, 4) uint8 RGB and alpha."""
    along = np.linspace(-0.46, 0.46, 60)
    half_width = 0.30 * np.cos(along / 0.46 * math.pi / 2) ** 0.7
    canvas = blank((44, 98, 40))
    upper, lower = np.stack([along, -half_width], 1), np.stack([along, half_width], 1)
    polygon(canvas, np.concatenate([upper, lower[::-1]]), (58, 128, 52))
    vein = (112, 168, 84)
    line(canvas, (-0.49, 0), (0.44, 0), 0.014, vein)
    for x in np.arange(-0.34, 0.32, 0.11).tolist():
        reach = 0.19 * math.cos(x / 0.46 * math.pi / 2)
        for side in (-1, 1):
            line(canvas, (x, 0), (x + reach, side * reach), 0.006, vein)
    return canvas


def _draw_ground(height: int, width: int) -> np.ndarray:
    """Sandy ground with patches, grain and pebbles: (height, width, 3) uint8, the same for the same size."""
    random = np.random.default_rng(7)
    shade = noise(random, height, width, scales=((4, 14.0), (12, 8.0), (60, 5.0)), grain=5.0)
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
