"""Masklets as one PNG with a palette for each frame: DAVIS, YouTube-VOS, MOSE, LVOS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from sam2_ros.files.masks import read_labels
from sam2_ros.files.palette_png import encode_palette_png
from sam2_ros.files.writing import write_whole
from sam2_ros.masklets.masklet import AnnotatedVideo
from sam2_ros.masklets.reading import (
    UNDECIDED,
    frame_files,
    frames_in,
    from_label_images,
    label_image,
    require_disjoint,
)

ANNOTATIONS, IMAGES = 'Annotations', 'JPEGImages'
_RATE = 24.0  # frames per second of DAVIS


class DavisFolders:
    """`Annotations/<video>/<frame>.png`, where a pixel is the number of its object, beside `JPEGImages/<video>/`.

    There may be a folder such as 480p between. Masks do not overlap. Label 255 stands for undecided pixels, which are
    left out, unless a video has no other label. Frame rate, kinds, names, classes and scores are not kept, and the
    number of frames is that of the JPEGs, if there are any.
    """

    name = 'davis'
    description = 'DAVIS, YouTube-VOS, MOSE, LVOS: Annotations/<video>/<frame>.png with a palette'
    one_file = False
    overlaps = False

    def recognises(self, path: Path) -> bool:
        return bool(_folders(path))

    def read(self, path: Path, *, frame_rate: float | None = None) -> Iterator[AnnotatedVideo]:
        """The videos in the folder `path`; `frame_rate` is that of the videos, 24 if left out."""
        folders = _folders(path)
        twice = {name for name, count in Counter(folder.name for folder in folders).items() if count > 1}
        for folder in folders:
            within = folder.relative_to(_root(path))
            images = ((frame, read_labels(file)) for frame, file in frame_files(folder).items())
            name = '_'.join(within.parts) if folder.name in twice else folder.name
            video = from_label_images(
                name, images, frame_rate=frame_rate or _RATE, frame_count=frames_in(path / IMAGES / within)
            )
            if len(video.masklets) > 1:
                video = replace(video, masklets=tuple(one for one in video.masklets if one.number != UNDECIDED))
            yield video

    def write(self, videos: Iterable[AnnotatedVideo], path: Path) -> None:
        """Write the label images of all videos below the folder `path`.

        Raises:
            ValueError: if masklets overlap, or have no different numbers from 1 to 254.
            OSError: if a file cannot be written.
        """
        for video in videos:
            require_disjoint(video, lowest=1, highest=UNDECIDED - 1, what='palette images')
            for frame in video.frames:
                png = encode_palette_png(label_image(video, frame).astype(np.uint8))
                write_whole(path / ANNOTATIONS / video.name / f'{frame:05d}.png', png)


def _root(path: Path) -> Path:
    return path / ANNOTATIONS if (path / ANNOTATIONS).is_dir() else path


def _folders(path: Path) -> list[Path]:
    """The folders of the videos: those with PNG files that are named by numbers."""
    files = (file for pattern in ('*/*.png', '*/*/*.png') for file in _root(path).glob(pattern))
    return sorted({file.parent for file in files if file.stem.isdecimal()})
