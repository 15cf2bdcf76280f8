"""The texts in which VOT writes where an object is: a mask, a box, a polygon, or a code for none of them.

A mask is 'm', then x, y, width and height of its crop and run lengths over the crop, row by row, the first one of
zeros. A box is x, y, width, height. A polygon is x, y of three corners or more; before 2020 most truth was of four. One
number is a code: 0 unknown, 1 the frame of the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

CODE_UNKNOWN = '0'
_FAR = 2.0**40  # pixels; corners that lie further away are moved there


def is_code(text: str) -> bool:
    """Whether a text says that the region is not known, instead of where it is; not a number counts as that, too."""
    return ',' not in text or 'nan' in text.lower()


def region_mask(text: str, size: tuple[int, int]) -> np.ndarray | None:
    """The mask of a region. Those of boxes and polygons have the pixels that they have in the VOT toolkit: corners are
    rounded, and pixels on the outline belong to a polygon.

    Args:
        text: of the region.
        size: (height, width) of the image. What lies outside is cut off.

    Returns:
        (H, W) bool; None for a code.

    Raises:
        ValueError: for another text.
    """
    try:
        numbers = [float(word) for word in text.removeprefix('m').split(',')]
    except ValueError as error:
        raise ValueError(f'{text[:60]!r} is no region: its parts must be numbers') from error
    if text.startswith('m'):
        return _mask(text, [int(number) for number in numbers], size)
    if is_code(text):
        return None
    if len(numbers) < 4 or len(numbers) % 2:
        raise ValueError(
            f'{text[:60]!r} is no region: a box has 4 numbers, a polygon 6, 8 or more (x, y of each corner), a code one'
        )
    if not np.isfinite(numbers).all():
        raise ValueError(f'{text[:60]!r} is no region: its numbers must be finite')
    if len(numbers) > 4:
        return _polygon(np.array(numbers).reshape(-1, 2), size)
    x, y, width, height = (round(number) for number in numbers)
    return _placed(np.ones((max(height, 0), max(width, 0)), bool), (x, y), size)


def _mask(text: str, numbers: list[int], size: tuple[int, int]) -> np.ndarray:
    x, y, width, height, *runs = [*numbers, *[0] * (4 - len(numbers))]
    if min([width, height, *runs], default=0) < 0 or sum(runs) > width * height:
        raise ValueError(f'{text[:60]!r} is no mask: its run lengths do not fit into {width} x {height} pixels')
    values = np.zeros(width * height, bool)
    ends = np.cumsum(runs)
    for first, last in zip(ends[::2], ends[1::2], strict=False):
        values[first:last] = True
    return _placed(values.reshape(height, width), (x, y), size)


def _polygon(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Filled row by row between the outline's crossings, by the rules of the VOT toolkit, odd ones included: a corner
    is met twice, by the edges before and after it, so a peak that points up or down fills nothing beyond itself.

    Args:
        corners: (V, 2) x, y in pixels.
        size: (height, width) of the image.
    """
    ends = np.clip(np.round(corners.astype(np.float32)).astype(np.float64), -_FAR, _FAR)
    starts = np.roll(ends, 1, axis=0)
    rise, run = starts[:, 1] - ends[:, 1], starts[:, 0] - ends[:, 0]
    tops, bottoms = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    steepness = np.where(rise == 0, 1, rise)  # of a level edge its end counts
    mask = np.zeros(size, bool)
    for row in range(int(max(tops.min(), 0)), int(min(bottoms.max(), size[0] - 1)) + 1):
        crossings = np.trunc(ends[:, 0] + (row - ends[:, 1]) / steepness * np.where(rise == 0, 0, run))
        for first, last in _spans(np.sort(crossings[(tops <= row) & (row <= bottoms)])):
            if first < size[1] and last >= 0:
                mask[row, int(max(first, 0)) : int(min(last, size[1] - 1)) + 1] = True
    return mask


def _spans(crossings: np.ndarray) -> Iterator[tuple[float, float]]:
    """What is filled in a row, from column to column, both included. Of two equal crossings the first is passed over,
    unless nothing follows them."""
    place = 0
    while place < len(crossings) - 1:
        first, last = crossings[place : place + 2]
        if first == last and place < len(crossings) - 2:
            place += 1
        else:
            yield first, last
            place += 2


def _placed(crop: np.ndarray, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """A crop in an image of zeros."""
    mask = np.zeros(size, bool)
    x, y = corner
    top, left = max(-y, 0), max(-x, 0)
    part = crop[top : max(size[0] - y, top), left : max(size[1] - x, left)]
    mask[max(y, 0) : max(y, 0) + part.shape[0], max(x, 0) : max(x, 0) + part.shape[1]] = part
    return mask


def mask_text(mask: np.ndarray) -> str:
    """The text of a mask (H, W) bool."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return 'm0,0,0,0,0'
    crop = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    flat = crop.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes, flat.size]).tolist()
    if flat[0]:
        runs.insert(0, 0)
    corner = (int(columns[0]), int(rows[0]))
    return 'm' + ','.join(map(str, (*corner, crop.shape[1], crop.shape[0], *runs)))


def box_text(box: np.ndarray) -> str:
    """The text of a box (4,): x, y, width, height."""
    return ','.join(f'{float(number):g}' for number in box)
