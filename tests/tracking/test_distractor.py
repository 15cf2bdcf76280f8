"""The anchor test of the distractor-aware memory."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_ros.tracking.distractor import (
    AnchorCandidate,
    AnchorRule,
    AreaHistory,
    DamSettings,
    distractor_overlap,
    largest_part,
)

RELIABLE = AnchorCandidate(predicted_iou=0.9, area=100, area_ratio=1.0, frames_since_anchor=None)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((40, 50), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


TARGET = rectangle(5, 5, 15, 15)  # 10 x 10


@pytest.mark.parametrize(
    ('alternative', 'overlap'),
    [
        (rectangle(15, 5, 19, 15), 9 / 13),  # boxes are one pixel short: 0.692, where the pixels say 0.714
        (rectangle(15, 5, 18, 15), 9 / 12),
        (rectangle(5, 5, 19, 15), 9 / 13),  # what lies inside the target does not count
        (rectangle(30, 30, 34, 34), 81 / (28 * 28)),
        (rectangle(7, 7, 9, 9), None),  # inside the target
        (np.zeros((40, 50), dtype=bool), None),
    ],
)
def test_overlap_of_known_shapes(alternative: np.ndarray, overlap: float | None) -> None:
    assert distractor_overlap(TARGET, [alternative]) == (None if overlap is None else pytest.approx(overlap))


def test_only_the_largest_part_of_an_alternative_counts_and_corners_connect() -> None:
    speck = rectangle(45, 35, 46, 36)
    beside = rectangle(15, 5, 17, 15)
    assert distractor_overlap(TARGET, [speck | beside]) == pytest.approx(9 / 11)
    diagonal = rectangle(20, 20, 22, 22) | rectangle(22, 22, 24, 24)  # touch in a corner: one part of 8 pixels
    assert distractor_overlap(TARGET, [diagonal | rectangle(15, 5, 16, 12)]) == pytest.approx(81 / (18 * 18))


@given(st.data())
@settings(max_examples=300)
def test_the_largest_part_is_that_of_labelled_pixels(data: st.DataObject) -> None:
    """Specks, diagonals, holes and parts within holes; where several are largest, one of them."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    mask = rng.random(shape) < data.draw(st.floats(0, 1))
    if data.draw(st.booleans()):
        mask = cv2.medianBlur(mask.view(np.uint8), 3).view(bool)
    _, _, parts, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    parts = parts[1:]
    largest = [tuple(part[:4]) for part in parts.tolist() if part[4] == parts[:, 4].max()]
    found = largest_part(mask)
    assert found in largest if largest else found is None


def test_the_alternative_that_widens_the_box_most_decides() -> None:
    near, far = rectangle(15, 5, 17, 15), rectangle(15, 5, 35, 15)
    assert distractor_overlap(TARGET, [near, far]) == pytest.approx(9 / 29)


def test_a_target_of_one_row_has_an_empty_box() -> None:
    row = rectangle(5, 5, 15, 6)
    assert distractor_overlap(row, [rectangle(5, 6, 15, 10)]) == 0.0
    assert distractor_overlap(row, [rectangle(15, 5, 40, 6)]) == 1.0  # both empty count as equal


@pytest.mark.parametrize(
    ('change', 'objection'),
    [
        ({}, None),
        ({'predicted_iou': 0.8}, 'predicted IoU'),
        ({'predicted_iou': 0.81}, None),
        ({'area_ratio': 0.8}, None),
        ({'area_ratio': 1.2}, None),
        ({'area_ratio': 0.79}, 'area ratio'),
        ({'area_ratio': 1.21}, 'area ratio'),
        ({'area_ratio': None}, 'no earlier mask'),
        ({'area': 0}, 'absent'),
        ({'frames_since_anchor': 5}, 'only 5 frames'),
        ({'frames_since_anchor': 6}, None),
    ],
)
def test_each_cheap_test_has_its_bound(change: dict, objection: str | None) -> None:
    found = AnchorRule(DamSettings()).objection(replace(RELIABLE, **change))
    assert found is None if objection is None else objection in (found or '')


def test_constants_can_be_changed_by_the_caller() -> None:
    rule = AnchorRule(DamSettings(min_predicted_iou=0.95, max_box_iou=0.5, min_anchor_spacing=9))
    assert '0.95' in (rule.objection(RELIABLE) or '')
    assert 'only 9' in (rule.objection(replace(RELIABLE, predicted_iou=1.0, frames_since_anchor=9)) or '')
    assert '> 0.5' in (rule.distractor_objection(TARGET, [rectangle(15, 5, 19, 15)]) or '')
    assert AnchorRule(DamSettings()).distractor_objection(TARGET, [rectangle(15, 5, 19, 15)]) is None
    with pytest.raises(ValueError, match='ram_interval must be at least 1'):
        DamSettings(ram_interval=0)
    with pytest.raises(ValueError, match='exceeds'):
        DamSettings(min_area_ratio=2.0)
    with pytest.raises(ValueError, match='max_conditioning must be at most 6, not 7'):
        DamSettings(max_conditioning=7)
    with pytest.raises(ValueError, match='spatial_slots must be at most 7, not 8'):
        DamSettings(spatial_slots=8)
    with pytest.raises(TypeError, match='max_pointers must be a whole number, not None'):
        DamSettings(max_pointers=None)
    with pytest.raises(TypeError, match='max_box_iou must be a number'):
        DamSettings(max_box_iou='0.7')


def test_without_the_reliability_test_only_presence_and_spacing_object() -> None:
    rule = AnchorRule(DamSettings(), needs_reliability=False)
    poor = replace(RELIABLE, predicted_iou=0.1, area_ratio=9.0)
    assert rule.objection(poor) is None
    assert 'absent' in (rule.objection(replace(poor, area=0)) or '')
    assert 'only 2' in (rule.objection(replace(poor, frames_since_anchor=2)) or '')


@settings(max_examples=60, deadline=None)
@given(areas=st.lists(st.sampled_from([0, 0, 0, 7, 50, 100, 130]), min_size=1, max_size=40), window=st.integers(1, 12))
def test_area_ratio_is_that_of_the_whole_list(areas: list[int], window: int) -> None:
    """Current area over the median of the last non-empty ones in a window, from a list that keeps everything."""
    constants = DamSettings(median_areas=4, area_window=window)
    history = AreaHistory()
    for count in range(1, len(areas) + 1):
        area = areas[count - 1]
        history = history.add(area, constants)
        if area:
            seen = [old for old in areas[:count][-window:] if old][-4:]
            expected = area / np.median(seen) if count > 1 else None
            assert history.ratio(constants) == (None if expected is None else pytest.approx(expected))
    assert len(history.areas) <= 4
