"""GOT-10k, as it is downloaded: {train,val,test}/<name>/00000001.jpg with groundtruth.txt and cover.label beside."""

from __future__ import annotations

import configparser
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sam2_ros.evaluation.datasets.dataset import DatasetError, VideoSequence
from sam2_ros.evaluation.datasets.reading import (
    box_sequence,
    check_lengths,
    image_files,
    read_lines,
    read_numbers,
)

SPLITS = ('train', 'val', 'test')
TRUTH, COVER = 'groundtruth.txt', 'cover.label'
HIDDEN_SPLIT = 'test'  # whose truth beyond the first frame is kept by the server


@dataclass(frozen=True)
class Got10k:
    """A split of GOT-10k. The object is visible where its cover is above 0.

    Attributes:
        root: holds the folders of splits.
        split: 'train', 'val' or 'test'. The truth of 'test' is hidden.

    Raises:
        ValueError: if there is no such split.
    """

    root: Path
    split: str = 'val'

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f'there is no split {self.split!r}; accepted are {", ".join(SPLITS)}')

    @cached_property
    def names(self) -> Sequence[str]:
        """In the order of list.txt."""
        return tuple(read_lines(self.root / self.split / 'list.txt'))

    def sequence(self, name: str) -> VideoSequence:
        """Read one; see `Dataset`."""
        folder = self.root / self.split / name
        frames = image_files(folder)
        known = read_numbers(folder / TRUTH, columns=4)
        if self.split == HIDDEN_SPLIT:
            if len(known) != 1:
                raise DatasetError(f'{folder / TRUTH} has {len(known)} boxes; in the test split it has one')
            truth = np.vstack([known, np.zeros((len(frames) - 1, 4))])
            return box_sequence(name, frames, truth, np.ones(len(frames), bool), is_hidden=True)
        cover = read_numbers(folder / COVER, columns=1)[:, 0]
        check_lengths(name, frames, boxes=(folder / TRUTH, known), covers=(folder / COVER, cover))
        return box_sequence(name, frames, known, cover > 0, attributes=_meta(folder / 'meta_info.ini'))


def _meta(file: Path) -> dict[str, str]:
    """What meta_info.ini says, by name; nothing without the file."""
    if not file.is_file():
        return {}
    parser = configparser.ConfigParser()
    try:
        parser.read_string('\n'.join(read_lines(file)))
    except configparser.Error as error:
        raise DatasetError(f'{file} cannot be read: {str(error).splitlines()[0]}') from error
    return {name: value for section in parser.sections() for name, value in parser[section].items()}
