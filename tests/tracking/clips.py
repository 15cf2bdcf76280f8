"""Short synthetic videos with known masks."""

from dataclasses import dataclass

import numpy as np

from sam2_ros.tracking import Prompt
from tests.scenes import Scene, scene


@dataclass(frozen=True)
class Clip:
    """Frames with the masks of three objects, 'a', 'b' and 'c'."""

    scenes: list[Scene]

    def __len__(self) -> int:
        return len(self.scenes)

    def image(self, frame: int) -> np.ndarray:
        """(H, W, 3) uint8; from the end, the clip is played backwards."""
        return self.scenes[self._position(frame)].image

    def mask(self, object_id: str, frame: int = 0) -> np.ndarray:
        return self.scenes[self._position(frame)].masks['abc'.index(object_id)]

    def prompt(self, object_id: str, kind: str, frame: int = 0) -> Prompt:
        """A prompt of a kind: 'point', 'points' (two positive, one negative), 'box' or 'mask'."""
        index, view = 'abc'.index(object_id), self.scenes[self._position(frame)]
        x, y = view.centres()[index]
        if kind == 'point':
            return Prompt(object_id, points=[(x, y)])
        if kind == 'points':
            return Prompt(object_id, points=[(x, y), (x + 3, y - 2), view.centres()[index - 1]], labels=[1, 1, 0])
        if kind == 'box':
            return Prompt(object_id, box=view.boxes()[index])
        return Prompt(object_id, mask=view.masks[index])

    def _position(self, frame: int) -> int:
        period = 2 * len(self.scenes) - 2
        frame %= period
        return min(frame, period - frame)


def moving_clip(frames: int = 24, *, height: int = 180, width: int = 240, seed: int = 1) -> Clip:
    """Three textured shapes move to the right before a still background."""
    shifts = np.linspace(-0.1, 0.1, frames)
    return Clip([scene(height=height, width=width, seed=seed, shift=shift) for shift in shifts])
