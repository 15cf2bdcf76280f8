"""Outlines in COCO's format: polygons and run lengths cover the right pixels, and what is neither is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam2_ros.files import outlines
from sam2_ros.files.outlines import read_outline

HEIGHT, WIDTH = 60, 80


@pytest.mark.parametrize(
    ('polygons', 'expected'),
    [
        ([[1, 1, 4, 1, 4, 3, 1, 3]], [[255, 255, 255], [255, 255, 255]]),
        ([[1.5, 1, 3.25, 1, 3.25, 2.5, 1.5, 2.5]], [[128, 255, 64], [64, 128, 32]]),
        ([[-9, 1, 2, 1, 2, 2, -9, 2]], [[255, 255]]),  # cut by the border
        ([[1, 1, 2, 1, 2, 2, 1, 2], [3, 1, 4, 1, 4, 2, 3, 2]], [[255, 0, 255]]),
        ([[1, 1, 3, 1, 3, 2, 1, 2], [2, 1, 4, 1, 4, 2, 2, 2]], [[255, 255, 255]]),  # overlapping ones have no hole
    ],
)
def test_alpha_is_the_share_of_a_pixel_that_polygons_cover(polygons: list, expected: list) -> None:
    coverage = read_outline(polygons, height=5, width=6).coverage()
    np.testing.assert_allclose(coverage, expected, atol=1)


def test_a_round_polygon_covers_its_area_around_its_middle() -> None:
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    circle = np.stack([30.3 + 20 * np.cos(angle), 28.8 + 20 * np.sin(angle)], axis=1)
    outline = read_outline([circle.ravel().tolist()], height=HEIGHT, width=WIDTH)
    coverage = outline.coverage() / 255
    assert coverage.sum() == pytest.approx(400 * np.pi, rel=0.01)
    rows, columns = np.mgrid[: coverage.shape[0], : coverage.shape[1]] + 0.5
    x0, y0, _, _ = outline.box
    assert x0 + np.average(columns, weights=coverage) == pytest.approx(30.3, abs=0.05)
    assert y0 + np.average(rows, weights=coverage) == pytest.approx(28.8, abs=0.05)


MASK = np.array([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1], [0, 0, 0, 0]], bool)
LENGTHS = [6, 3, 2, 1, 1, 1, 2, 3, 1]  # down its columns


@pytest.mark.parametrize('counts', [LENGTHS, '632NO012O'])
def test_run_lengths_go_down_the_columns_and_keep_holes(counts: Any) -> None:
    outline = read_outline({'size': [5, 4], 'counts': counts}, height=5, width=4)
    assert outline.box == (1, 1, 4, 4) and outline.pieces == (8,)
    np.testing.assert_array_equal(outline.coverage(), 255 * MASK[1:4, 1:])


@pytest.mark.parametrize(
    ('segmentation', 'reason'),
    [
        (None, outlines.NO_OUTLINE),
        ([], outlines.NO_OUTLINE),
        ('polygon', outlines.NO_OUTLINE),
        ([[1, 1, 5, 5]], outlines.BROKEN_POLYGONS),
        ([[1, 1, 5, 5, 1, 5, 3]], outlines.BROKEN_POLYGONS),
        ([[1, 1, 5, 5, 1, float('nan')]], outlines.BROKEN_POLYGONS),
        ([1, 1, 5, 5, 1, 5], outlines.BROKEN_POLYGONS),
        ([[1, 1, 5, 5, 1, 'x']], outlines.BROKEN_POLYGONS),
        ([[[1, 1], [5, 5], [1, 5]]], outlines.BROKEN_POLYGONS),
        ([[-9, 1, -5, 1, -5, 5]], outlines.OUTSIDE),
        ([[1, 70, 5, 70, 5, 75]], outlines.OUTSIDE),
        ([[1, 1, 1e9, 1, 5, 5]], outlines.OUTSIDE),
        ([[1, 1, 5, 5, 9, 9]], outlines.EMPTY),
        ({'size': [60, 80], 'counts': [4800]}, outlines.EMPTY),
        ({'size': [60, 80], 'counts': [10, 10]}, outlines.BROKEN_RUNS),
        ({'size': [80, 60], 'counts': [0, 4800]}, outlines.BROKEN_RUNS),
        ({'size': [60, 80], 'counts': [5000, -200]}, outlines.BROKEN_RUNS),
        ({'size': [60, 80], 'counts': [0, 4800.0]}, outlines.BROKEN_RUNS),
        ({'size': [60, 80], 'counts': 'g'}, outlines.BROKEN_RUNS),
        ({'size': [60, 80], 'counts': 'ö!'}, outlines.BROKEN_RUNS),
        ({'size': [60, 80]}, outlines.BROKEN_RUNS),
    ],
)
def test_outlines_that_are_none_are_told_apart(segmentation: Any, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_outline(segmentation, height=HEIGHT, width=WIDTH)
    assert str(caught.value) == reason
