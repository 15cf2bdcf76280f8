"""Effects of one image: each does what it says within the mask, and nothing outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam2_ros.effects import EFFECTS, EffectOptions, HeldMasks, apply_effect, cut_out, replace_background
from sam2_ros.effects.held import HELD_FRAMES

SIZE = (60, 80)
MASK = np.zeros(SIZE, bool)
MASK[10:42, 20:52] = True


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


@pytest.mark.parametrize('name', sorted(set(EFFECTS) - {'spotlight', 'outline'}))
def test_nothing_outside_changes(name: str, rgb: np.ndarray) -> None:
    before = rgb.copy()
    drawn = apply_effect(name, rgb, [MASK])
    np.testing.assert_array_equal(drawn[~MASK], before[~MASK])
    np.testing.assert_array_equal(rgb, before)
    assert (drawn[MASK] != before[MASK]).any(-1).mean() > 0.9


@pytest.mark.parametrize('name', [name for name, effect in EFFECTS.items() if effect.hides])
def test_effects_that_hide_leave_no_details(name: str) -> None:
    """Stripes of two pixels, which a viewer could read, are gone."""
    stripes = np.zeros((*SIZE, 3), np.uint8)
    stripes[:, ::4] = stripes[:, 1::4] = 255
    drawn = apply_effect(name, stripes, [MASK])[12:40, 22:50].astype(float)
    assert (
        np.abs(np.diff(drawn, axis=1)).mean() < 10 < np.abs(np.diff(stripes[12:40, 22:50].astype(float), axis=1)).mean()
    )


def test_blocks_are_the_mean_of_what_they_cover(rgb: np.ndarray) -> None:
    drawn = apply_effect('pixelate', rgb, [MASK], EffectOptions(cells=4))
    block = drawn[10:18, 20:28].reshape(-1, 3)
    assert (block == block[0]).all()
    np.testing.assert_allclose(block[0], rgb[10:18, 20:28].reshape(-1, 3).mean(0), atol=1)
    assert len(np.unique(drawn[10:42, 20:52].reshape(-1, 3), axis=0)) == 16


def test_grey_has_no_colour_and_colourise_has_one(rgb: np.ndarray) -> None:
    assert np.ptp(apply_effect('grey', rgb, [MASK])[MASK], axis=1).max() == 0
    ramp = np.repeat(np.arange(80, dtype=np.uint8)[None, :, None] * 3, 60, axis=0).repeat(3, axis=2)
    shades = apply_effect('colourise', ramp, [np.ones(SIZE, bool)], EffectOptions(colour=(200, 100, 0)))
    assert shades[0, 0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(shades[0, 42], (200, 100, 0), atol=4)  # half as bright as white
    assert (np.diff(shades[0].astype(int), axis=0) >= 0).all()


def test_a_margin_hides_the_edge_too(rgb: np.ndarray) -> None:
    drawn = apply_effect('fill', rgb, [MASK], EffectOptions(colour=(1, 2, 3), margin=5))
    filled = (drawn == (1, 2, 3)).all(-1)
    assert filled[5:47, 35].all() and filled[25, 15:57].all() and not filled[4, 35]


def test_one_spotlight_for_all_objects() -> None:
    other = np.zeros(SIZE, bool)
    other[50:58, 60:78] = True
    drawn = apply_effect('spotlight', np.full((*SIZE, 3), 200, np.uint8), [MASK, other])
    assert drawn[20, 30].tolist() == drawn[54, 70].tolist() == [200] * 3
    assert drawn[5, 70].tolist() == [50] * 3
    assert (apply_effect('spotlight', np.full((*SIZE, 3), 200, np.uint8), []) == 50).all()


def test_an_outline_leaves_the_inside(rgb: np.ndarray) -> None:
    drawn = apply_effect('outline', rgb, [MASK], EffectOptions(colour=(0, 255, 0)))
    assert drawn[10, 35].tolist() == [0, 255, 0]
    np.testing.assert_array_equal(drawn[16:36, 26:46], rgb[16:36, 26:46])
    np.testing.assert_array_equal(drawn[:5], rgb[:5])


def test_a_cut_out_keeps_the_colours_and_has_soft_edges(rgb: np.ndarray) -> None:
    rgba = cut_out(rgb, MASK)
    np.testing.assert_array_equal(rgba[..., :3], rgb)
    assert rgba[25, 35, 3] == 255 and rgba[3, 3, 3] == 0
    assert 0 < rgba[10, 35, 3] < 255


def test_another_background_fills_the_frame(rgb: np.ndarray) -> None:
    background = np.zeros((90, 300, 3), np.uint8)
    background[:, 90:210] = 200  # what is left of it in the shape of the frame
    drawn = replace_background(rgb, MASK, background)
    np.testing.assert_array_equal(drawn[20:32, 30:42], rgb[20:32, 30:42])
    assert (drawn[0] == 200).all() and (drawn[-1] == 200).all()


def test_no_mask_changes_nothing(rgb: np.ndarray) -> None:
    for name in set(EFFECTS) - {'spotlight'}:
        np.testing.assert_array_equal(apply_effect(name, rgb, []), rgb)
        np.testing.assert_array_equal(apply_effect(name, rgb, [np.zeros(SIZE, bool)]), rgb)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda rgb: apply_effect('sepia', rgb, []), 'accepted are pixelate'),
        (lambda rgb: apply_effect('grey', rgb, [MASK[1:]]), 'a mask has shape'),
        (lambda _: EffectOptions(colour=(0, 0, 256)), 'from 0 to 255'),
        (lambda _: EffectOptions(cells=0), '1 or more'),
    ],
)
def test_what_cannot_be_drawn_is_told(make: Any, message: str, rgb: np.ndarray) -> None:
    with pytest.raises(ValueError, match=message):
        make(rgb)


def test_a_place_is_covered_for_a_while_after_the_object_was_lost() -> None:
    held, gone = HeldMasks(), np.zeros(SIZE, bool)
    assert held.update(0, {'face': gone}) == []
    (mask,) = held.update(1, {'face': MASK})
    assert mask is MASK
    for frame in range(2, 2 + HELD_FRAMES):
        assert held.update(frame, {'face': gone})[0] is MASK
    assert held.update(2 + HELD_FRAMES, {'face': gone}) == []


def test_objects_that_are_removed_and_videos_that_start_anew_are_not_covered() -> None:
    held = HeldMasks()
    held.update(5, {'face': MASK})
    assert held.update(6, {}) == []
    held.update(7, {'face': MASK})
    assert held.update(0, {'face': np.zeros(SIZE, bool)}) == []
    held.update(1, {'face': MASK})
    assert held.update(2, {'face': np.zeros((9, 9), bool)}) == []
