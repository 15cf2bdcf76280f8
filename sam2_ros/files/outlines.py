"""Outlines of objects in COCO's format: polygons or run lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sam2_ros.files.run_lengths import RunLengths

NO_OUTLINE = 'annotations without an outline'
BROKEN_POLYGONS = 'annotations whose polygons are no lists of x, y with three corners or more'
OUTSIDE = 'annotations outside their image'
BROKEN_RUNS = 'annotations whose run lengths do not fit their image'
EMPTY = 'annotations that cover nothing'

_SUBPIXELS = 4  # along each side of a pixel, where polygons are drawn
_FINE = 1024  # pixels, longest side of an object that is drawn with subpixels; larger ones are made smaller anyway
_SHIFT = 4  # fractional bits of corners
_FAR = 4  # corners farther away than so many images are no measurements


@dataclass(frozen=True)
class Outline:
    """Where an object is in its image.

    Attributes:
        box: x0, y0, x1, y1 in whole pixels of the image; it encloses the object.
        pieces: areas of its pieces in pixels.
        polygons: (V, 2) corners x, y each, which may lie outside the image; pixel centres are at half-integers.
        mask: (y1 - y0, x1 - x0) bool, if it was given as run lengths.
    """

    box: tuple[int, int, int, int]
    pieces: tuple[float, ...]
    polygons: tuple[np.ndarray, ...] = ()
    mask: np.ndarray | None = None

    def coverage(self) -> np.ndarray:
        """How much of each pixel of the box it covers, up to 255: (y1 - y0, x1 - x0) uint8."""
        if self.mask is not None:
            return np.where(self.mask, np.uint8(255), np.uint8(0))
        x0, y0, x1, y1 = self.box
        width, height = x1 - x0, y1 - y0
        scale = _SUBPIXELS if max(width, height) <= _FINE else 1
        drawn = np.zeros((scale * height, scale * width), np.uint8)
        for polygon in self.polygons:
            corners = np.round((polygon - (x0, y0)) * (scale << _SHIFT))
            cv2.fillPoly(drawn, [corners.astype(np.int32)], 255, cv2.LINE_8, _SHIFT)
        # OpenCV has pixel centres at whole numbers, half a pixel off, and fills the pixels under all edges. So the last
        # pixel of each row and column is too much.
        inside = cv2.erode(drawn, np.ones((2, 2), np.uint8), anchor=(0, 0))
        return cv2.resize(inside, (width, height), interpolation=cv2.INTER_AREA)


def outline_mask(segmentation: object, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the pixels of an image of this size (height, width) that an outline covers by half or more.

    Raises:
        ValueError: as `read_outline`; what covers nothing of the image is accepted.
    """
    covered = np.zeros(size, bool)
    try:
        outline = read_outline(segmentation, height=size[0], width=size[1])
    except ValueError as error:
        if str(error) in (EMPTY, OUTSIDE):
            return covered
        raise
    x0, y0, x1, y1 = outline.box
    covered[y0:y1, x0:x1] = outline.coverage() > 127
    return covered


def read_outline(segmentation: object, *, height: int, width: int) -> Outline:
    """The outline of an object in an image of this size.

    Args:
        segmentation: a list of polygons [x, y, x, y, ...], or run lengths {'size': [height, width], 'counts': ...}.

    Raises:
        ValueError: if it is neither, or covers nothing of the image. The text is one of the reasons above.
    """
    if isinstance(segmentation, dict):
        return _from_mask(_run_lengths(segmentation, (height, width)))
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError(NO_OUTLINE)
    polygons = tuple(_polygon(part) for part in segmentation)
    corners = np.concatenate(polygons)
    if np.abs(corners).max() > _FAR * max(height, width):
        raise ValueError(OUTSIDE)
    x0, y0 = np.maximum(np.floor(corners.min(0)), 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(corners.max(0)), (width, height)).astype(int).tolist()
    if x0 >= x1 or y0 >= y1:
        raise ValueError(OUTSIDE)
    pieces = tuple(cv2.contourArea(polygon.astype(np.float32)) for polygon in polygons)
    if not any(pieces):
        raise ValueError(EMPTY)
    return Outline((x0, y0, x1, y1), pieces, polygons=polygons)


def _run_lengths(segmentation: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    try:
        return RunLengths.from_coco(segmentation, size=size).mask()
    except ValueError as error:
        raise ValueError(BROKEN_RUNS) from error


def _polygon(part: object) -> np.ndarray:
    try:
        numbers = np.asarray(part, np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(BROKEN_POLYGONS) from error
    if numbers.ndim != 1 or len(numbers) < 6 or len(numbers) % 2 or not np.isfinite(numbers).all():
        raise ValueError(BROKEN_POLYGONS)
    return numbers.reshape(-1, 2)


def _from_mask(mask: np.ndarray) -> Outline:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise ValueError(EMPTY)
    x0, y0, x1, y1 = (int(bound) for bound in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    part = mask[y0:y1, x0:x1]
    _, _, figures, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8))
    return Outline((x0, y0, x1, y1), tuple(figures[1:, cv2.CC_STAT_AREA].astype(float).tolist()), mask=part)
