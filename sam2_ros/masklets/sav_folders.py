"""Masklets as one PNG for each object and frame: SA-V's validation and test sets, and the masks of `track_video`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.files.masks import read_mask
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.files.writing import write_whole
from sam2_ros.masklets.davis import ANNOTATIONS as OTHER_ANNOTATIONS
from sam2_ros.masklets.masklet import AnnotatedVideo, Masklet
from sam2_ros.masklets.reading import frame_files, frames_in

ANNOTATIONS, IMAGES = 'Annotations_6fps', 'JPEGImages_24fps'
RESULT_MASKS = 'masks'  # folder of the masks in a result of `track_video`
_RATE = 24.0  # frames per second of SA-V


class SavFolders:
    """`Annotations_6fps/<video>/<object>/<frame>.png`, beside `JPEGImages_24fps`; or a result folder of `track_video`.

    Masks may overlap. Frame rate, kinds, names, classes and scores are not kept, and the number of frames is that of
    the JPEGs, if there are any. Objects whose folders are no numbers are numbered from 1 on, and have the name of their
    folder.
    """

    name = 'sav-folders'
    description = 'SA-V validation and test set: Annotations_6fps/<video>/<object>/<frame>.png; results of track_video'
    one_file = False
    overlaps = True

    def recognises(self, path: Path) -> bool:
        plain = (path / ANNOTATIONS).is_dir() or not (path / OTHER_ANNOTATIONS).is_dir()
        return _is_result(path) or (plain and any(_root(path).glob('*/*/*.png')))

    def read(self, path: Path, *, frame_rate: float | None = None) -> Iterator[AnnotatedVideo]:
        """The videos in the folder `path`; `frame_rate` is that of the videos, 24 if left out."""
        if _is_result(path):
            yield _read_video(path / RESULT_MASKS, path.resolve().name, path, frame_rate or _RATE)
            return
        for folder in sorted(child for child in _root(path).iterdir() if child.is_dir()):
            yield _read_video(folder, folder.name, path / IMAGES / folder.name, frame_rate or _RATE)

    def write(self, videos: Iterable[AnnotatedVideo], path: Path) -> None:
        """Write the masks, and the list of videos as `<name of the folder>.txt`.

        Every annotated frame of every object has a file, also where the object is not seen.

        Raises:
            ValueError: if two masklets of a video have the same number, or a video has neither frames nor masklets.
            OSError: if a file cannot be written.
        """
        names = []
        for video in videos:
            numbers = [masklet.number for masklet in video.masklets]
            if len(set(numbers)) < len(numbers):
                raise ValueError(f'{video.name} has masklets of the same number; AnnotatedVideo.numbered changes them')
            if not numbers or not video.frames:
                raise ValueError(f'{video.name} has no masklets, of which folders could be made')
            for masklet in video.masklets:
                for frame in video.frames:
                    mask = masklet.masks.get(frame, RunLengths.empty(video.size)).mask()
                    png = cv2.imencode('.png', mask.astype(np.uint8) * 255)[1]
                    file = path / ANNOTATIONS / video.name / f'{masklet.number:03d}' / f'{frame:05d}.png'
                    write_whole(file, png.tobytes())
            names.append(video.name)
        write_whole(path / f'{path.resolve().name}.txt', '\n'.join([*names, '']).encode())


def _is_result(path: Path) -> bool:
    return (path / 'objects.csv').is_file() and (path / RESULT_MASKS).is_dir()


def _root(path: Path) -> Path:
    return path / ANNOTATIONS if (path / ANNOTATIONS).is_dir() else path


def _read_video(folder: Path, name: str, images: Path, frame_rate: float) -> AnnotatedVideo:
    objects = sorted(child for child in folder.iterdir() if child.is_dir())
    numbered = all(child.name.isdecimal() for child in objects)
    masklets, frames, size = [], set(), None
    for position, child in enumerate(objects, start=1):
        masks = {}
        for frame, file in frame_files(child).items():
            mask = RunLengths.of(read_mask(file))
            if size not in (None, mask.size):
                raise ValueError(f'{file} is {mask.size[1]} x {mask.size[0]} pixels, others of {name} are not')
            size = mask.size
            frames.add(frame)
            if mask.area:
                masks[frame] = mask
        number = int(child.name) if numbered else position
        masklets.append(Masklet(number, masks, name='' if numbered else child.name))
    if size is None:
        raise ValueError(f'{folder} holds no masks; accepted is <object>/<frame>.png, such as 000/00000.png')
    count = max(frames_in(images), max(frames) + 1)
    return AnnotatedVideo(name, size, frame_rate, count, tuple(sorted(frames)), tuple(masklets))
