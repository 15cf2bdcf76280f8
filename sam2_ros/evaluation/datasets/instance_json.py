"""UVO and LV-VIS: frames in folders, and all masks in one JSON file in the form of YouTube-VIS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sam2_ros.evaluation.datasets.dataset import DatasetError, TrackedObject, VideoSequence, scored_frames
from sam2_ros.evaluation.datasets.reading import image_files
from sam2_ros.masklets.masklet import AnnotatedVideo
from sam2_ros.masklets.youtube_vis import YoutubeVis

_FORM = YoutubeVis()


@dataclass(frozen=True)
class InstanceJson:
    """A split of such a data set. Masks may overlap.

    Attributes:
        annotations: the JSON file.
        images: holds a folder of numbered images for each video.
    """

    annotations: Path
    images: Path

    @cached_property
    def names(self) -> Sequence[str]:
        """In the order of the file."""
        return tuple(self._videos)

    def sequence(self, name: str) -> VideoSequence:
        """Read one; see `Dataset`."""
        video = self._videos[name]
        files = image_files(self.images / name)
        index = {int(file.stem): number for number, file in enumerate(files) if file.stem.isdecimal()}
        missing = [frame for frame in video.frames if frame not in index]
        if missing:
            raise DatasetError(
                f'{self.annotations} names frame {missing[0]} of {name}, which is not in {self.images / name}'
            )
        annotated = [index[frame] for frame in video.frames]
        objects = tuple(
            TrackedObject(
                str(masklet.number),
                start := index[min(masklet.masks)],
                scored_frames(annotated, start),
                attributes={'class': masklet.class_name},
            )
            for masklet in video.masklets
            if masklet.masks
        )
        reader = _MaskReader(video, {number: frame for frame, number in index.items()})
        return VideoSequence(name, files, objects, read_masks=reader.masks)

    @cached_property
    def _videos(self) -> dict[str, AnnotatedVideo]:
        return {video.name: video for video in _FORM.read(self.annotations)}


@dataclass(frozen=True)
class _MaskReader:
    video: AnnotatedVideo
    numbers: dict[int, int]  # of frames as the file counts them, by index

    def masks(self, frame: int) -> dict[str, np.ndarray]:
        number = self.numbers[frame]
        return {
            str(one.number): one.masks[number].mask() if number in one.masks else np.zeros(self.video.size, bool)
            for one in self.video.masklets
            if one.masks
        }
