"""Data sets with a folder of images and one of label images for each video; what tells them apart is a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sam2_ros.evaluation.datasets.dataset import DatasetError, VideoSequence
from sam2_ros.evaluation.datasets.label_images import (
    LabelReader,
    decided_labels,
    label_sequence,
    one_object,
    paired,
)
from sam2_ros.evaluation.datasets.reading import JPEGS, image_files, read_lines
from sam2_ros.files.masks import read_labels
from sam2_ros.masklets.reading import UNDECIDED

_STUFF = 124  # highest class of VIPSeg; things have numbers above it
_VOID_THING = 200  # a leftover in the label images of VIPSeg


def things(file: Path) -> np.ndarray:
    """The things in a panoptic mask of VIPSeg: class * 100 + instance. What is stuff or void becomes 0."""
    labels = read_labels(file)
    return np.where((labels > _STUFF) & (labels != _VOID_THING), labels, 0)


@dataclass(frozen=True)
class LabelLayout:
    """How a data set lies on disk; {split} in a path stands for the split.

    Attributes:
        images, labels: folders of the folders of videos, below the root.
        listing: file with the names of the videos of a split; empty: all folders that hold JPEGs.
        splits: accepted ones, the one that is usually reported first.
        hidden: those whose truth is kept by a server.
        read: gives the labels of a file.
        late_objects: objects may appear after the first frame.
        undecided: label of pixels that were not decided, where a video has other labels, too.
        complete: every frame of a split that is not hidden has a label image. Else frames without one are no frames of
            the video.
    """

    images: str
    labels: str
    listing: str
    splits: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    read: LabelReader = decided_labels
    late_objects: bool = False
    undecided: int | None = None
    complete: bool = True


LABEL_LAYOUTS: dict[str, LabelLayout] = {
    'davis2016': LabelLayout(
        'JPEGImages/480p', 'Annotations/480p', 'ImageSets/2016/{split}.txt', ('val', 'train'), read=one_object
    ),
    'davis2017': LabelLayout(
        'JPEGImages/480p',
        'Annotations/480p',
        'ImageSets/2017/{split}.txt',
        ('val', 'train', 'test-dev'),
        hidden=('test-dev',),
    ),
    'mose': LabelLayout(
        '{split}/JPEGImages', '{split}/Annotations', '', ('valid', 'train'), hidden=('valid',), late_objects=True
    ),
    'vost': LabelLayout(
        'JPEGImages', 'Annotations', 'ImageSets/{split}.txt', ('val', 'train', 'test'), hidden=('test',), complete=False
    ),
    'pumavos': LabelLayout('JPEGImages', 'Annotations', '', ('all',), late_objects=True),
    'vipseg': LabelLayout('imgs', 'panomasks', '{split}.txt', ('val', 'train'), read=things, late_objects=True),
    'folder': LabelLayout('', '', '', ('all',), read=read_labels, late_objects=True, undecided=UNDECIDED),
}


@dataclass(frozen=True)
class LabelFolders:
    """A split of a data set of `LABEL_LAYOUTS`.

    `folder` is for clips of one's own: NAME/00000.jpg with NAME/00000.png, or JPEGImages/NAME/00000.jpg with
    Annotations/NAME/00000.png, where there may be a folder such as 480p between.

    Attributes:
        root: of the data set.
        layout: its name.
        split: one of the layout's.
    """

    root: Path
    layout: str
    split: str

    @cached_property
    def names(self) -> Sequence[str]:
        """In the order of the list, or sorted."""
        if self._layout.listing:
            return tuple(read_lines(self.root / self._layout.listing.format(split=self.split)))
        files = (file for file in self._images.rglob('*') if file.suffix.lower() in JPEGS)
        names = sorted({file.parent.relative_to(self._images).as_posix() for file in files})
        if not names:
            raise DatasetError(f'{self._images} holds no folders of JPEGs; is {self.root} the folder of {self.layout}?')
        return tuple(names)

    def sequence(self, name: str) -> VideoSequence:
        """Read one; see `Dataset`."""
        layout, hidden = self._layout, self.split in self._layout.hidden
        frames = image_files(self._images / name, suffixes=JPEGS)
        files = paired(frames, self._labels / name, complete=layout.complete and not hidden)
        if not layout.complete and not hidden:
            frames, files = tuple(frames[index] for index in files), dict(enumerate(files.values()))
        return label_sequence(
            name,
            frames,
            files,
            read=layout.read,
            late_objects=layout.late_objects,
            is_hidden=hidden,
            undecided=layout.undecided,
        )

    @property
    def _layout(self) -> LabelLayout:
        return LABEL_LAYOUTS[self.layout]

    @property
    def _images(self) -> Path:
        return self._folder(self._layout.images, 'JPEGImages')

    @property
    def _labels(self) -> Path:
        return self._folder(self._layout.labels, 'Annotations')

    def _folder(self, path: str, usual: str) -> Path:
        if path:
            return self.root / path.format(split=self.split)
        return self.root / usual if (self.root / 'JPEGImages').is_dir() else self.root
