"""Videos of tracking benchmarks: frames on disk, and the box of one object in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

_IMAGES = ('.jpg', '.jpeg', '.png')


class DatasetError(ValueError):
    """A data set is damaged or incomplete. The message names the file."""


@dataclass(frozen=True, eq=False)
class BoxSequence:
    """One video and one object.

    Attributes:
        name: within its data set.
        frames: files of the images, in order.
        truth: (T, 4) x, y, width, height in pixels, as in the data set; zeros where there is none. Where the truth is
            hidden (`is_hidden`), only the first row is known.
        visible: (T,) bool: the object can be seen.
        is_hidden: the truth beyond the first frame is kept by a server.
        attributes: what the data set says about the whole video, by name.
    """

    name: str
    frames: tuple[Path, ...]
    truth: np.ndarray
    visible: np.ndarray
    is_hidden: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


class BoxDataset(Protocol):
    """A data set of such videos."""

    @property
    def names(self) -> Sequence[str]:
        """Names of its videos."""
        ...

    def sequence(self, name: str) -> BoxSequence:
        """Read one.

        Raises:
            DatasetError: if it is damaged or incomplete.
        """
        ...


def read_lines(file: Path) -> list[str]:
    """The lines of a text file that are not blank.

    Raises:
        DatasetError: if it cannot be read, or has no lines.
    """
    try:
        lines = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else 'it is no text'
        raise DatasetError(f'{file} cannot be read: {reason}') from error
    if not lines:
        raise DatasetError(f'{file} is empty')
    return lines


def read_numbers(file: Path, *, columns: int) -> np.ndarray:
    """A table of numbers, parted by commas, tabs or blanks: (N, columns) float64.

    Raises:
        DatasetError: for anything else; the message names the line.
    """
    rows = []
    for number, line in enumerate(read_lines(file), 1):
        try:
            row = [float(word) for word in line.replace(',', ' ').split()]
        except ValueError:
            row = []
        if len(row) != columns:
            raise DatasetError(f'{file}, line {number}: {line[:80]!r} is not {columns} numbers')
        rows.append(row)
    return np.array(rows)


def read_flags(file: Path) -> np.ndarray:
    """Zeros and ones in one line, parted by commas, or one in each: (N,) bool.

    Raises:
        DatasetError: for anything else.
    """
    words = ','.join(read_lines(file)).replace(' ', '').split(',')
    if not set(words) <= {'0', '1'}:
        raise DatasetError(f'{file} must hold 0 and 1 only, but holds {sorted(set(words) - {"0", "1"})[0][:20]!r}')
    return np.array(words) == '1'


def image_files(folder: Path) -> tuple[Path, ...]:
    """The images in a folder, sorted by name.

    Raises:
        DatasetError: if there are none.
    """
    files = sorted(file for file in folder.glob('*') if file.suffix.lower() in _IMAGES) if folder.is_dir() else []
    if not files:
        raise DatasetError(f'{folder} holds no images')
    return tuple(files)


def check_lengths(name: str, frames: Sequence[Path], **tables: tuple[Path, np.ndarray]) -> None:
    """Check that there is one row for each frame.

    Args:
        name: of the video.
        frames: its images.
        tables: what has rows, with the file it is of.

    Raises:
        DatasetError: if a table has another length.
    """
    for what, (file, table) in tables.items():
        if len(table) != len(frames):
            raise DatasetError(f'{file} has {len(table)} {what}, but {name} has {len(frames)} images')
