"""Videos whose truth is one label image for a frame: every pixel holds the number of its object, 0 where none is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.evaluation.datasets.dataset import DatasetError, Masks, TrackedObject, VideoSequence, scored_frames
from sam2_ros.files.decoding import decode_image
from sam2_ros.files.masks import read_labels
from sam2_ros.masklets.reading import UNDECIDED

LabelReader = Callable[[Path], np.ndarray]  # gives (H, W) integers


def decided_labels(file: Path) -> np.ndarray:
    """The labels in a file, (H, W), with 0 for pixels that were not decided (255), as DAVIS 2017 and VOST score it."""
    labels = read_labels(file)
    return np.where(labels == UNDECIDED, 0, labels)


def one_object(file: Path) -> np.ndarray:
    """Label 1 wherever a file has a label, as in DAVIS 2016, whose only object has 255."""
    return (read_labels(file) > 0).astype(np.uint8)


def labels_or_colours(file: Path) -> np.ndarray:
    """(H, W) int64: labels as they are; of an image in colours, red * 65536 + green * 256 + blue.

    Raises:
        DatasetError: if it is no image.
    """
    data = file.read_bytes()
    pixels = decode_image(data, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise DatasetError(f'{file} cannot be read as an image')
    if pixels.ndim == 2:
        return pixels.astype(np.int64)
    blue, green, red = np.moveaxis(pixels[..., :3].astype(np.int64), -1, 0)
    return red * 65536 + green * 256 + blue


@dataclass(frozen=True, eq=False)
class LabelImages:
    """The label images of a video.

    Attributes:
        files: by index of the frame.
        read: gives the labels of a file.
        objects: labels of the objects, filled in once they are known.
    """

    files: Mapping[int, Path]
    read: LabelReader
    objects: list[int] = field(default_factory=list)

    def masks(self, frame: int) -> Masks:
        """Of all objects of the video."""
        labels = self.labels(frame)
        return {str(label): labels == label for label in self.objects}

    def labels(self, frame: int) -> np.ndarray:
        """(H, W) integers.

        Raises:
            DatasetError: if the file cannot be read.
        """
        try:
            return self.read(self.files[frame])
        except OSError as error:
            raise DatasetError(f'{self.files[frame]} cannot be read: {error.strerror}') from error

    def first_frames(self, frames: Iterable[int]) -> dict[int, int]:
        """By label in these frames the first one that shows it."""
        starts: dict[int, int] = {}
        for frame in frames:
            for label in np.unique(self.labels(frame)).tolist():
                if label:
                    starts.setdefault(label, frame)
        return starts


def label_sequence(
    name: str,
    frames: tuple[Path, ...],
    files: Mapping[int, Path],
    *,
    read: LabelReader,
    late_objects: bool,
    is_hidden: bool = False,
    undecided: int | None = None,
    object_names: Mapping[int, str] | None = None,
) -> VideoSequence:
    """A video with label images.

    Args:
        name: within its data set.
        frames: files of its images.
        files: label images by index of the frame.
        read: gives the labels of a file.
        late_objects: objects may appear after the first label image. Then all label images are read here.
        is_hidden: a server keeps the truth; label images say where objects begin only.
        undecided: label of pixels that were not decided, where a video has other labels, too; else it is an object.
        object_names: what labels stand for, for the attribute 'class'.

    Raises:
        DatasetError: if there are no label images, or the first shows no object and none may appear later.
    """
    if not files:
        raise DatasetError(f'{frames[0].parent} has no label image for any of its {len(frames)} frames')
    annotated = sorted(files)
    images = LabelImages(files, read)
    starts = images.first_frames(annotated if late_objects else annotated[:1])
    if undecided is not None and len(starts) > 1:
        starts.pop(undecided, None)
    images.objects.extend(sorted(starts))
    names = object_names or {}
    objects = tuple(
        TrackedObject(
            str(label),
            starts[label],
            () if is_hidden else scored_frames(annotated, starts[label]),
            attributes={'class': names[label]} if label in names else {},
        )
        for label in sorted(starts)
    )
    if not objects:
        raise DatasetError(f'{files[annotated[0]]} shows no object')
    return VideoSequence(name, frames, objects, read_masks=images.masks, disjoint=True)


def paired(frames: Sequence[Path], folder: Path, *, complete: bool) -> dict[int, Path]:
    """The label images, PNGs of the same names as the frames, by index of the frame.

    Raises:
        DatasetError: if one is missing that must be there.
    """
    files = {index: folder / f'{frame.stem}.png' for index, frame in enumerate(frames)}
    there = {index: file for index, file in files.items() if file.is_file()}
    missing = [index for index in files if index not in there]
    if complete and missing:
        raise DatasetError(f'{frames[missing[0]]} has no label image {files[missing[0]]}; every frame needs one')
    return there
