"""What the readers of data sets share: texts, numbers and images in folders, all checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sam2_ros.evaluation.datasets.dataset import DatasetError, TrackedObject, VideoSequence

ONLY_OBJECT = 'object'  # the name of an object that has none, as in the VOT toolkit

IMAGES = ('.jpg', '.jpeg', '.png')
JPEGS = ('.jpg', '.jpeg')


def box_sequence(
    name: str,
    frames: tuple[Path, ...],
    truth: np.ndarray,
    visible: np.ndarray,
    *,
    is_hidden: bool = False,
    attributes: Mapping[str, str] | None = None,
) -> VideoSequence:
    """A video with the boxes of one object.

    Args:
        name: within its data set.
        frames: files of the images, in order.
        truth: (T, 4) x, y, width, height in pixels, as in the data set.
        visible: (T,) bool: the object can be seen.
        is_hidden: the truth beyond the first frame is kept by a server; what `truth` holds there means nothing.
        attributes: of the video.
    """
    scored = () if is_hidden else tuple(range(1, len(frames)))
    only = TrackedObject(ONLY_OBJECT, 0, scored, boxes=truth, visible=visible)
    return VideoSequence(name, frames, (only,), attributes=attributes or {})


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


def image_files(folder: Path, *, suffixes: tuple[str, ...] = IMAGES) -> tuple[Path, ...]:
    """The images in a folder: in the order of the numbers that are their names, else of the names.

    Raises:
        DatasetError: if there are none.
    """
    files = [file for file in folder.glob('*') if file.suffix.lower() in suffixes] if folder.is_dir() else []
    if not files:
        raise DatasetError(f'{folder} holds no images')
    if all(file.stem.isdecimal() for file in files):
        return tuple(sorted(files, key=lambda file: int(file.stem)))
    return tuple(sorted(files))


def subfolders(folder: Path) -> tuple[str, ...]:
    """Names of the folders in a folder, sorted.

    Raises:
        DatasetError: if there are none.
    """
    names = sorted(child.name for child in folder.iterdir() if child.is_dir()) if folder.is_dir() else []
    if not names:
        raise DatasetError(f'{folder} holds no folders of videos')
    return tuple(names)


def yes_or_no(value: object) -> str:
    """The value of an attribute that is there or not."""
    return 'yes' if value else 'no'


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
