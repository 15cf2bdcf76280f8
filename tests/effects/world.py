"""A textured wall with a ball before it, seen by a camera that stands still or turns; the wall is known everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

SIZE = (120, 160)
RADIUS = 14


@dataclass(frozen=True)
class World:
    """Frames of one video.

    Attributes:
        pan: pixels per frame that the view moves to the right.
        noise: standard deviation of the noise of the camera in grey levels.
        speed: pixels per frame of the ball in the image.
        count: number of frames.
        flicker: how much darker every other frame is, in grey levels.
    """

    pan: float = 0.0
    noise: float = 0.0
    speed: float = 3.0
    count: int = 24
    flicker: int = 0

    def background(self, frame: int) -> np.ndarray:
        """The wall without the ball and without noise: (H, W, 3) uint8."""
        shift = np.array([[1, 0, -self.pan * frame], [0, 1, -0.4 * self.pan * frame]])
        wall = cv2.warpAffine(_wall(), shift, SIZE[::-1], flags=cv2.INTER_CUBIC)
        return np.clip(wall - self.flicker * (frame % 2), 0, 255).round().astype(np.uint8)

    def mask(self, frame: int) -> np.ndarray:
        """Where the ball is: (H, W) bool."""
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        return (rows - 60) ** 2 + (columns - 30 - self.speed * frame) ** 2 < RADIUS**2

    def frame(self, frame: int) -> np.ndarray:
        """What the camera sees."""
        image = self.background(frame).astype(np.float32)
        image[self.mask(frame)] = (220, 30, 40)
        image += np.random.default_rng(frame).normal(0, self.noise, image.shape) if self.noise else 0
        return np.clip(image, 0, 255).round().astype(np.uint8)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((self.frame(index), self.mask(index)) for index in range(self.count))


@cache
def _wall() -> np.ndarray:
    """A wall that is larger than the view: soft spots of many sizes, and edges."""
    random = np.random.default_rng(5)
    wall = np.full((260, 420, 3), 110, np.float32)
    for side in (4, 10, 30):
        coarse = random.normal(0, 26, (260 // side + 2, 420 // side + 2, 3)).astype(np.float32)
        wall += cv2.resize(coarse, (420, 260), interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        x, y = (int(value) for value in random.integers(0, (400, 240)))
        cv2.rectangle(wall, (x, y), (x + 12, y + 9), [float(part) for part in random.integers(0, 255, 3)], -1)
    return cv2.GaussianBlur(wall, (0, 0), 0.8).clip(0, 255)


def psnr(image: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB within a mask."""
    error = np.mean((image[where].astype(float) - truth[where]) ** 2)
    return 10 * np.log10(255**2 / error) if error else float('inf')
