"""A drawn scene with depth, as an RGB-D camera sees it: a crate that stands, a parcel and a ball that move.

The parcel goes behind a pillar and comes out again. What is where is known exactly: `bodies` says it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from sam2_ros.synthetic.depth_scene import Body, DepthScene, View, looking, pinhole_rays
from sam2_ros.synthetic.sprites import SMALLEST

SIZE = (480, 640)  # height and width of the images unless told otherwise
RATE = 10.0  # frames per second
PERIOD = 160  # frames until the scene repeats itself
FIELD_OF_VIEW = 60.0  # degrees, horizontal
CAMERA = looking((0.0, 0.0, 1.1), (2.2, 0.0, 0.2))

_CRATE = Body('crate', (0.4, 0.5, 0.35), (2.1, 0.62, 0.175), (214, 160, 50), yaw=0.3)
_PARCEL = Body('parcel', (0.3, 0.4, 0.3), (2.7, 0.0, 0.15), (190, 40, 40), yaw=0.2)
_BALL = Body('ball', (0.34, 0.34, 0.34), (1.75, -0.35, 0.17), (40, 90, 210), ball=True)
_PILLAR = Body('pillar', (0.14, 0.5, 1.4), (2.2, 0.02, 0.7), (120, 124, 130))


class DepthDemoScene:
    """The scene at one image size. A frame depends only on its index; `masks` and `depth` are exact."""

    period = PERIOD
    names = ('crate', 'parcel', 'ball')
    prompted = names
    horizontal_fov = FIELD_OF_VIEW

    def __init__(self, height: int, width: int) -> None:
        """Raises ValueError if height or width, in pixels, is below 64."""
        if min(height, width) < SMALLEST:
            raise ValueError(f'the scene is {width} x {height} pixels, but needs at least {SMALLEST} x {SMALLEST}')
        self.height, self.width = height, width
        self._rays = pinhole_rays(height, width, focal=width / 2 / math.tan(math.radians(FIELD_OF_VIEW) / 2))
        self._view = lru_cache(maxsize=2)(self._look)  # for the picture and its depth

    @staticmethod
    def bodies(index: int) -> tuple[Body, ...]:
        """All bodies as they stand at frame `index`."""
        turn = 2 * math.pi * index / PERIOD
        parcel = replace(_PARCEL, start=(2.7, 0.85 * math.cos(turn), 0.15))
        ball = replace(_BALL, start=(1.7 + 0.15 * math.cos(turn), -0.5 + 0.25 * math.sin(turn), 0.17))
        return (_CRATE, parcel, ball, _PILLAR)

    def frame(self, index: int) -> np.ndarray:
        """The picture of frame `index`: RGB, (height, width, 3) uint8."""
        return self._view(index % PERIOD).rgb

    def depth(self, index: int) -> np.ndarray:
        """Its depth: (height, width) float32 metres along the axis of the camera, NaN where nothing is."""
        return self._view(index % PERIOD).depth

    def masks(self, index: int) -> dict[str, np.ndarray]:
        """The visible part of each object by name: (height, width) bool."""
        numbers = self._view(index % PERIOD).numbers
        return {name: numbers == number for number, name in enumerate(self.names, 1)}

    def _look(self, index: int) -> View:
        return DepthScene(self.bodies(index)).look(self._rays, CAMERA)
