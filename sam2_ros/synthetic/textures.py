"""Textures of synthetic scenes: computed patterns, and openly licensed photographs from installed packages.

Patterns and photographs are split: training never sees those of `heldout` scenes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

TILE = 128  # pixels, side of a texture tile
_FIELDS_PER_FAMILY = 12
_COLLAGES = 240  # number of collages among the training patterns; with many, no tile is seen often
_PHOTO_LONGEST_SIDE = 512
_RAMP = np.linspace(0, 1, 256, dtype=np.float32)[:, None]

# According to scikit-image, its pictures are public domain, CC0 or without known restrictions. The two pictures of
# scikit-learn are CC BY 2.0.
PHOTOS = {
    'train': (
        'skimage/astronaut.png',
        'skimage/camera.png',
        'skimage/coffee.png',
        'skimage/gravel.png',
        'skimage/grass.png',
        'skimage/brick.png',
        'skimage/hubble_deep_field.jpg',
        'skimage/moon.png',
        'skimage/retina.jpg',
        'skimage/coins.png',
        'skimage/cell.png',
        'skimage/ihc.png',
        'skimage/microaneurysms.png',
        'sklearn/china.jpg',
    ),
    'heldout': ('skimage/chelsea.png', 'skimage/rocket.jpg', 'skimage/clock_motion.png', 'sklearn/flower.jpg'),
}
_PHOTO_FOLDERS = {'skimage': 'data', 'sklearn': 'datasets/images'}


def _grid(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates of a tile, turned by a random angle."""
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    return x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)


def _noise(rng: np.random.Generator) -> np.ndarray:
    field = np.zeros((TILE, TILE), np.float32)
    first = int(rng.integers(1, 5))
    for octave in range(first, 7):
        cells = 2**octave
        layer = rng.standard_normal((cells, cells)).astype(np.float32)
        smooth = cv2.resize(layer, (TILE, TILE), interpolation=cv2.INTER_CUBIC)
        field += smooth * rng.uniform(0.4, 0.8) ** (octave - first)
    return field


def _stripes(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(rng)
    wave = np.sin(x * 2 * np.pi / rng.uniform(8, 40) + rng.uniform(0, 3) * np.sin(y / rng.uniform(10, 40)))
    return wave if rng.random() < 0.5 else np.sign(wave)


def _checks(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(rng)
    return np.sign(np.sin(x * np.pi / rng.uniform(5, 20)) * np.sin(y * np.pi / rng.uniform(5, 20)))


def _gradient(rng: np.random.Generator) -> np.ndarray:
    x, _ = _grid(rng)
    return x + rng.uniform(0, 15) * rng.standard_normal((TILE, TILE)).astype(np.float32)


def _spots(rng: np.random.Generator) -> np.ndarray:
    field = np.zeros((TILE, TILE), np.float32)
    for _ in range(int(rng.integers(10, 60))):
        x, y = (int(v) for v in rng.integers(0, TILE, 2))
        cv2.circle(field, (x, y), int(rng.integers(2, 12)), float(rng.uniform(0.5, 1)), -1, cv2.LINE_AA)
    return field


def _rings(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(rng)
    centre = rng.uniform(-0.3, 1.3, 2) * TILE
    return np.sin(np.hypot(x - centre[0], y - centre[1]) * 2 * np.pi / rng.uniform(8, 30))


def _cells(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32)
    points = rng.uniform(0, TILE, (int(rng.integers(10, 50)), 2))
    distance = np.stack([np.hypot(x - px, y - py) for px, py in points])
    nearest = np.sort(distance, axis=0)[:2]
    return nearest[1] - nearest[0] if rng.random() < 0.5 else distance.argmin(0).astype(np.float32)


def _marble(rng: np.random.Generator) -> np.ndarray:
    x, _ = _grid(rng)
    turbulence = cv2.GaussianBlur(rng.standard_normal((TILE, TILE)).astype(np.float32), (0, 0), rng.uniform(4, 10))
    return np.sin(x * 2 * np.pi / rng.uniform(20, 60) + turbulence / turbulence.std() * rng.uniform(1, 3))


PATTERNS: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], ...]] = {
    'train': (_noise, _stripes, _checks, _gradient, _spots),
    'heldout': (_rings, _cells, _marble),
}


def _collage(rng: np.random.Generator, fields: list[np.ndarray]) -> np.ndarray:
    """Two fields (TILE, TILE) in [0, 1]; a third field chooses between them. The result is bent as by curved glass."""
    first, second, chooser = (fields[int(rng.integers(len(fields)))] for _ in range(3))
    sharpness = np.exp(rng.uniform(0, 3))
    weight = np.clip(0.5 + sharpness * (chooser - np.median(chooser)), 0, 1)
    field = weight * first + (1 - weight) * second * rng.uniform(0.3, 1.0)
    coarse = rng.standard_normal((2, *(int(rng.integers(2, 7)),) * 2)).astype(np.float32) * rng.uniform(0, 12)
    bend = [cv2.resize(layer, (TILE, TILE), interpolation=cv2.INTER_CUBIC) for layer in coarse]
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32)
    return cv2.remap(
        field.astype(np.float32), x + bend[0], y + bend[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def _spread(field: np.ndarray) -> np.ndarray:
    return (field - field.min()) / max(float(np.ptp(field)), 1e-6)


@lru_cache(maxsize=2)
def _pattern_bank(split: str) -> np.ndarray:
    """The patterns of a split: (K, TILE, TILE) uint8, the same in every process."""
    rng = np.random.default_rng(20261120 + len(split))
    fields = [_spread(family(rng)) for family in PATTERNS[split] for _ in range(_FIELDS_PER_FAMILY)]
    if split == 'train':
        fields += [_spread(_collage(rng, fields)) for _ in range(_COLLAGES)]
    return np.stack([(255 * field).astype(np.uint8) for field in fields])


@lru_cache(maxsize=2)
def _photo_bank(split: str) -> tuple[np.ndarray, ...]:
    """RGB photographs of a split. Raises ImportError if a package that has them is missing."""
    photos = []
    for name in PHOTOS[split]:
        package, file_name = name.split('/')
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise ImportError(
                f'synthetic scenes with photographs need the sample images of {package}: install '
                'scikit-image and scikit-learn, or use SceneSettings(photos=0)'
            )
        image = cv2.imread(str(Path(spec.origin).parent / _PHOTO_FOLDERS[package] / file_name), cv2.IMREAD_COLOR)
        if image is None:
            raise ImportError(f'the installed {package} has no readable sample image {file_name}')
        scale = min(1.0, _PHOTO_LONGEST_SIDE / max(image.shape[:2]))
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        photos.append(np.ascontiguousarray(image[..., ::-1]))
    return tuple(photos)


def random_colour(rng: np.random.Generator) -> np.ndarray:
    """One RGB colour, float32 (3,). Half of them are greyish, as most things are."""
    colour = rng.uniform(10, 245, 3)
    if rng.random() < 0.5:
        colour = colour.mean() + (colour - colour.mean()) * rng.uniform(0.05, 0.5)
    return colour.astype(np.float32)


def pattern(rng: np.random.Generator, split: str) -> np.ndarray:
    """A computed tile (TILE, TILE, 3) uint8 with two random colours; sometimes nearly plain."""
    bank = _pattern_bank(split)
    field = bank[int(rng.integers(len(bank)))]
    first, second = random_colour(rng), random_colour(rng)
    if rng.random() < 0.4:
        second = first + (second - first) * rng.uniform(0.05, 0.4)
    table = (first + (second - first) * _RAMP).astype(np.uint8)
    return cv2.LUT(cv2.merge((field, field, field)), table[None])


def cloth(rng: np.random.Generator, split: str) -> np.ndarray:
    """A tile (TILE, TILE, 3) uint8 for clothes: usually of one colour with a weak pattern."""
    tile = pattern(rng, split)
    if rng.random() < 0.3:
        return tile
    mean = tile.mean((0, 1))
    return (mean + (tile - mean) * rng.uniform(0.0, 0.3)).astype(np.uint8)


def photo(rng: np.random.Generator, split: str, *, height: int, width: int, zoom: tuple[float, float]) -> np.ndarray:
    """A piece of a photograph, turned, scaled and recoloured: (height, width, 3) uint8.

    Args:
        rng: random numbers.
        split: 'train' or 'heldout'.
        height, width: of the piece in pixels.
        zoom: range of the share that the longer side of the piece covers of the shorter side of the photograph.
    """
    bank = _photo_bank(split)
    source = bank[int(rng.integers(len(bank)))]
    rows, columns = source.shape[:2]
    scale = rng.uniform(*zoom) * min(rows, columns) / max(height, width)
    angle = rng.uniform(-0.3, 0.3)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn[:, 0] *= -1
    centre = rng.uniform(0.25, 0.75, 2) * (columns, rows)
    inverse = np.hstack([turn, (centre - turn @ (width / 2, height / 2))[:, None]])
    piece = cv2.warpAffine(
        source,
        inverse,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return recolour(rng, piece, strength=rng.uniform(0, 0.7))


def recolour(rng: np.random.Generator, tile: np.ndarray, *, strength: float) -> np.ndarray:
    """The same texture in other colours: by a random colour matrix near the identity; `strength` is in [0, 1]."""
    mix = np.eye(3) + strength * rng.uniform(-0.5, 0.5, (3, 3))
    if strength > 0.5 and rng.random() < 0.5:
        mix = mix[rng.permutation(3)]
    mix /= np.abs(mix).sum(1, keepdims=True)
    shift = strength * rng.uniform(-60, 60, (3, 1)) + 128 * (1 - mix.sum(1, keepdims=True))
    return cv2.transform(tile, np.hstack([mix, shift]).astype(np.float32))


def texture(rng: np.random.Generator, split: str, *, photos: float) -> np.ndarray:
    """A tile (TILE, TILE, 3) uint8: a piece of a photograph with probability `photos`, else a pattern."""
    if rng.random() < photos:
        return photo(rng, split, height=TILE, width=TILE, zoom=(0.1, 0.6))
    return pattern(rng, split)
