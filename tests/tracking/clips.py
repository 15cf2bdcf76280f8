"""Short synthetic videos with known masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sam2_ros.tracking import ObjectResult, Prompt, VideoTracker
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


def distractor_clip(frames: int = 40, *, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """A disc that one of the same colour comes close to: images (128, 160, 3), and the disc in the first one."""
    height, width, radius = 128, 160, 20
    rng = np.random.default_rng(seed)
    background = _texture(height, width, base=rng.uniform(60, 190, 3), rng=rng)
    colour = rng.uniform(0, 255, 3)
    skins = [_texture(height, width, base=colour, rng=np.random.default_rng(number)) for number in (5, 6)]
    y, x = np.mgrid[:height, :width]
    images, target = [], np.zeros((height, width), dtype=bool)
    for frame in range(frames):
        disc = (x - 45 - 10 * np.sin(frame / 6)) ** 2 + (y - 64) ** 2 < radius**2
        other = (x - 140 + 1.2 * frame) ** 2 + (y - 64) ** 2 < radius**2
        image = np.where(other[..., None], skins[1], background)
        images.append(np.where(disc[..., None], skins[0], image))
        if frame == 0:
            target = disc
    return images, target


def _texture(height: int, width: int, *, base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise around a colour."""
    noise = cv2.resize(
        rng.standard_normal((16, 16, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    return np.clip(base + 25 * noise, 0, 255).astype(np.uint8)


def play(
    tracker: VideoTracker, clip: Clip, script: dict[int, Sequence[Prompt]], frames: range
) -> list[ObjectResult | None]:
    """Step through frames of the clip with prompts by frame; the results of object 'a'."""
    results = [tracker.step(clip.image(frame), script.get(frame, ())) for frame in frames]
    return [result.get('a') for result in results]
