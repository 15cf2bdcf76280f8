"""Where objects were at the time of an image: tracked, skipped, hidden, prompted later."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.detections.seen import SeenObject, has_settled, objects_at
from sam2_ros.live.arrived_images import ArrivedImage, ImageStatus

TRACKED, SKIPPED = ImageStatus.TRACKED, ImageStatus.SKIPPED


def shown(object_id: str, box: tuple[int, int, int, int] | None, *, padding: int = 0) -> Any:
    """An object that fills its box, with `padding` bytes behind every row of its mask."""
    if box is None:
        return SimpleNamespace(object_id=object_id, has_box=False, mask=SimpleNamespace(data=b'', step=0))
    x0, y0, x1, y1 = box
    row = b'\xff' * (x1 - x0) + b'\xff' * padding
    mask = SimpleNamespace(data=row * (y1 - y0), step=x1 - x0 + padding)
    return SimpleNamespace(object_id=object_id, has_box=True, box=box, mask=mask)


def image(time: float, *objects: Any, status: ImageStatus = TRACKED) -> ArrivedImage:
    made = ArrivedImage(SimpleNamespace(data=b''), time=time, arrived=time, status=status)
    for one in objects:
        made.keep_object(one)
    return made


def test_a_tracked_image_shows_what_was_handed_out_for_it() -> None:
    here = image(1.0, shown('a', (2, 3, 6, 8), padding=3))
    seen = objects_at([image(0.0, shown('a', (0, 0, 4, 5))), here], here)['a']
    assert seen.box == seen.place == (2, 3, 6, 8) and seen.origin == (2, 3) and seen.mask.shape == (5, 4)
    assert seen.pixels_within((0, 0, 4, 5)) == 4 and seen.pixels_within((0, 0, 100, 100)) == 20


def test_a_skipped_image_lies_between_two_that_were_tracked() -> None:
    before, after = image(1.0, shown('a', (0, 0, 10, 10))), image(1.4, shown('a', (20, 40, 34, 50)))
    here = image(1.3, status=SKIPPED)
    seen = objects_at([before, image(1.1, status=SKIPPED), here, after], here)['a']
    assert seen.box == pytest.approx((15, 30, 28, 40)) and seen.origin == (15, 30)
    assert seen.mask.shape == (10, 14)  # of the nearer one


def test_a_skipped_image_before_which_or_after_which_nothing_was_tracked() -> None:
    here, known = image(1.0, status=SKIPPED), image(0.5, shown('a', (0, 0, 4, 4)))
    assert objects_at([known, here], here)['a'].box == (0, 0, 4, 4)
    assert objects_at([here, image(2.0, shown('a', (5, 5, 9, 9)))], here)['a'].box == (5, 5, 9, 9)
    assert objects_at([here], here) == {}
    assert objects_at([known], here) == {}  # it is not kept any more


def test_what_was_prompted_on_a_skipped_image_counts_more() -> None:
    here = image(1.0, shown('a', (7, 7, 9, 9)), status=SKIPPED)
    assert objects_at([image(0.0, shown('a', (0, 0, 4, 4))), here], here)['a'].box == (7, 7, 9, 9)


def test_a_hidden_object_is_where_it_was_seen_last() -> None:
    here = image(3.0, shown('a', None))
    images = [image(0.0, shown('a', (0, 0, 4, 4))), image(1.0, shown('a', (1, 1, 5, 5))), image(2.0, shown('a', None))]
    seen = objects_at([*images, here, image(4.0, shown('a', (9, 9, 12, 12)))], here)['a']
    assert (seen.box, seen.place, seen.mask) == (None, (1, 1, 5, 5), None)
    assert seen.match((1, 1, 5, 5), least=0.1) is None and seen.covers((1, 1, 5, 5)) == 0


def test_an_object_that_was_prompted_later_is_known_by_its_first_place() -> None:
    here = image(1.0)
    seen = objects_at([here, image(2.0, shown('a', (3, 3, 6, 6))), image(3.0, shown('a', (9, 9, 12, 12)))], here)['a']
    assert (seen.box, seen.place) == (None, (3, 3, 6, 6))


def test_an_image_has_settled_when_it_or_a_later_one_had_its_turn() -> None:
    waiting, skipped = image(2.0, status=ImageStatus.WAITING), image(1.0, status=SKIPPED)
    assert not has_settled([waiting], waiting) and not has_settled([skipped, waiting], skipped)
    assert has_settled([skipped, image(2.0)], skipped) and has_settled([image(2.0)], skipped)
    failed = image(3.0, status=ImageStatus.FAILED)
    assert has_settled([failed], failed) and has_settled([skipped, failed], skipped)


def test_an_object_that_is_hidden_in_part_matches_the_box_of_all_of_it() -> None:
    seen = objects_at([here := image(0.0, shown('a', (0, 0, 10, 16)))], here)['a']
    assert seen.match((0, 0, 10, 40), least=0.5) == pytest.approx(0.4)
    assert seen.match((0, 8, 10, 30), least=0.5) is None  # half of the mask is beside that box
    assert seen.match((0, 0, 10, 80), least=0.5) is None


boxes = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20)).map(
    lambda edges: (edges[0], edges[1], edges[0] + edges[2], edges[1] + edges[3])
)


@given(boxes, boxes)
def test_masks_overlap_as_whole_pictures_do(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    pictures, objects = [], []
    for box in (one, other):
        x0, y0, x1, y1 = box
        mask = (np.indices((y1 - y0, x1 - x0)).sum(axis=0) % 3 > 0).astype(np.uint8)
        pictures.append(np.zeros((50, 50), bool))
        pictures[-1][y0:y1, x0:x1] = mask
        objects.append(SeenObject('a', box, box, mask, (x0, y0)))
    first, second = objects
    common, union = (pictures[0] & pictures[1]).sum(), (pictures[0] | pictures[1]).sum()
    assert first.common_pixels(second) == common
    assert first.mask_overlap(second) == pytest.approx(common / union if common else 0)
    x0, y0, x1, y1 = other
    assert first.pixels_within(other) == pictures[0][y0:y1, x0:x1].sum()
