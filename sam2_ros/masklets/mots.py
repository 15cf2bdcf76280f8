"""Masklets of multi-object tracking and segmentation: KITTI MOTS and MOTSChallenge, as texts and as images."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2

from sam2_ros.files.masks import read_labels
from sam2_ros.files.run_lengths import RunLengths, short_counts
from sam2_ros.files.writing import write_whole
from sam2_ros.masklets.masklet import AnnotatedVideo, Masklet
from sam2_ros.masklets.reading import frame_files, frames_in, from_label_images, label_image, require_disjoint

CLASSES = {0: '', 1: 'car', 2: 'pedestrian', 10: 'ignore'}  # the last one holds the region that does not count
PER_CLASS = 1000  # the number of an object is its class times this, and its number in the class
TEXTS, INSTANCES, IMAGES, LENGTHS = 'instances_txt', 'instances', 'images', 'mots.seqmap'

_RATE = 10.0  # frames per second of KITTI
_HIGHEST = 65535  # what a pixel of 16 bits holds
_LINE = re.compile(r'(\d+) (\d+) (\d+) (\d+) (\d+) (\S+)')


class MotsTexts:
    """`instances_txt/<video>.txt`: a line for each mask with frame, number, class, height, width and run lengths.

    All frames are annotated, masks do not overlap. The number of an object is 1000 times its class and its number
    within; 10000 is the region to ignore. Frame rate, kinds, names and scores are not kept. The number of frames is in
    a file such as `mots.seqmap`, as MOTS's own tools have it; without one the last mask tells it.
    """

    name = 'mots-txt'
    description = 'MOTS: instances_txt/<video>.txt, a line for each mask'
    one_file = False
    overlaps = False

    def recognises(self, path: Path) -> bool:
        return bool(_texts(path))

    def read(self, path: Path, *, frame_rate: float | None = None) -> Iterator[AnnotatedVideo]:
        """The videos in the folder `path`; `frame_rate` is that of the videos, 10 if left out."""
        counts = _frame_counts(path)
        for file in _texts(path):
            yield _read_text(file, counts.get(file.stem, 0), frame_rate or _RATE)

    def write(self, videos: Iterable[AnnotatedVideo], path: Path) -> None:
        """Write the texts of all videos and their numbers of frames below the folder `path`.

        Raises:
            ValueError: for overlaps, unknown classes, numbers that do not fit, frames without annotation, and videos
                without a mask, whose size the file could not tell.
            OSError: if a file cannot be written.
        """
        lengths = []
        for video in videos:
            numbers = _numbers(video)
            if not any(masklet.masks for masklet in video.masklets):
                raise ValueError(f'{video.name} has no masks, so that its text would be empty')
            lines = [
                f'{frame} {numbers[masklet.number]} {numbers[masklet.number] // PER_CLASS} {video.size[0]} '
                f'{video.size[1]} {masklet.masks[frame].to_coco()["counts"]}\n'
                for frame in video.frames
                for masklet in sorted(video.masklets, key=lambda one: numbers[one.number])
                if frame in masklet.masks
            ]
            write_whole(path / TEXTS / f'{video.name}.txt', ''.join(lines).encode())
            lengths.append(f'{video.name} empty 000000 {video.frame_count - 1:06d}\n')
        write_whole(path / LENGTHS, ''.join(lengths).encode())


class MotsImages:
    """`instances/<video>/<frame>.png` of 16 bits, where a pixel is the number of its object, as in `MotsTexts`."""

    name = 'mots-png'
    description = 'MOTS: instances/<video>/<frame>.png of 16 bits'
    one_file = False
    overlaps = False

    def recognises(self, path: Path) -> bool:
        return any((path / INSTANCES).glob('*/*.png'))

    def read(self, path: Path, *, frame_rate: float | None = None) -> Iterator[AnnotatedVideo]:
        """The videos in the folder `path`; `frame_rate` is that of the videos, 10 if left out."""
        for folder in sorted(child for child in (path / INSTANCES).iterdir() if child.is_dir()):
            images = ((frame, read_labels(file)) for frame, file in frame_files(folder).items())
            count = frames_in(path / IMAGES / folder.name)
            video = from_label_images(folder.name, images, frame_rate=frame_rate or _RATE, frame_count=count)
            masklets = tuple(replace(one, class_name=_class_name(one.number)) for one in video.masklets)
            yield replace(video, masklets=masklets)

    def write(self, videos: Iterable[AnnotatedVideo], path: Path) -> None:
        """Write the images of all videos below the folder `path`.

        Raises:
            ValueError: for overlaps, unknown classes, numbers that do not fit, and frames without annotation.
            OSError: if a file cannot be written.
        """
        for video in videos:
            numbers = _numbers(video)
            for frame in video.frames:
                png = cv2.imencode('.png', label_image(video, frame, numbers))[1]
                write_whole(path / INSTANCES / video.name / f'{frame:06d}.png', png.tobytes())


def _class_name(number: int) -> str:
    return CLASSES.get(number // PER_CLASS, f'class {number // PER_CLASS}')


def _numbers(video: AnnotatedVideo) -> dict[int, int]:
    """By number of a masklet the one that the files have, which tells the class, too."""
    if video.frames != tuple(range(video.frame_count)):
        raise ValueError(f'MOTS annotates all frames of a video, but {video.name} lacks some')
    require_disjoint(video, lowest=1, highest=_HIGHEST, what='MOTS')
    known = {name: number for number, name in CLASSES.items()}
    numbers = {}
    for masklet in video.masklets:
        other = re.fullmatch(r'class (\d+)', masklet.class_name)
        class_id = int(other[1]) if other else known.get(masklet.class_name)
        if class_id is None:
            raise ValueError(
                f'MOTS has no class {masklet.class_name!r}; accepted are {", ".join(filter(None, known))}, a number '
                "such as 'class 7', or none"
            )
        number = masklet.number
        if number < PER_CLASS:
            number += PER_CLASS * class_id
        if number // PER_CLASS != class_id or number > _HIGHEST:
            raise ValueError(f'masklet {masklet.number} of {video.name} has a number that is not of its class in MOTS')
        numbers[masklet.number] = number
    if len(set(numbers.values())) < len(numbers):
        raise ValueError(f'masklets of {video.name} would have the same number in MOTS; number them anew')
    return numbers


def _texts(path: Path) -> list[Path]:
    """The texts in the folder, or in its folder `instances_txt`, whose first line is one of MOTS."""
    folder = path / TEXTS if (path / TEXTS).is_dir() else path
    return [file for file in sorted(folder.glob('*.txt')) if _LINE.fullmatch(_first_line(file))]


def _first_line(file: Path) -> str:
    with file.open(encoding='utf-8', errors='replace') as lines:
        return lines.readline().rstrip('\n')


def _frame_counts(path: Path) -> dict[str, int]:
    """Number of frames by video, from the lines 'video empty first last' of all seqmap files in the folder."""
    counts = {}
    for file in path.glob('*.seqmap'):
        for line in file.read_text(encoding='utf-8').splitlines():
            words = line.split()
            if len(words) == 4 and words[3].isdecimal():
                counts[words[0]] = int(words[3]) + 1
    return counts


def _read_text(file: Path, frame_count: int, frame_rate: float) -> AnnotatedVideo:
    masks: dict[int, dict[int, RunLengths]] = defaultdict(dict)
    size: tuple[int, int] | None = None
    for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), start=1):
        told = f'{file}, line {number}'
        parts = _LINE.fullmatch(line.strip())
        if parts is None:
            raise ValueError(f'{told} is not "frame number class height width run-lengths"')
        frame, identity, class_id, height, width = (int(part) for part in parts.groups()[:5])
        if class_id != identity // PER_CLASS:
            raise ValueError(f'{told} has the number {identity}, which is not of class {class_id}')
        if size not in (None, (height, width)):
            raise ValueError(f'{told} is of another size than the lines before')
        size = (height, width)
        try:
            mask = RunLengths.from_coco({'size': [height, width], 'counts': short_counts(parts[6])})
        except ValueError as error:
            raise ValueError(f'{told}: {error}') from error
        if mask.area:
            masks[identity][frame] = mask
            frame_count = max(frame_count, frame + 1)
    assert size is not None, 'only files with a first line are read'
    masklets = tuple(Masklet(number, masks[number], class_name=_class_name(number)) for number in sorted(masks))
    return AnnotatedVideo(file.stem, size, frame_rate, frame_count, tuple(range(frame_count)), masklets)
