"""YouTube-VOS and LVOS: label images, and a JSON file that says when each object is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sam2_ros.evaluation.datasets.dataset import DatasetError, TrackedObject, VideoSequence, scored_frames
from sam2_ros.evaluation.datasets.label_images import LabelImages, paired
from sam2_ros.evaluation.datasets.reading import JPEGS, image_files, read_lines, yes_or_no
from sam2_ros.files.json_files import read_json
from sam2_ros.files.masks import read_labels
from sam2_ros.masklets.reading import field_of

_LVOS_STEP = 5  # from one numbered frame to the next


@dataclass(frozen=True)
class YoutubeVos:
    """A split of YouTube-VOS 2018 or 2019.

    Objects begin in the first frame that the JSON file names for them. If there is a folder such as valid_all_frames,
    its images (30 per second) are tracked, else those of every fifth frame. An object is seen if its category is in
    train/meta.json, where that file is there.

    Attributes:
        root: holds valid/ and train/.
        split: 'valid', 'test' (both with hidden truth) or 'train'.
    """

    root: Path
    split: str

    @cached_property
    def names(self) -> Sequence[str]:
        """In the order of meta.json."""
        return tuple(self._videos)

    def sequence(self, name: str) -> VideoSequence:
        """Read one; see `Dataset`."""
        entries = _objects(self._videos, name, self._meta)
        frames = image_files(self._images / name, suffixes=JPEGS)
        index = {file.stem: number for number, file in enumerate(frames)}
        files = paired(frames, self._folder / 'Annotations' / name, complete=False)
        images = LabelImages(files, read_labels)
        objects: list[TrackedObject] = []
        submitted: set[int] = set()
        for object_id, entry in entries.items():
            listed = field_of(entry, 'frames', list, where=f'object {object_id} of {name} in {self._meta}')
            unknown = [stem for stem in listed if stem not in index]
            if unknown or not listed:
                raise DatasetError(
                    f'{self._meta}: object {object_id} of {name} names the frame {(unknown or [None])[0]}, '
                    f'which is not in {self._images / name}'
                )
            start = index[str(listed[0])]
            if start not in files:
                raise DatasetError(f'{self._folder / "Annotations" / name / listed[0]}.png is missing')
            submitted.update(index[stem] for stem in listed)
            scored = scored_frames(sorted(files), start) if self.split == 'train' else ()
            category = str(entry.get('category', ''))
            seen = {'seen': yes_or_no(category in self._seen)} if self._seen else {}
            objects.append(TrackedObject(object_id, start, scored, attributes={'category': category} | seen))
            images.objects.append(int(object_id))
        return VideoSequence(
            name,
            frames,
            tuple(objects),
            read_masks=images.masks,
            disjoint=True,
            submitted=tuple(sorted(submitted)),
        )

    @property
    def _folder(self) -> Path:
        return self.root / self.split

    @property
    def _meta(self) -> Path:
        return self._folder / 'meta.json'

    @property
    def _images(self) -> Path:
        dense = self.root / f'{self.split}_all_frames' / 'JPEGImages'
        return dense if dense.is_dir() else self._folder / 'JPEGImages'

    @cached_property
    def _videos(self) -> dict[str, Any]:
        return field_of(read_json(self._meta), 'videos', dict, where=self._meta)

    @cached_property
    def _seen(self) -> frozenset[str]:
        """The categories of the training set; none without it."""
        file = self.root / 'train' / 'meta.json'
        if self.split == 'train' or not file.is_file():
            return frozenset()
        videos = field_of(read_json(file), 'videos', dict, where=file)
        return frozenset(
            str(entry.get('category')) for name in videos for entry in _objects(videos, name, file).values()
        )


@dataclass(frozen=True)
class Lvos:
    """A split of LVOS v1 or v2.

    An object is scored as its evaluator does it: in every fifth numbered frame of its range, without the first and the
    last of them.

    Attributes:
        root: holds a folder and a <split>_meta.json for each split.
        split: 'val', also as valid; 'train'; or 'test', whose truth is hidden.
    """

    root: Path
    split: str

    @cached_property
    def names(self) -> Sequence[str]:
        """In the order of the JSON file."""
        return tuple(self._videos)

    def sequence(self, name: str) -> VideoSequence:
        """Read one; see `Dataset`."""
        frames = image_files(self._folder / 'JPEGImages' / name, suffixes=JPEGS)
        index = {file.stem: number for number, file in enumerate(frames)}
        hidden = self.split == 'test'
        files = paired(frames, self._folder / 'Annotations' / name, complete=not hidden)
        images = LabelImages(files, read_labels)
        objects = []
        for object_id, entry in _objects(self._videos, name, self._meta).items():
            numbers = _range(entry, f'object {object_id} of {name} in {self._meta}')
            stems = [f'{number:0{len(frames[0].stem)}d}' for number in numbers]
            if not stems or stems[0] not in index or index[stems[0]] not in files:
                raise DatasetError(
                    f'{self._meta}: object {object_id} of {name} begins in a frame that is not there: {stems[:1]}'
                )
            images.objects.append(int(object_id))
            scored = () if hidden else tuple(index[stem] for stem in stems[1:] if index.get(stem) in files)
            objects.append(TrackedObject(object_id, index[stems[0]], scored))
        unseen = self.root / 'unseen_videos.txt'
        attributes = {'seen': yes_or_no(name not in read_lines(unseen))} if unseen.is_file() else {}
        return VideoSequence(
            name, frames, tuple(objects), read_masks=images.masks, disjoint=True, attributes=attributes
        )

    @cached_property
    def _folder(self) -> Path:
        """The folder of the split; that of val has two names."""
        other = self.root / 'valid'
        return other if self.split == 'val' and other.is_dir() else self.root / self.split

    @cached_property
    def _meta(self) -> Path:
        beside = self.root / f'{self._folder.name}_meta.json'
        return beside if beside.is_file() else self._folder / f'{self._folder.name}_meta.json'

    @cached_property
    def _videos(self) -> dict[str, Any]:
        return field_of(read_json(self._meta), 'videos', dict, where=self._meta)


def _objects(videos: dict[str, Any], name: str, file: Path) -> dict[str, Any]:
    """The objects of a video in the JSON file, whose names must be numbers: they are labels in its images."""
    objects = field_of(videos.get(name), 'objects', dict, where=f'video {name} in {file}')
    if not all(key.isdecimal() and isinstance(entry, dict) for key, entry in objects.items()):
        raise DatasetError(f'{file}: the objects of {name} must be named by numbers')
    return objects


def _range(entry: dict[str, Any], where: str) -> list[int]:
    """Numbers of the frames that show an object, the first one among them, without the last of all."""
    limits = field_of(entry, 'frame_range', dict, where=where)
    start, end, count = (
        int(field_of(limits, name, (int, str), where=where)) for name in ('start', 'end', 'frame_nums')
    )
    return [number for place, number in enumerate(range(start, end, _LVOS_STEP)) if place != count - 1 or not place]
