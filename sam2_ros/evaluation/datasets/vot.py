"""Data sets of the VOT challenges, and DiDi, in the layout of the VOT toolkit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.evaluation.datasets.box_sequences import DatasetError, image_files, read_lines
from sam2_ros.evaluation.datasets.vot_regions import CODE_UNKNOWN, region_mask

ONLY_OBJECT = 'object'  # what the toolkit calls the object of groundtruth.txt
FIRST_MASK = 'first_frame_segm.txt'  # of DiDi, whose truth is boxes


@dataclass(frozen=True, eq=False)
class VotSequence:
    """One video with its objects.

    Attributes:
        name: within its data set.
        frames: files of the images, in order.
        size: (height, width) of the images in pixels.
        regions: by object, the text of its region in each frame; see `vot_regions`.
        first_masks: by object, the text of the mask to begin with, where the data set has one beside the truth.
        anchors: frames from which a tracker is started, in order; forwards where the value is True, else backwards.
        folder: of the video, for messages.
    """

    name: str
    frames: tuple[Path, ...]
    size: tuple[int, int]
    regions: Mapping[str, tuple[str, ...]]
    first_masks: Mapping[str, str]
    anchors: Mapping[int, bool]
    folder: Path

    def truth(self, object_id: str, frame: int) -> np.ndarray | None:
        """The mask of an object in a frame, (H, W) bool; None where it is unknown.

        Raises:
            DatasetError: if its text is no region.
        """
        return self._mask(self.regions[object_id][frame], f'the truth of {object_id} in frame {frame}')

    def first_mask(self, object_id: str) -> np.ndarray:
        """The mask to begin with, (H, W) bool.

        Raises:
            DatasetError: if there is none, or its text is no region.
        """
        text = self.first_masks.get(object_id, self.regions[object_id][0])
        mask = self._mask(text, f'the first mask of {object_id}')
        if mask is None or not mask.any():
            raise DatasetError(f'{self.folder}: {object_id} has no region in the first frame')
        return mask

    def _mask(self, text: str, what: str) -> np.ndarray | None:
        try:
            return region_mask(text, self.size)
        except ValueError as error:
            raise DatasetError(f'{self.folder}, {what}: {error}') from error


@dataclass(frozen=True)
class VotDataset:
    """A data set of the VOT challenges, or DiDi.

    Attributes:
        root: holds list.txt and a folder for each video.
    """

    root: Path

    @cached_property
    def names(self) -> Sequence[str]:
        """In the order of list.txt."""
        return tuple(read_lines(self.root / 'list.txt'))

    def sequence(self, name: str) -> VotSequence:
        """Read one.

        Raises:
            DatasetError: if it is damaged or incomplete.
        """
        folder = self.root / name
        frames = image_files(
            folder / _properties(folder / 'sequence').get('channels.color', 'color/').rpartition('/')[0]
        )
        image = cv2.imread(str(frames[0]))
        if image is None:
            raise DatasetError(f'{frames[0]} cannot be decoded')
        files = {file.stem.removeprefix('groundtruth_'): file for file in sorted(folder.glob('groundtruth_*.txt'))}
        files = files or {ONLY_OBJECT: folder / 'groundtruth.txt'}
        first = folder / FIRST_MASK
        return VotSequence(
            name,
            frames,
            image.shape[:2],
            regions={object_id: _regions(file, len(frames)) for object_id, file in files.items()},
            first_masks=dict.fromkeys(files, read_lines(first)[0]) if first.is_file() else {},
            anchors=_anchors(folder / 'anchor.value', len(frames)),
            folder=folder,
        )


def _properties(file: Path) -> dict[str, str]:
    """The lines key=value of a file; nothing without the file, as in old data sets."""
    if not file.is_file():
        return {}
    pairs = (line.partition('=') for line in read_lines(file))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _regions(file: Path, count: int) -> tuple[str, ...]:
    """The texts of a file, one for each frame. Missing ones at the end are unknown, as in the toolkit."""
    lines = read_lines(file)
    if len(lines) > count:
        raise DatasetError(f'{file} has {len(lines)} regions, but there are {count} images')
    return (*lines, *[CODE_UNKNOWN] * (count - len(lines)))


def _anchors(file: Path, count: int) -> dict[int, bool]:
    """The anchors: values above 0 are run forwards, below 0 backwards."""
    if not file.is_file():
        return {}
    lines = read_lines(file)
    try:
        values = [float(line) for line in lines]
    except ValueError as error:
        raise DatasetError(f'{file} must hold a number in each line: {error}') from error
    if len(values) > count:
        raise DatasetError(f'{file} has {len(values)} values, but there are {count} images')
    return {frame: value > 0 for frame, value in enumerate(values) if value}
