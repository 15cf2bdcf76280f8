"""What the published code of SAMURAI and ours are shown, so that they can be compared."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sam2_ros.tracking import Prompt
from tests.tracking.clips import Clip, moving_clip

IMAGE_SIZE = 256  # of the scripted runs, in pixels
FRAMES = 80
SEEDS = (0, 1, 2, 3)
CLIP_SIZE = 256
KNOWN = 18  # frames of the clip until motion is known
HIDDEN = range(35, 39)  # frames of the clip in which nothing is seen


@dataclass(frozen=True)
class Offer:
    """What a decoder says of one frame.

    Attributes:
        ious: predicted, of three candidates.
        score: object score.
        boxes: x0, y0, x1, y1 of the candidates in low-resolution pixels, half-open; an empty one is an empty mask.
    """

    ious: list[float]
    score: float
    boxes: list[list[int]]

    def logits(self) -> Tensor:
        """Of the candidates, (3, S/4, S/4)."""
        masks = torch.full((3, IMAGE_SIZE // 4, IMAGE_SIZE // 4), -5.0)
        for mask, (x0, y0, x1, y1) in zip(masks, self.boxes, strict=True):
            mask[y0:y1, x0:x1] = 5.0
        return masks


def offers(seed: int) -> list[Offer]:
    """A target that moves, with two candidates that do not move with it. It is hidden, or badly seen, now and then."""
    rng = np.random.default_rng(seed)
    place, speed, size = np.array([12.0, 20.0]), rng.uniform(0.2, 0.5, 2), np.array([9.0, 14.0])
    made = []
    for frame in range(FRAMES):
        place = place + speed
        size = size + rng.normal(0, 0.2, 2)
        here = [*np.round(place), *np.round(place + size)]
        others = [[*corner, *(corner + rng.integers(0, 20, 2))] for corner in rng.integers(0, 40, (2, 2))]
        boxes = [[int(value) for value in box] for box in (others[0], here, others[1])]
        gone, doubtful = 40 <= frame < 40 + 2 * seed, 58 <= frame < 60 + seed
        ious = rng.uniform((0.4, 0.6, 0.4), (0.85, 0.95, 0.85)) if not doubtful else rng.uniform(0.02, 0.45, 3)
        score = -3.0 if gone else rng.choice([2.0, 2.0, 2.0, 2.0, -0.5])
        made.append(Offer([round(float(one), 6) for one in ious], float(score), boxes))
    return made


@dataclass
class Doubt:
    """Makes predicted IoUs (N, 3) differ little and the wrong way round once motion is known, so that motion decides.

    Attributes:
        frame: of the last call; one call for each frame.
    """

    frame: int

    def __call__(self, ious: Tensor) -> Tensor:
        self.frame += 1
        return ious if self.frame <= KNOWN else 0.8 - 0.1 * (ious - ious.mean(dim=1, keepdim=True))


def clip(prompt: str) -> tuple[list[np.ndarray], Prompt]:
    """Images of a clip, in some of which nothing is seen, and a prompt of this kind for an object in the first."""
    shown = moving_clip(44)
    scenes = [
        replace(scene, image=np.full_like(scene.image, 100 + frame)) if frame in HIDDEN else scene
        for frame, scene in enumerate(shown.scenes)
    ]
    gone = Clip(scenes)
    return [gone.image(frame) for frame in range(44)], gone.prompt('a', prompt)
