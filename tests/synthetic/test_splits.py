"""Textures, photographs and shapes of the two splits have nothing in common."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.synthetic.scene import SPLITS
from sam2_ros.synthetic.shapes import FAMILIES, animate, occluder, random_shape, walker
from sam2_ros.synthetic.textures import PATTERNS, PHOTOS, TILE, pattern, photo, recolour, texture


def _shape_names(split: str) -> set[str]:
    rng = np.random.default_rng(0)
    return {random_shape(rng, split).family for _ in range(300)} | {walker(rng, split).family for _ in range(20)}


def test_shapes_are_split() -> None:
    train, heldout = map(_shape_names, SPLITS)
    assert train == {
        'blob',
        'polygon',
        'box',
        'ellipse',
        'stick',
        'ring',
        'person',
        'creature',
        'vehicle',
        'ragged',
        'assembly',
    }
    assert heldout == {'cross', 'gear', 'crescent', 'quadruped', 'lamp'}
    assert not set(FAMILIES['train']) & set(FAMILIES['heldout'])


def test_pattern_families_are_split() -> None:
    assert not set(PATTERNS['train']) & set(PATTERNS['heldout'])


def test_no_tile_of_one_split_is_a_recoloured_tile_of_the_other() -> None:
    def greys(split: str) -> np.ndarray:
        """(K, TILE * TILE) of unit length and mean 0, so that products are correlations."""
        rng = np.random.default_rng(3)
        tiles = np.stack([pattern(rng, split).mean(axis=2).ravel() for _ in range(150)])
        tiles = tiles[tiles.std(axis=1) > 2] - tiles[tiles.std(axis=1) > 2].mean(axis=1, keepdims=True)
        return tiles / np.linalg.norm(tiles, axis=1, keepdims=True)

    train, heldout = map(greys, SPLITS)
    within = np.abs(train @ train.T)[~np.eye(len(train), dtype=bool)].max()
    assert within > 0.99  # the measure does find the same tile in other colours
    assert np.abs(train @ heldout.T).max() < 0.9


def test_photographs_are_split() -> None:
    folders = {'skimage': 'data', 'sklearn': 'datasets/images'}
    seen = {}
    for split in SPLITS:
        for name in PHOTOS[split]:
            package, file_name = name.split('/')
            spec = find_spec(package)
            assert spec is not None and spec.origin is not None, f'the extra train of setup.py brings {package}'
            seen[name] = cv2.imread(str(Path(spec.origin).parent / folders[package] / file_name)).tobytes()
    assert not set(PHOTOS['train']) & set(PHOTOS['heldout'])
    assert len(set(seen.values())) == len(PHOTOS['train']) + len(PHOTOS['heldout'])


@pytest.mark.parametrize('split', SPLITS)
def test_textures_are_pictures_of_their_size(split: str) -> None:
    rng = np.random.default_rng(1)
    for photos in (0.0, 1.0):
        tile = texture(rng, split, photos=photos)
        assert tile.shape == (TILE, TILE, 3) and tile.dtype == np.uint8 and tile.std() > 0
    assert photo(rng, split, height=40, width=70, zoom=(0.3, 1.0)).shape == (40, 70, 3)


def test_recolouring_with_no_strength_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    tile = pattern(rng, 'train')
    np.testing.assert_array_equal(recolour(rng, tile, strength=0.0), tile)
    assert np.abs(recolour(rng, tile, strength=0.8).astype(int) - tile).mean() > 5


@pytest.mark.parametrize('split', SPLITS)
def test_shapes_stay_within_their_coordinates_while_they_move(split: str) -> None:
    rng = np.random.default_rng(2)
    gait = np.linspace(0, 20, 30)
    for _ in range(100):
        shape = random_shape(rng, split)
        points = [outline for part in shape.parts for outline in animate(part, gait)]
        assert all(outline.shape[0] == 30 and outline.shape[2] == 2 for outline in points)
        assert max(float(np.abs(outline).max()) for outline in points) < 1.8
        assert 1 <= shape.materials <= 4


def test_a_limb_swings_about_its_pivot() -> None:
    legs = [part for part in walker(np.random.default_rng(0), 'train').parts if part.swing > 0]
    assert len(legs) >= 4
    for part in legs:
        rest, swung = animate(part, np.array([-part.phase, np.pi / 2 - part.phase]))[0]
        np.testing.assert_allclose(rest, part.outlines[0], atol=1e-12)
        before, after = (rest - part.pivot) @ (1, 1j), (swung - part.pivot) @ (1, 1j)
        np.testing.assert_allclose(after / before, np.exp(1j * part.swing), atol=1e-9)


def test_an_occluder_of_the_size_the_scene_gives_it_covers_the_target() -> None:
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for _ in range(50):
        outline = (1.55 * occluder(rng).parts[0].outlines[0]).astype(np.float32)
        assert all(cv2.pointPolygonTest(outline, (float(x), float(y)), False) > 0 for x, y in circle)
