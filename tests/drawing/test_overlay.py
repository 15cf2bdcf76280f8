"""The overlay, prompts and scores: what is drawn where, that it can be read, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_ros.drawing.colours import label_colour
from sam2_ros.drawing.masks import MASK_OPACITY
from sam2_ros.drawing.overlay import (
    STRIP_FRAMES,
    STRIP_LIMIT,
    ScoreStrip,
    draw_overlay,
    draw_prompts,
)
from sam2_ros.tracking import ObjectState, Prompt
from tests.results import frame_result, object_result

HEIGHT, WIDTH = 180, 320


def _square(top: int, left: int, size: int = 60) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + size, left : left + size] = True
    return mask


def _picture(value: int = 128) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


def _contrast(region: np.ndarray) -> float:
    """WCAG contrast ratio of the lightest to the darkest 2 % of the pixels of an RGB region."""
    linear = ((region / 255) ** 2.2 @ (0.2126, 0.7152, 0.0722)).ravel()
    dark, light = np.percentile(linear, (2, 98))
    return (light + 0.05) / (dark + 0.05)


def test_without_objects_the_picture_is_copied() -> None:
    picture = _picture()
    overlay = draw_overlay(picture, frame_result())
    np.testing.assert_array_equal(overlay, picture)
    assert not np.shares_memory(overlay, picture)


def test_inside_of_a_mask_is_tinted_and_the_rest_is_left_alone() -> None:
    picture, mask = _picture(100), _square(80, 40)
    overlay = draw_overlay(picture, frame_result(object_result('cup', mask)), labels={'cup': 2})
    tinted = (1 - MASK_OPACITY) * 100 + MASK_OPACITY * np.array(label_colour(2))
    np.testing.assert_allclose(overlay[110, 70], tinted, atol=1)
    np.testing.assert_array_equal(overlay[:, 240:], 100)
    np.testing.assert_array_equal(overlay[150:], 100)
    np.testing.assert_array_equal(picture, 100)


def test_contour_and_box_have_the_colour_of_the_label() -> None:
    mask = _square(80, 40) & ~_square(80, 40, 30)  # an L: its box has a corner off the mask
    overlay = draw_overlay(_picture(), frame_result(object_result('cup', mask)), labels={'cup': 3})
    for row, column in ((80, 45), (110, 50)):  # on the box only; on the inner contour only
        patch = overlay[row - 2 : row + 3, column - 2 : column + 3].reshape(-1, 3).astype(int)
        assert np.abs(patch - label_colour(3)).sum(1).min() < 100, (row, column)


def test_colours_are_stable_and_told_apart() -> None:
    colours = np.array([label_colour(label) for label in range(1, 33)])
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    assert distances[:8, :8][~np.eye(8, dtype=bool)].min() > 70
    assert distances[~np.eye(32, dtype=bool)].min() > 5
    assert label_colour(300) == label_colour(300)
    assert np.linalg.norm(colours[1:] - colours[:-1], axis=1).min() > 100  # neighbours in number


def test_the_colour_belongs_to_the_label_not_to_the_order() -> None:
    cup, box = object_result('cup', _square(80, 40)), object_result('box', _square(80, 200))
    labels = {'cup': 5, 'box': 1}
    np.testing.assert_array_equal(
        draw_overlay(_picture(), frame_result(cup, box), labels=labels),
        draw_overlay(_picture(), frame_result(box, cup), labels=labels),
    )


@pytest.mark.parametrize('background', [0, 90, 128, 170, 255, 'noise'])
def test_plates_can_be_read_on_any_background(background: int | str) -> None:
    picture = (
        np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        if background == 'noise'
        else _picture(background)
    )
    hidden = object_result('gone', np.zeros((HEIGHT, WIDTH), bool), logit=-5.0, state=ObjectState.LOST)
    result = frame_result(hidden, object_result('cup', _square(80, 40)))
    overlay = draw_overlay(picture, result)
    assert _contrast(overlay[66:78, 46:100]) > 4.5  # the plate of the object, above its box
    assert _contrast(overlay[6:16, 22:80]) > 4.5  # the line of the hidden one, in the corner


def test_a_hidden_object_is_listed_in_the_corner_and_nowhere_else() -> None:
    hidden = object_result('gone', np.zeros((HEIGHT, WIDTH), bool), logit=-5.0, state=ObjectState.OCCLUDED)
    overlay = draw_overlay(_picture(), frame_result(hidden))
    assert (overlay[:24, :120] != 128).any()
    np.testing.assert_array_equal(overlay[30:], 128)
    np.testing.assert_array_equal(overlay[:, 220:], 128)


def test_states_look_different() -> None:
    drawn = [
        draw_overlay(_picture(), frame_result(object_result('cup', _square(80, 40), state=state)))
        for state in (ObjectState.VISIBLE, ObjectState.CATCHING_UP)
    ]
    bottom_edge = [overlay[137:141, 40:100] for overlay in drawn]
    assert (bottom_edge[0] != bottom_edge[1]).any((0, 2)).mean() > 0.3  # dashed against solid
    empty = np.zeros((HEIGHT, WIDTH), bool)
    occluded, lost = (
        draw_overlay(_picture(), frame_result(object_result('cup', empty, state=state)))
        for state in (ObjectState.OCCLUDED, ObjectState.LOST)
    )
    assert (occluded != lost).any()


def test_plates_of_neighbours_do_not_cover_each_other() -> None:
    both = [object_result('left', _square(80, 100)), object_result('right', _square(80, 110))]
    together = draw_overlay(_picture(), frame_result(*both), labels={'left': 1, 'right': 1})
    alone = [draw_overlay(_picture(), frame_result(result), labels={result.object_id: 1}) for result in both]
    plate = alone[0][66:78, 106:150]  # the first plate stays where it would be by itself
    np.testing.assert_allclose(together[66:78, 106:150].astype(int), plate, atol=8)  # it is a little transparent
    dark = (together.astype(int).sum(2) < 250).sum()
    assert dark > 1.5 * (alone[0].astype(int).sum(2) < 250).sum()


def test_more_hidden_objects_than_lines_are_counted() -> None:
    empty = np.zeros((HEIGHT, WIDTH), bool)
    hidden = [object_result(f'object_{number}', empty, state=ObjectState.LOST) for number in range(40)]
    overlays = [draw_overlay(_picture(), frame_result(*hidden[:count])) for count in (8, 39, 40)]
    lowest = [np.flatnonzero((overlay != 128).any((1, 2))).max() for overlay in overlays]
    assert lowest[0] > 130
    assert lowest[1] == lowest[2] < HEIGHT
    last_line = slice(lowest[1] - 12, lowest[1])
    assert (overlays[1][last_line] != overlays[2][last_line]).any()  # one more


@settings(max_examples=40)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    data=st.data(),
    names=st.lists(st.text(min_size=1, max_size=60), max_size=5, unique=True),
)
def test_any_size_any_name_any_place(height: int, width: int, names: list[str], data: st.DataObject) -> None:
    results = []
    for name in names:
        mask = np.zeros((height, width), bool)
        top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        mask[top : data.draw(st.integers(top, height)), left : data.draw(st.integers(left, width))] = True
        results.append(object_result(name, mask))
    picture = np.zeros((height, width, 3), np.uint8)
    overlay = draw_overlay(picture, frame_result(*results, image_size=(height, width)))
    assert overlay.shape == picture.shape
    assert not picture.any()


@pytest.mark.parametrize(
    'picture',
    [
        np.zeros((HEIGHT, WIDTH), np.uint8),
        np.zeros((HEIGHT, WIDTH, 4), np.uint8),
        np.zeros((HEIGHT, WIDTH, 3)),
    ],
)
def test_only_rgb_pictures_are_accepted(picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r'must be uint8 of shape \(H, W, 3\)'):
        draw_overlay(picture, frame_result())


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mask of 'cup' has shape \(180, 320\), but the image has \(90, 160\)"):
        draw_overlay(np.zeros((90, 160, 3), np.uint8), frame_result(object_result('cup', _square(80, 40))))


def test_an_object_without_a_label_is_refused() -> None:
    with pytest.raises(KeyError):
        draw_overlay(_picture(), frame_result(object_result('cup', _square(80, 40))), labels={'box': 1})


def _is_colour(region: np.ndarray, label: int) -> np.ndarray:
    """Where pixels have the colour of a label, apart from what smoothing makes of it."""
    return np.abs(region.astype(int) - label_colour(label)).max(-1) < 40


def _rows_of_curve(image: np.ndarray, frame: int, label: int) -> np.ndarray:
    """Rows of the strip, below an image of HEIGHT, that a curve takes in the column of a frame."""
    column = round(frame * (WIDTH - 1) / (STRIP_FRAMES - 1))
    return np.flatnonzero(_is_colour(image[HEIGHT:, column], label))


def _strip(*frames: dict[str, float]) -> np.ndarray:
    strip = ScoreStrip()
    for scores in frames:
        strip.add(scores)
    return strip.draw_under(_picture(), labels={'cup': 1, 'box': 2})


def test_without_scores_the_strip_shows_the_zero_line_half_way() -> None:
    image = _strip()
    np.testing.assert_array_equal(image[:HEIGHT], _picture())
    strip = image[HEIGHT:]
    bright = strip[:, WIDTH - 1].astype(int).sum(1)
    assert abs(np.flatnonzero(bright == bright.max()).mean() - (len(strip) - 1) / 2) <= 0.5
    assert image.shape[1:] == (WIDTH, 3) and 20 < len(strip) < HEIGHT / 2


@pytest.mark.parametrize(
    ('score', 'share'),
    [
        (0.0, 0.5),
        (STRIP_LIMIT, 0.0),
        (-STRIP_LIMIT, 1.0),
        (STRIP_LIMIT / 2, 0.25),
        (-STRIP_LIMIT / 2, 0.75),
        (1000.0, 0.0),
        (-1000.0, 1.0),
    ],
)
def test_a_curve_runs_where_its_score_is(score: float, share: float) -> None:
    """`share` of the height of the strip, from its top."""
    image = _strip(*[{'cup': score}] * 100)
    rows = _rows_of_curve(image, 50, 1)
    height = image.shape[0] - HEIGHT
    assert len(rows) and abs(rows.mean() / (height - 1) - share) < 0.07
    assert not len(_rows_of_curve(image, 105, 1))  # nothing is drawn of frames to come


def test_every_object_has_its_curve_and_a_gap_where_it_has_no_score() -> None:
    image = _strip(*[{'cup': 5.0, 'box': -5.0}] * 50, *[{'cup': 5.0}] * 50, *[{'cup': 5.0, 'box': -5.0}] * 50)
    for frame in (25, 75, 125):
        assert len(_rows_of_curve(image, frame, 1))
        assert bool(len(_rows_of_curve(image, frame, 2))) == (frame != 75)


def test_old_scores_leave_at_the_left() -> None:
    image = _strip(*[{'cup': 5.0}] * STRIP_FRAMES, *[{'cup': -5.0}] * (STRIP_FRAMES // 2))
    middle = (image.shape[0] - HEIGHT) / 2
    assert _rows_of_curve(image, STRIP_FRAMES // 4, 1).max() < middle < _rows_of_curve(image, STRIP_FRAMES - 9, 1).min()


@pytest.mark.parametrize('height', [1, 2, 95, 96, 719, 720])
def test_with_the_strip_the_height_is_even(height: int) -> None:
    strip = ScoreStrip()
    strip.add({'cup': 1.0})
    image = strip.draw_under(np.zeros((height, 40, 3), np.uint8), labels={'cup': 1})
    assert image.shape[0] % 2 == 0 and image.shape[0] > height


def _dashes(overlay: np.ndarray, row: int, left: int, right: int, label: int) -> tuple[float, float]:
    """Shares of white and of the colour of a label in a part of a row."""
    part = overlay[row, left:right]
    return (part == 255).all(1).mean(), _is_colour(part, label).mean()


def test_the_prompted_box_is_drawn_in_dashes_of_white_and_its_colour() -> None:
    picture = _picture()
    image = draw_prompts(picture, [Prompt('cup', box=(40, 60.4, 140, 120.0))], labels={'cup': 2})
    for row in (60, 119):
        white, coloured = _dashes(image, row, 40, 140, 2)
        assert white > 0.3 and coloured > 0.3
    np.testing.assert_array_equal(image[:57], 128)
    np.testing.assert_array_equal(image[64:116, 44:136], 128)
    np.testing.assert_array_equal(picture, 128)
    assert _contrast(image[122:140, 40:100]) > 4.5  # the id, below the box


def test_prompted_points_say_whether_they_are_on_the_object() -> None:
    prompt = Prompt('cup', points=[(60, 90), (200, 90)], labels=[1, 0])
    image = draw_prompts(_picture(), [prompt], labels={'cup': 3})
    discs = [image[80:101, x - 10 : x + 11] for x in (60, 200)]
    assert _is_colour(discs[0], 3).sum() > 30
    assert not _is_colour(discs[1], 3).any() and (discs[1].max(2) < 40).sum() > 30
    assert (discs[0][8:13, 10] == 255).any(1).sum() > (discs[1][8:13, 10] == 255).any(1).sum()  # plus, minus


def test_a_prompted_mask_is_outlined() -> None:
    mask = _square(60, 40)
    image = draw_prompts(_picture(), [Prompt('cup', mask=mask)], labels={'cup': 1})
    assert (image[60, 45:95] > 200).all() and (image[70:110, 50:90] == 128).all()
    empty = draw_prompts(_picture(), [Prompt('cup', mask=np.zeros_like(mask))], labels={'cup': 1})
    np.testing.assert_array_equal(empty, 128)


def test_a_prompt_may_reach_beyond_the_image() -> None:
    prompt = Prompt('cup', box=(-50, -40, 1000, 900), points=[(0, 0)])
    assert draw_prompts(_picture(), [prompt], labels={'cup': 1}).shape == (HEIGHT, WIDTH, 3)
