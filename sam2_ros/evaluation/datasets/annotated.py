"""Filmed clips with a label image beside every frame, read from a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.evaluation.datasets.clips import TargetClip
from sam2_ros.evaluation.datasets.dataset import DatasetError
from sam2_ros.evaluation.datasets.label_folders import LabelFolders

HALVES = ('first', 'second', 'all')
LAYOUTS = 'NAME/00000.jpg with NAME/00000.png, or JPEGImages/NAME/00000.jpg with Annotations/NAME/00000.png'

_LEAST_FRAMES = 2  # that must show an object: one to prompt it in, one to find it in


@dataclass(frozen=True)
class ClipFolder:
    """The clips in a folder: a JPEG for every frame, and a label image (PNG) of the same name.

    Pixels of label 0 are of no object, nor are those of label 255, which were not decided, unless a clip has no other
    label. Every other label is an object, and a target if at least two frames show it.
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
        try:
            return self._data.names
        except DatasetError:  # there are none
            return ()

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
            ValueError: if a label image is missing, cannot be read, or is not as large as its image; if the images
                differ in size; or if no object shows in two frames.
        """
        sequence = self._data.sequence(self.names[number])
        frames = range(len(sequence.frames))
        images = [sequence.image(frame) for frame in frames]
        if len({image.shape for image in images}) > 1:
            raise ValueError(f'the images of {sequence.frames[0].parent} differ in size')
        masks = [sequence.masks(frame) for frame in frames]
        stacked = np.stack(images)
        truth = {int(one.object_id): np.stack([own[one.object_id] for own in masks]) for one in sequence.objects}
        targets = {
            label: TargetClip(stacked, mask)
            for label, mask in truth.items()
            if np.count_nonzero(mask.any(axis=(1, 2))) >= _LEAST_FRAMES
        }
        if not targets:
            raise ValueError(f'{sequence.name} has no object that shows in {_LEAST_FRAMES} frames or more')
        return targets

    @property
    def _data(self) -> LabelFolders:
        return LabelFolders(self.folder, 'folder', 'all')

    @cached_property
    def _digest(self) -> str:
        lines = [
            f'{name} {label} {target.digest()}'
            for number, name in enumerate(self.names)
            for label, target in self.targets(number).items()
        ]
        return hashlib.sha256('\n'.join(lines).encode()).hexdigest()
