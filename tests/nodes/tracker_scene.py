"""Two discs that glide over a blurred background: a scene the small model tracks, with masks known for every image."""

import cv2
import numpy as np

HEIGHT, WIDTH = 120, 160
RADIUS = 14
_DISCS = {'red': ((40, 40), (1.0, 0.5), (230, 60, 50)), 'blue': ((120, 80), (-1.0, -0.5), (60, 110, 240))}
_TURN = 30  # images after which they turn back
_GROUND = cv2.GaussianBlur(np.random.default_rng(0).integers(40, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 3)


def centre(name: str, index: int) -> tuple[float, float]:
    """x, y of the disc in image `index`, in pixels."""
    (x, y), (dx, dy), _ = _DISCS[name]
    steps = index % (2 * _TURN)
    steps = min(steps, 2 * _TURN - steps)
    return x + dx * steps, y + dy * steps


def disc(name: str, index: int) -> np.ndarray:
    """The pixels of the disc: (HEIGHT, WIDTH) bool."""
    x, y = centre(name, index)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (columns - x) ** 2 + (rows - y) ** 2 <= RADIUS**2


def box(name: str, index: int) -> tuple[float, float, float, float]:
    """x_min, y_min, x_max, y_max of the disc."""
    x, y = centre(name, index)
    return x - RADIUS, y - RADIUS, x + RADIUS + 1, y + RADIUS + 1


def picture(index: int) -> np.ndarray:
    """Image `index`: (HEIGHT, WIDTH, 3) uint8 RGB."""
    image = empty_picture()
    for name, (_, _, colour) in _DISCS.items():
        image[disc(name, index)] = colour
    return image


def empty_picture() -> np.ndarray:
    """The background alone."""
    return _GROUND.copy()


def overlap(mask: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((mask & other).sum() / max((mask | other).sum(), 1))
