"""Filmed clips with a label image beside every frame, read from a folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.evaluation.datasets.clips import TargetClip
from sam2_ros.files.masks import read_labels
from sam2_ros.video.source import files_of, read_image

HALVES = ('first', 'second', 'all')
LAYOUTS = 'NAME/00000.jpg with NAME/00000.png, or JPEGImages/NAME/00000.jpg with Annotations/NAME/00000.png'

_JPEG = ('.jpg', '.jpeg')
_LEAST_FRAMES = 2  # that must show an object: one to prompt it in, one to find it in
_UNSURE = 255  # in data sets with more than one object, the label of pixels that were not decided


@dataclass(frozen=True)
class ClipFolder:
    """The clips in a folder: a JPEG for every frame, and a label image (PNG) of the same name.

    Pixels of label 0 are of no object. Every other label is an object, and a target if at least two frames show it.
    The folder has one of the two `LAYOUTS`; the second one is that of DAVIS, also with a folder such as 480p between.

    Weights are chosen on one half of the clips and reported on the other. So that everyone has the same halves, the
    clips are sorted by name and belong to the first and the second half by turns.

    Attributes:
        folder: of the clips.
        half: 'first', 'second' or 'all'.

    Raises:
        ValueError: if there is no such half, or there are no clips in it.
    """

    folder: Path
    half: str = 'all'

    def __post_init__(self) -> None:
        if self.half not in HALVES:
            raise ValueError(f'there is no half {self.half!r}; accepted are {", ".join(HALVES)}')
        if not self.names:
            raise ValueError(f'{self.folder} holds no clips; a clip is {LAYOUTS}')
        if not self.numbers:
            raise ValueError(f'{self.folder} holds one clip only, so it has no second half')

    @cached_property
    def names(self) -> Sequence[str]:
        """Names of all clips, whatever the half."""
        files = (file for file in self._images.rglob('*') if file.suffix.lower() in _JPEG)
        return sorted({file.parent.relative_to(self._images).as_posix() for file in files})

    @property
    def numbers(self) -> Sequence[int]:
        """Those of the clips of this half, which are the indices of their names."""
        return {'first': range(0, len(self.names), 2), 'second': range(1, len(self.names), 2)}.get(
            self.half, range(len(self.names))
        )

    @property
    def variant(self) -> str:
        return self.folder.resolve().name

    @property
    def description(self) -> str:
        """Which clips these are, without the place of the folder."""
        chosen = {'first': ' (the 1st, 3rd, 5th ...)', 'second': ' (the 2nd, 4th, 6th ...)'}.get(self.half, '')
        half = 'both halves' if self.half == 'all' else f'the {self.half} half'
        return f'{len(self.numbers)} of the {len(self.names)} in {self.variant}, sorted by name: {half}{chosen}'

    def config(self) -> Mapping[str, Any]:
        """A fingerprint of all clips, whatever the half. Reads all, so it also finds what cannot be read.

        Raises:
            OSError, ValueError: as `targets` does.
        """
        return {'clips_sha256': self._digest}

    def targets(self, number: int) -> dict[int, TargetClip]:
        """The targets of a clip by their labels, in ascending order.

        Raises:
            OSError: if an image cannot be read.
            ValueError: if a label image is missing, cannot be read, is not as large as its image or has undecided
                pixels; if the images differ in size; or if no object shows in two frames.
        """
        name = self.names[number]
        frames = [Path(file) for file in files_of(str(self._images / name)) if file.suffix.lower() in _JPEG]
        pairs = [self._read(frame, self._labels / name / f'{frame.stem}.png') for frame in frames]
        if len({image.shape for image, _ in pairs}) > 1:
            raise ValueError(f'the images of {self._images / name} differ in size')
        labels = np.stack([label for _, label in pairs])
        shown = Counter(int(label) for frame in labels for label in np.unique(frame))
        if _UNSURE in shown and len(shown.keys() - {0}) > 1:
            raise ValueError(
                f'{self._labels / name} has pixels of label {_UNSURE} beside other objects; that usually stands for '
                'undecided pixels, which are not supported'
            )
        images = np.stack([image for image, _ in pairs])
        targets = sorted(label for label, count in shown.items() if label and count >= _LEAST_FRAMES)
        if not targets:
            raise ValueError(f'{self._labels / name} has no object that shows in {_LEAST_FRAMES} frames or more')
        return {label: TargetClip(images, labels == label) for label in targets}

    def _read(self, frame: Path, mask: Path) -> tuple[np.ndarray, np.ndarray]:
        if not mask.is_file():
            raise ValueError(f'{frame} has no label image {mask}; every frame needs one')
        image, labels = read_image(frame), read_labels(mask)
        if image.shape[:2] != labels.shape:
            sizes = [f'{width} x {height}' for height, width in (labels.shape, image.shape[:2])]
            raise ValueError(f'{mask} is {sizes[0]} pixels, but its image is {sizes[1]}')
        return image, labels

    @property
    def _images(self) -> Path:
        folder = self.folder / 'JPEGImages'
        return folder if folder.is_dir() else self.folder

    @property
    def _labels(self) -> Path:
        return self.folder if self._images == self.folder else self.folder / 'Annotations'

    @cached_property
    def _digest(self) -> str:
        lines = [
            f'{name} {label} {target.digest()}'
            for number, name in enumerate(self.names)
            for label, target in self.targets(number).items()
        ]
        return hashlib.sha256('\n'.join(lines).encode()).hexdigest()
