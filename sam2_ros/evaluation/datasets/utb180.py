"""UTB180, as it is downloaded: Video_0001/imgs/0001.jpg with groundtruth_rect.txt beside."""

from __future__ import annotations

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
    read_numbers,
)

TRUTH = 'groundtruth_rect.txt'


@dataclass(frozen=True)
class Utb180:
    """UTB180. The object is visible where its box has an area.

    The attributes of its paper are not read: no file of them is known in the download. Its authors evaluate each one as
    a data set of its own, a folder of the videos that have it; such a folder is read like the whole.

    Attributes:
        root: holds the folders of videos.
    """

    root: Path

    @cached_property
    def names(self) -> Sequence[str]:
        """Such as Video_0001.

        Raises:
            DatasetError: if there are none.
        """
        found = tuple(sorted(file.parent.name for file in self.root.glob(f'*/{TRUTH}')))
        if not found:
            raise DatasetError(f'{self.root} holds no Video_0001/{TRUTH}; is it the folder of UTB180?')
        return found

    def sequence(self, name: str) -> VideoSequence:
        """Read one; see `Dataset`."""
        folder = self.root / name
        frames = image_files(folder / 'imgs')
        truth = read_numbers(folder / TRUTH, columns=4)
        check_lengths(name, frames, boxes=(folder / TRUTH, truth))
        return box_sequence(name, frames, truth, np.all(truth[:, 2:] > 0, axis=1))
