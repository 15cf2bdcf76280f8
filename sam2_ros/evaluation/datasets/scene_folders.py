"""Virtual KITTI 2, EndoVis 2018 and ESD: images and label images in two folders of each scene."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sam2_ros.evaluation.datasets.dataset import DatasetError, VideoSequence
from sam2_ros.evaluation.datasets.label_images import LabelReader, label_sequence, labels_or_colours
from sam2_ros.evaluation.datasets.reading import image_files
from sam2_ros.files.masks import read_labels


@dataclass(frozen=True)
class SceneLayout:
    """How a data set lies on disk.

    Attributes:
        images: pattern of the folders of images below the root; {split} stands for the split.
        labels: path from a folder of images to that of its label images.
        read: gives the labels of a file.
        splits: accepted ones, the default first.
        classes: name of a JSON file with names and colours of the labels, in a folder above the images; or empty.
    """

    images: str
    labels: str
    read: LabelReader
    splits: tuple[str, ...]
    classes: str = ''


SCENE_LAYOUTS: dict[str, SceneLayout] = {
    # a pixel is the number of the track and 1; 0 is taken for the background
    'virtual_kitti2': SceneLayout(
        'Scene*/{split}/frames/rgb/Camera_0',
        '../../instanceSegmentation/Camera_0',
        read_labels,
        (
            'clone', '15-deg-left', '15-deg-right', '30-deg-left', '30-deg-right', 'fog', 'morning', 'overcast', 'rain',
            'sunset',
        ),
    ),
    # no instances: each class of a scene is one object
    'endovis2018': SceneLayout(
        '{split}*/seq_*/left_frames', '../labels', labels_or_colours, ('miccai_challenge_release',), 'labels.json'
    ),
    # each colour is one object
    'esd': SceneLayout('{split}/*/RGB/images', '../masks', labels_or_colours, ('ESD-1', 'ESD-2')),
}  # fmt: skip


@dataclass(frozen=True)
class SceneFolders:
    """A split of a data set of `SCENE_LAYOUTS`. Every image needs a label image; they belong together by their order.

    Which videos, objects and frame rates the paper of SAM 2 took of these is not published; here it is all of them.

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
        """Paths of the folders of images, without the part that all have at their end."""
        pattern = SCENE_LAYOUTS[self.layout].images.format(split=self.split)
        found = sorted(path.relative_to(self.root).as_posix() for path in self.root.glob(pattern) if path.is_dir())
        if not found:
            raise DatasetError(f'{self.root} holds no folders {pattern}; is it the folder of {self.layout}?')
        return tuple(name.removesuffix(self._ending) for name in found)

    def sequence(self, name: str) -> VideoSequence:
        """Read one; see `Dataset`."""
        layout = SCENE_LAYOUTS[self.layout]
        folder = self.root / f'{name}{self._ending}'
        frames = image_files(folder)
        labels = image_files((folder / layout.labels).resolve(), suffixes=('.png',))
        if len(labels) != len(frames):
            raise DatasetError(
                f'{labels[0].parent} holds {len(labels)} label images, but {folder} {len(frames)} images'
            )
        above = (parent / layout.classes for parent in (folder.parent, folder.parent.parent) if layout.classes)
        names = next((_class_names(file) for file in above if file.is_file()), {})
        return label_sequence(
            name, frames, dict(enumerate(labels)), read=layout.read, late_objects=True, object_names=names
        )

    @property
    def _ending(self) -> str:
        """What follows the last wildcard of the pattern."""
        pattern = SCENE_LAYOUTS[self.layout].images.format(split=self.split)
        return pattern[pattern.rindex('*') + 1 :] if not pattern.endswith('*') else ''


def _class_names(file: Path) -> Mapping[int, str]:
    """By colour, as `labels_or_colours` counts it, the name of the class.

    Raises:
        DatasetError: if the file is not a list of {'name', 'color': [red, green, blue]}.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(file.read_bytes())
        return {
            red * 65536 + green * 256 + blue: str(entry['name'])
            for entry in entries
            for red, green, blue in [entry['color']]
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f'{file} is not a list of classes with name and color: {error}') from error
