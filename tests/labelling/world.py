"""A drawn video with known masks: two objects that are there from the start, and one that comes later."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.labelling import LabelledObject, Labels

HEIGHT, WIDTH, FRAMES, LATER = 120, 160, 12, 5


@dataclass(frozen=True)
class World:
    """`images` (T, H, W, 3) uint8 RGB; `masks` (N, T, H, W) bool, of the disc, the sign and what comes later."""

    images: np.ndarray
    masks: np.ndarray

    def found(self, one: LabelledObject) -> np.ndarray:
        """J of a masklet with each object, mean over all frames: (N,)."""
        nothing = np.zeros((HEIGHT, WIDTH), bool)
        seen = np.stack([one.masks[frame].mask() if frame in one.masks else nothing for frame in range(FRAMES)])
        return np.array([region_similarity(seen, truth).mean() for truth in self.masks])

    def best(self, labels: Labels) -> dict[int, tuple[float, int]]:
        """By object its highest J, and the number of the masklet that has it."""
        scores = {number: self.found(one) for number, one in labels.objects.items() if not one.dropped}
        return {
            index: max((float(values[index]), number) for number, values in scores.items())
            for index in range(len(self.masks))
        }


def draw_world() -> World:
    """The sign has two colours, so that a part of it looks like an object, too."""
    rng = np.random.default_rng(3)
    noise = cv2.GaussianBlur(rng.normal(size=(HEIGHT, WIDTH, 3)), (0, 0), 6)
    ground = np.clip(110 + 160 * noise, 0, 255)
    images, masks = [], []
    for frame in range(FRAMES):
        image = ground.copy()
        shapes = [np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(3)]
        cv2.circle(shapes[0], (35 + 3 * frame, 82), 17, 1, -1)
        cv2.rectangle(shapes[1], (118 - 2 * frame, 26), (150 - 2 * frame, 56), 1, -1)
        if frame >= LATER:
            cv2.ellipse(shapes[2], (100, 125 - 5 * (frame - LATER)), (20, 14), 20, 0, 360, 1, -1)
        upper = np.zeros_like(shapes[1])
        upper[:42] = shapes[1][:42]
        colours = ((225, 60, 40), (40, 80, 220), (235, 215, 60), (245, 245, 240))
        for shape, colour in zip((*shapes[:2], upper, shapes[2]), colours, strict=True):
            image[shape > 0] = colour
        image = cv2.GaussianBlur(image + rng.normal(0, 3, image.shape), (0, 0), 0.6)
        images.append(np.clip(image, 0, 255).astype(np.uint8))
        over = shapes[2] > 0
        masks.append([(shapes[0] > 0) & ~over, (shapes[1] > 0) & ~over, over])
    return World(np.stack(images), np.stack(masks, axis=1).astype(bool))
