"""What the readers of several formats share: files that are checked, and masks collected frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.masklets.masklet import AnnotatedVideo, Masklet

UNDECIDED = 255  # label of pixels that were not decided, in data sets with more than one object


def field_of(tree: Any, name: str, kind: type | tuple[type, ...], *, where: object) -> Any:
    """A field of an object in a JSON file; `where` is what the object is, for the message.

    Raises:
        ValueError: if it is missing or of another kind.
    """
    value = tree.get(name) if isinstance(tree, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f'{where} has no {name}, or not in the form that is accepted')
    return value


def class_names(tree: dict[str, Any]) -> dict[Any, str]:
    """Name of each category of a file in the form of COCO, by its id."""
    listed = tree.get('categories') or []
    return {entry.get('id'): str(entry.get('name', '')) for entry in listed if isinstance(entry, dict)}


def frame_files(folder: Path) -> dict[int, Path]:
    """The PNG files of a folder by the number that is their name, in ascending order."""
    files = {int(file.stem): file for file in folder.glob('*.png') if file.stem.isdecimal()}
    return dict(sorted(files.items()))


def frames_in(folder: Path) -> int:
    """How many JPEGs there are in a folder; 0 if there is no such folder."""
    return sum(file.suffix.lower() in ('.jpg', '.jpeg') for file in folder.iterdir()) if folder.is_dir() else 0


def masks_by_label(labels: np.ndarray) -> dict[int, RunLengths]:
    """The mask of each label of a label image (H, W), without label 0."""
    return {int(label): RunLengths.of(labels == label) for label in np.unique(labels) if label}


def require_disjoint(video: AnnotatedVideo, *, lowest: int, highest: int, what: str) -> None:
    """Refuse a video that label images cannot hold.

    Raises:
        ValueError: if masklets overlap, or their numbers are not different and from `lowest` to `highest`.
    """
    numbers = [masklet.number for masklet in video.masklets]
    if len(set(numbers)) < len(numbers) or any(not lowest <= number <= highest for number in numbers):
        raise ValueError(
            f'{what} need a different number from {lowest} to {highest} for each masklet, but {video.name} has '
            f'{", ".join(map(str, numbers))}; AnnotatedVideo.numbered gives them'
        )
    shared = video.overlap()
    if shared is not None:
        frame, one, other = shared
        raise ValueError(
            f'in {what} a pixel is of one masklet only, but {one.number} and {other.number} of {video.name} overlap in '
            f'frame {frame}; AnnotatedVideo.without_overlaps gives each pixel to the smaller one'
        )


def label_image(video: AnnotatedVideo, frame: int, numbers: Mapping[int, int] | None = None) -> np.ndarray:
    """(H, W) uint16: the number of the masklet that is there, or what `numbers` has for it; 0 where none is."""
    image = np.zeros(video.size, np.uint16)
    for masklet in video.masklets:
        if frame in masklet.masks:
            image[masklet.masks[frame].mask()] = numbers[masklet.number] if numbers else masklet.number
    return image


def from_label_images(
    name: str,
    images: Iterable[tuple[int, np.ndarray]],
    *,
    frame_rate: float,
    frame_count: int = 0,
) -> AnnotatedVideo:
    """A video of label images.

    Args:
        name: of the video.
        images: frame index and (H, W) labels, 0 where no object is.
        frame_rate: frames per second.
        frame_count: of the video; at least up to the last image in any case.

    Raises:
        ValueError: if there are no images, or of different sizes.
    """
    frames: list[int] = []
    size: tuple[int, int] | None = None
    masks: dict[int, dict[int, RunLengths]] = {}
    for frame, labels in images:
        if size not in (None, labels.shape):
            raise ValueError(f'the label images of {name} differ in size: frame {frame} is {labels.shape}, not {size}')
        size = (labels.shape[0], labels.shape[1])
        frames.append(frame)
        for label, mask in masks_by_label(labels).items():
            masks.setdefault(label, {})[frame] = mask
    if size is None:
        raise ValueError(f'{name} has no label images')
    masklets = tuple(Masklet(label, masks[label]) for label in sorted(masks))
    return AnnotatedVideo(name, size, frame_rate, max(frame_count, frames[-1] + 1), tuple(frames), masklets)
