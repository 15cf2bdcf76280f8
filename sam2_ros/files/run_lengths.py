"""Masks as run lengths, in the two forms of COCO's files: lists of numbers, and short texts.

Runs go down the columns, one column after the other, and begin with the pixels before the object: in an image of two
rows [[0, 1], [0, 1]] is [2, 2].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

_MOST_PIXELS = 1 << 28  # of an image
_LONGEST_NUMBER = 12  # characters of a number in the short form, so that it fits into 64 bits
_LIMITS = 1 << (5 * np.arange(1, _LONGEST_NUMBER) - 1)  # from which on a number needs one character more


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A mask of a whole image, compressed: some hundred bytes.

    Attributes:
        size: (height, width) of the image in pixels.
        text: the runs, outside and inside the object in turn, in COCO's short form. Only the first run may be 0.
    """

    size: tuple[int, int]
    text: bytes

    @classmethod
    def of(cls, mask: np.ndarray) -> RunLengths:
        """Compress a mask (H, W) bool."""
        pixels = mask.T.ravel()
        changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
        edges = np.concatenate(([0], changes, [len(pixels)]))
        counts = np.diff(edges)
        if len(pixels) and pixels[0]:
            counts = np.concatenate(([0], counts))
        return cls.from_counts((mask.shape[0], mask.shape[1]), counts)

    @classmethod
    def from_counts(cls, size: tuple[int, int], counts: Sequence[int] | np.ndarray) -> RunLengths:
        """Of lengths of runs in pixels, as in `text`; they are not checked."""
        return cls(_shared(*size), counts_as_text(counts).encode())

    @classmethod
    def empty(cls, size: tuple[int, int]) -> RunLengths:
        """The mask of an object that is not to be seen."""
        return cls.from_counts(size, (size[0] * size[1],))

    @classmethod
    def from_coco(cls, entry: Any, *, size: tuple[int, int] | None = None) -> RunLengths:
        """Read COCO's {'size': [height, width], 'counts': list of numbers, or their short form as a text}.

        Args:
            entry: as it was in a JSON file; it is checked.
            size: what 'size' must be; anything if left out.

        Raises:
            ValueError: if it is something else, or the runs do not fill an image of this size.
        """
        fields = entry if isinstance(entry, dict) else {}
        sides, counts = fields.get('size'), fields.get('counts')
        if not isinstance(sides, list) or len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
            raise ValueError(f"run lengths need 'size', [height, width] in pixels, but it is {sides!r}")
        if sides[0] * sides[1] > _MOST_PIXELS:
            raise ValueError(f'run lengths of an image of {sides[1]} x {sides[0]} pixels are too many to be read')
        if size is not None and tuple(sides) != size:
            raise ValueError(f'run lengths are of {sides[1]} x {sides[0]} pixels, not {size[1]} x {size[0]}')
        if isinstance(counts, str):
            counts = short_counts(counts)
        elif not isinstance(counts, list) or not all(type(count) is int for count in counts):
            raise ValueError("run lengths need 'counts', a list of whole numbers or their short form as a text")
        if min(counts, default=0) < 0:
            raise ValueError(f'run lengths must not be negative, but one is {min(counts)}')
        if sum(counts) != sides[0] * sides[1]:
            raise ValueError(f'run lengths cover {sum(counts)} pixels of an image of {sides[0] * sides[1]}')
        runs = cls.from_counts((sides[0], sides[1]), counts)
        return cls.of(runs.mask()) if 0 in counts[1:] else runs

    def to_coco(self, *, short: bool = True) -> dict[str, Any]:
        """For a JSON file: 'counts' as COCO's short text, or as a list."""
        return {'size': list(self.size), 'counts': self.text.decode() if short else self.counts.tolist()}

    @property
    def counts(self) -> np.ndarray:
        """The lengths of the runs in pixels, (N,) int64."""
        return np.array(short_counts(self.text.decode()), np.int64)

    def mask(self) -> np.ndarray:
        """(H, W) bool."""
        counts = self.counts
        inside = np.arange(len(counts)) % 2 == 1
        return np.ascontiguousarray(np.repeat(inside, counts).reshape(self.size[::-1]).T)

    @property
    def area(self) -> int:
        """Number of pixels of the object."""
        return int(self.counts[1::2].sum())

    def shared(self, other: RunLengths) -> int:
        """Number of pixels that are of both objects. Nothing is decompressed.

        Raises:
            ValueError: for masks of different sizes.
        """
        if self.size != other.size:
            raise ValueError(f'masks of different sizes share no pixels: {self.size} and {other.size}')
        others = other.counts
        ends, other_ends = np.cumsum(self.counts), np.concatenate(([0], np.cumsum(others)))
        inside = np.concatenate(([0], np.cumsum(others * (np.arange(len(others)) % 2))))
        before = np.interp(ends, other_ends, inside)  # pixels of the other one up to the end of each run
        last = len(ends) - len(ends) % 2
        return round(float((before[1:last:2] - before[:last:2]).sum()))

    def box(self) -> tuple[int, int, int, int] | None:
        """Half-open box x0, y0, x1, y1 around all its pixels; None if there are none."""
        if not self.area:
            return None
        mask = self.mask()
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def coco_box(self) -> list[float]:
        """The box as COCO has it: x, y, width, height in pixels; zeros if there is nothing."""
        x0, y0, x1, y1 = self.box() or (0, 0, 0, 0)
        return [float(x0), float(y0), float(x1 - x0), float(y1 - y0)]


def short_counts(text: str) -> list[int]:
    """The numbers that COCO's short form holds.

    A character is five bits of a number, the lowest first, with 32 if more follow, plus 48. The highest bit is the
    sign. From the fourth number on it is the difference to the number two before.

    Raises:
        ValueError: if the text is no such form.
    """
    broken = ValueError("the text of run lengths is not in COCO's short form")
    chunks = np.frombuffer(text.encode('utf-32-le'), '<u4').astype(np.int64) - 48
    if not len(chunks):
        return []
    if chunks.min() < 0 or chunks.max() > 63 or chunks[-1] > 31:
        raise broken
    ends = np.flatnonzero(chunks < 32)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST_NUMBER:
        raise broken
    places = np.arange(len(chunks)) - np.repeat(starts, lengths)
    values = np.add.reduceat((chunks & 31) << 5 * places, starts)
    values -= (chunks[ends] & 16 > 0) * (1 << 5 * lengths)
    for first in (1, 2):  # each number is a difference to the one two before
        values[first::2] = np.cumsum(values[first::2])
    return values.tolist()


def counts_as_text(counts: Sequence[int] | np.ndarray) -> str:
    """COCO's short form of run lengths; `short_counts` reads it."""
    values = np.array(counts, np.int64)
    values[3:] -= np.array(counts[1:-2], np.int64)
    # characters of each number: so many that its sign bit fits, too
    lengths = 1 + np.searchsorted(_LIMITS, np.where(values < 0, ~values, values), side='right')
    ends = np.cumsum(lengths)
    places = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
    chunks = np.repeat(values, lengths) >> 5 * places & 31
    more = places < np.repeat(lengths, lengths) - 1
    return (48 + chunks + 32 * more).astype(np.uint8).tobytes().decode()


@lru_cache(maxsize=64)
def _shared(height: int, width: int) -> tuple[int, int]:
    """The same tuple for all masks of a size: there are many, and a tuple takes as much as a small mask."""
    return height, width
