"""Many masks over one image."""

import numpy as np

from sam2_ros.drawing.colours import label_colour
from sam2_ros.drawing.masks import MASK_OPACITY, draw_masks


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
