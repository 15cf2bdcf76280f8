"""Data sets of the VOT challenges, and DiDi, in the layout of the VOT toolkit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sam2_ros.evaluation.datasets.dataset import DatasetError, TrackedObject, VideoSequence
from sam2_ros.evaluation.datasets.reading import ONLY_OBJECT, image_files, read_lines, yes_or_no
from sam2_ros.evaluation.datasets.vot_regions import CODE_UNKNOWN, is_code, region_mask
from sam2_ros.video.source import read_image

FIRST_MASK = 'first_frame_segm.txt'  # of DiDi, whose truth is boxes


@dataclass(frozen=True)
class VotDataset:
    """A data set of the VOT challenges, or DiDi. Frames in which the truth of an object is unknown do not count.

    The truth of VOTS is hidden: its files hold the first region only.

    Attributes:
        root: holds list.txt and a folder for each video.
    """

    root: Path

    @cached_property
    def names(self) -> Sequence[str]:
        """In the order of list.txt."""
        return tuple(read_lines(self.root / 'list.txt'))

    def sequence(self, name: str) -> VideoSequence:
        """Read one; see `Dataset`."""
        folder = self.root / name
        properties = _properties(folder / 'sequence')
        usual = 'color/' if (folder / 'color').is_dir() else ''  # before 2018, images lie beside the truth
        frames = image_files(folder / properties.get('channels.color', usual).rpartition('/')[0])
        height, width = read_image(frames[0]).shape[:2]
        files = {file.stem.removeprefix('groundtruth_'): file for file in sorted(folder.glob('groundtruth_*.txt'))}
        files = files or {ONLY_OBJECT: folder / 'groundtruth.txt'}
        regions = {object_id: _regions(file, len(frames)) for object_id, file in files.items()}
        first = folder / FIRST_MASK
        firsts = dict.fromkeys(files, read_lines(first)[0]) if first.is_file() else {}
        objects = tuple(TrackedObject(object_id, 0, _known(texts)) for object_id, texts in regions.items())
        reader = _RegionReader(folder, (height, width), regions, firsts)
        return VideoSequence(
            name,
            frames,
            objects,
            read_masks=reader.masks,
            read_first_mask=reader.first_mask,
            anchors=_anchors(folder / 'anchor.value', len(frames)),
            attributes=_tags(folder),
        )


@dataclass(frozen=True, eq=False)
class _RegionReader:
    """Makes masks of the texts of a video.

    Attributes:
        folder: of the video, for messages.
        size: (height, width) of its images in pixels.
        regions: by object the text of its region in each frame.
        firsts: by object the text of the mask to begin with, where there is one beside the truth.
    """

    folder: Path
    size: tuple[int, int]
    regions: Mapping[str, Sequence[str]]
    firsts: Mapping[str, str]

    def masks(self, frame: int) -> dict[str, np.ndarray]:
        """By object; without those whose region is unknown."""
        found = {
            object_id: self._mask(texts[frame], f'the truth of {object_id} in frame {frame}')
            for object_id, texts in self.regions.items()
        }
        return {object_id: mask for object_id, mask in found.items() if mask is not None}

    def first_mask(self, object_id: str) -> np.ndarray:
        mask = self._mask(self.firsts.get(object_id, self.regions[object_id][0]), f'the first mask of {object_id}')
        if mask is None:
            raise DatasetError(f'{self.folder}: {object_id} has no region in the first frame')
        return mask

    def _mask(self, text: str, what: str) -> np.ndarray | None:
        try:
            return region_mask(text, self.size)
        except ValueError as error:
            raise DatasetError(f'{self.folder}, {what}: {error}') from error


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


def _known(texts: Sequence[str]) -> tuple[int, ...]:
    """Frames after the first one whose region is known."""
    return tuple(frame for frame, text in enumerate(texts) if frame and not is_code(text))


def _tags(folder: Path) -> dict[str, str]:
    """By tag, such as occlusion, whether any frame of the video has it."""
    return {file.stem: yes_or_no('1' in read_lines(file)) for file in sorted(folder.glob('*.tag'))}


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
