"""SA-V's validation and test set: JPEGImages_24fps/<video>/00000.jpg, Annotations_6fps/<video>/<object>/00000.png."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sam2_ros.evaluation.datasets.dataset import DatasetError, TrackedObject, VideoSequence
from sam2_ros.evaluation.datasets.reading import JPEGS, image_files, read_lines, subfolders
from sam2_ros.files.masks import read_mask
from sam2_ros.masklets.sav_folders import ANNOTATIONS, IMAGES


@dataclass(frozen=True)
class Sav:
    """A split of SA-V. Images are tracked at 24 per second and scored at 6.

    An object is scored as its evaluator does it: in the frames for which it has a mask, without the first and the last
    of them. Masks may overlap.

    Attributes:
        root: holds sav_val/ and sav_test/; or is the folder of the split itself.
        split: 'val' or 'test'; the truth of both is public.
    """

    root: Path
    split: str

    @cached_property
    def names(self) -> Sequence[str]:
        """In the order of sav_val.txt or sav_test.txt; without that file, all folders of annotations."""
        listing = self._folder / f'sav_{self.split}.txt'
        return tuple(read_lines(listing)) if listing.is_file() else subfolders(self._folder / ANNOTATIONS)

    def sequence(self, name: str) -> VideoSequence:
        """Read one; see `Dataset`."""
        frames = image_files(self._folder / IMAGES / name, suffixes=JPEGS)
        index = {file.stem: number for number, file in enumerate(frames)}
        folder = self._folder / ANNOTATIONS / name
        files: dict[str, dict[int, Path]] = {}
        objects = []
        for object_id in subfolders(folder):
            masks = image_files(folder / object_id, suffixes=('.png',))
            alone = [file for file in masks if file.stem not in index]
            if alone:
                raise DatasetError(f'{alone[0]} has no image {self._folder / IMAGES / name / alone[0].stem}.jpg')
            files[object_id] = {index[file.stem]: file for file in masks}
            annotated = list(files[object_id])
            start = next((frame for frame in annotated if read_mask(files[object_id][frame]).any()), None)
            if start is None:
                raise DatasetError(f'{folder / object_id} has no mask that is not empty')
            objects.append(TrackedObject(object_id, start, tuple(one for one in annotated[1:-1] if one >= start)))
        return VideoSequence(name, frames, tuple(objects), read_masks=_MaskReader(files).masks)

    @property
    def _folder(self) -> Path:
        inner = self.root / f'sav_{self.split}'
        return inner if inner.is_dir() else self.root


@dataclass(frozen=True)
class _MaskReader:
    files: Mapping[str, Mapping[int, Path]]

    def masks(self, frame: int) -> dict[str, np.ndarray]:
        """Of the objects that have a file for this frame."""
        return {name: read_mask(own[frame]) for name, own in self.files.items() if frame in own}
