"""LaSOT and its extension, as they are downloaded: <class>/<class>-<n>/img/00000001.jpg and text files beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sam2_ros.evaluation.datasets.dataset import DatasetError, VideoSequence
from sam2_ros.evaluation.datasets.reading import (
    box_sequence,
    check_lengths,
    image_files,
    read_flags,
    read_lines,
    read_numbers,
    yes_or_no,
)

TRUTH = 'groundtruth.txt'


@dataclass(frozen=True)
class Lasot:
    """LaSOT, LaSOText, or a part of them.

    The object is visible where it is neither fully hidden nor out of view.

    Attributes:
        root: holds the folders of classes.
        split: a text file with one name in each line, such as testing_set.txt. None: all videos.
    """

    root: Path
    split: Path | None = None

    @cached_property
    def names(self) -> Sequence[str]:
        """Such as airplane-1.

        Raises:
            DatasetError: if there are none.
        """
        if self.split is not None:
            return tuple(read_lines(self.split))
        found = tuple(sorted(file.parent.name for file in self.root.glob(f'*/*-*/{TRUTH}')))
        if not found:
            raise DatasetError(f'{self.root} holds no <class>/<class>-<n>/{TRUTH}; is it the folder of LaSOT?')
        return found

    def sequence(self, name: str) -> VideoSequence:
        """Read one; see `Dataset`."""
        folder = self.root / name.rpartition('-')[0] / name
        frames = image_files(folder / 'img')
        truth = read_numbers(folder / TRUTH, columns=4)
        hidden, outside = (read_flags(folder / f'{what}.txt') for what in ('full_occlusion', 'out_of_view'))
        check_lengths(
            name,
            frames,
            boxes=(folder / TRUTH, truth),
            flags=(folder / 'full_occlusion.txt', hidden),
            marks=(folder / 'out_of_view.txt', outside),
        )
        attributes = {'full occlusion': yes_or_no(hidden.any()), 'out of view': yes_or_no(outside.any())}
        return box_sequence(name, frames, truth, ~(hidden | outside), attributes=attributes)
