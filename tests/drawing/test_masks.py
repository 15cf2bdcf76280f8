"""Many masks over one image."""

import numpy as np

from sam2_ros.drawing.colours import label_colour
from sam2_ros.drawing.masks import MASK_OPACITY, draw_masks, draw_numbered_masks


def test_a_part_shows_on_the_whole_and_the_rest_stays() -> None:
    rgb = np.full((60, 80, 3), 100, np.uint8)
    part, whole, nothing = (np.zeros((60, 80), bool) for _ in range(3))
    part[20:40, 20:40] = True
    whole[10:50, 10:70] = True
    drawn = draw_masks(rgb, [part, whole, nothing])
    assert (rgb == 100).all()

    def tinted(before: np.ndarray, label: int) -> np.ndarray:
        return (1 - MASK_OPACITY) * before + MASK_OPACITY * np.array(label_colour(label))

    on_whole = tinted(np.full(3, 100), 2)
    np.testing.assert_allclose(drawn[45, 60], on_whole, atol=1)
    np.testing.assert_allclose(drawn[30, 30], tinted(on_whole, 1), atol=1)
    np.testing.assert_array_equal(drawn[:5], rgb[:5])


def test_numbers_stand_in_their_masks_and_colours_follow_them() -> None:
    rgb = np.full((60, 80, 3), 100, np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[10:50, 20:60] = True
    plain, bracketed = (
        draw_numbered_masks(rgb, {7: mask, 8: np.zeros_like(mask)}, bracketed=marked) for marked in ((), (7,))
    )
    assert (rgb == 100).all()
    tint = (1 - MASK_OPACITY) * 100 + MASK_OPACITY * np.array(label_colour(7))
    np.testing.assert_allclose(plain[45, 25], tint, atol=1)
    assert plain[24:37, 32:48].min(-1).max() > 200, 'light letters of the number'
    rows, columns = np.nonzero((plain != bracketed).any(-1))
    assert mask[rows, columns].all() and len(rows) > 5
    noted = draw_numbered_masks(rgb, {}, note='frame 3')
    assert (noted[45:] != 100).any() and (noted[:40] == 100).all()
