"""Clips with label images, as data sets of filmed clips have them, but drawn."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH, SIDE = 48, 64, 16
PALETTE = [0, 0, 0, *[200, 60, 40, 60, 90, 220, 220, 200, 60] * 85]  # black for the background


def draw_labels(shown: dict[int, Sequence[int]], *, frames: int) -> np.ndarray:
    """(frames, 48, 64) uint8: each object is a square that moves to the right, in the frames that show it."""
    labels = np.zeros((frames, HEIGHT, WIDTH), np.uint8)
    for row, (label, own) in enumerate(shown.items()):
        for frame in own:
            left = 4 + 2 * frame + 20 * row
            labels[frame, 8 : 8 + SIDE, left : left + SIDE] = label
    return labels


def write_clip(folder: Path, labels: np.ndarray, *, masks: Path | None = None) -> None:
    """Write 00000.jpg, 00001.jpg and so on, and palette images of the labels beside them or into `masks`."""
    masks = masks or folder
    for one in (folder, masks):
        one.mkdir(parents=True, exist_ok=True)
    for frame, own in enumerate(labels):
        picture = Image.fromarray(own, 'P')
        picture.putpalette(PALETTE)
        picture.save(masks / f'{frame:05}.png')
        picture.convert('RGB').save(folder / f'{frame:05}.jpg', quality=95)
