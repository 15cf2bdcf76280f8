"""The clips of the synthetic benchmark; by default with shapes, textures and photographs that training never shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from sam2_ros.evaluation.datasets.dataset import (
    AS_USUAL,
    ClipChoice,
    DatasetError,
    TrackedObject,
    VideoSequence,
    scored_frames,
)
from sam2_ros.synthetic.scene import PRESETS, SceneSettings, make_clip

IMAGE_SIZE = (480, 640)  # height, width in pixels: usual for a camera driver
SUBSET = 'subset'  # attribute of a clip
CREDITS = """The pictures show pieces of photographs, which are listed as `PHOTOS` in sam2_ros/synthetic/textures.py.
They are public domain, CC0 or without known restrictions, except two under CC BY 2.0: flower.jpg by vultilion and
china.jpg by danielbuechele (Flickr)."""

_SEEDS_PER_CLIP = 100
_LEAST_AREA = 100  # pixels of the target in the first frame, at IMAGE_SIZE
_LEAST_SHARE = 0.3  # of its usual visible area, in the first frame; also: of the later frames must show the target
_TARGET = '1'


@dataclass(frozen=True, eq=False)
class TargetClip:
    """A video and one object to track in it.

    Attributes:
        images: (T, H, W, 3) uint8 RGB.
        truth: (T, H, W) bool, the visible part of the target.
        seed: of the generator.
    """

    images: np.ndarray
    truth: np.ndarray
    seed: int


@dataclass(frozen=True)
class Subset:
    """One kind of difficulty.

    Attributes:
        scene: settings of the generator.
        clips: default number of clips.
        first_seed: clip k has the first suitable of the 100 seeds from `first_seed + 100 k`.
        split: 'heldout'; or 'train', the material of training, to measure the difference.
    """

    scene: SceneSettings
    clips: int
    first_seed: int
    split: str = 'heldout'


def _subset(preset: str, *, frames: int, clips: int, first_seed: int) -> Subset:
    height, width = IMAGE_SIZE
    return Subset(replace(PRESETS[preset], height=height, width=width, frames=frames), clips, first_seed)


# The memory policies differ on look-alikes; more clips make that difference measurable.
SUBSETS: dict[str, Subset] = {
    'plain': _subset('plain', frames=60, clips=10, first_seed=1_000_000),
    'lookalikes': _subset('lookalikes', frames=120, clips=20, first_seed=2_000_000),
    'occlusion': _subset('occlusion', frames=120, clips=10, first_seed=3_000_000),
    're_entry': _subset('re_entry', frames=200, clips=6, first_seed=4_000_000),
    'small': _subset('small', frames=60, clips=10, first_seed=5_000_000),
}


@dataclass(frozen=True)
class SyntheticClips:
    """All subsets as a data set, whose videos are named `<subset>/<number>`.

    A clip does not depend on how many there are. But one of another length is another film.

    Attributes:
        split: 'heldout' or 'train'.
        choice: clips of each subset, and their length.
        subsets: by name.
    """

    split: str
    choice: ClipChoice = AS_USUAL
    subsets: Mapping[str, Subset] = field(default_factory=lambda: SUBSETS)

    @property
    def names(self) -> Sequence[str]:
        return tuple(
            f'{name}/{number:03}'
            for name, subset in self.subsets.items()
            for number in range(self.choice.clips or subset.clips)
        )

    def sequence(self, name: str) -> VideoSequence:
        """Make one. Raises the errors of `benchmark_clip`."""
        kind, _, number = name.partition('/')
        subset = self.subsets[kind]
        scene = replace(subset.scene, frames=self.choice.frames or subset.scene.frames)
        clip = benchmark_clip(replace(subset, scene=scene, split=self.split), int(number))
        frames = range(len(clip.images))
        return VideoSequence(
            name,
            tuple(Path(name, f'{frame:05}') for frame in frames),
            (TrackedObject(_TARGET, 0, scored_frames(frames, 0)),),
            read_masks=lambda frame: {_TARGET: clip.truth[frame]},
            read_frame=lambda frame: clip.images[frame],
            attributes={SUBSET: kind},
        )


@lru_cache(maxsize=1)  # memories take turns on a clip
def benchmark_clip(subset: Subset, number: int) -> TargetClip:
    """Clip `number` of a subset: the same bytes for the same generator.

    A seed is skipped in three cases: the target is tiny in the first frame, which is prompted; it shows less than 30 %
    of its usual area there; or it is hidden in most later frames.

    Raises:
        DatasetError: if no seed is suitable.
    """
    first = subset.first_seed + _SEEDS_PER_CLIP * number
    for seed in range(first, first + _SEEDS_PER_CLIP):
        clip = make_clip(seed, subset.scene, split=subset.split)
        truth = np.ascontiguousarray(clip.masks[:, 0])
        if _is_suitable(truth):
            return TargetClip(clip.images, truth, seed)
    raise DatasetError(f'none of {_SEEDS_PER_CLIP} seeds from {first} gives a target that can be seen well enough')


def _is_suitable(truth: np.ndarray) -> bool:
    area = np.count_nonzero(truth, axis=(1, 2))
    if not area.any() or np.mean(area[1:] > 0) < _LEAST_SHARE:
        return False
    least = _LEAST_AREA * truth[0].size / (IMAGE_SIZE[0] * IMAGE_SIZE[1])
    return bool(area[0] >= max(least, _LEAST_SHARE * np.median(area[area > 0])))
