"""The clips of the synthetic benchmark; by default with shapes, textures and photographs that training never shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sam2_ros.evaluation.datasets.clips import TargetClip
from sam2_ros.synthetic.scene import PRESETS, SceneSettings, make_clip

IMAGE_SIZE = (480, 640)  # height, width in pixels: usual for a camera driver

_SEEDS_PER_CLIP = 100
_LEAST_AREA = 100  # pixels of the target in the first frame, at IMAGE_SIZE
_LEAST_SHARE = 0.3  # of its usual visible area, in the first frame; also: of the later frames must show the target


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

    @property
    def numbers(self) -> Sequence[int]:
        return range(self.clips)

    @property
    def variant(self) -> str:
        return f'{self.split}_{self.scene.frames}'

    @property
    def description(self) -> str:
        return f'of the split {self.split}'

    def config(self) -> Mapping[str, Any]:
        return {
            'scene': json.loads(json.dumps(asdict(self.scene))),  # as it is read back: JSON has no tuples
            'split': self.split,
            'first_seed': self.first_seed,
            'first_clip_digest': benchmark_clip(self, 0).digest(),
        }

    def targets(self, number: int) -> dict[int, TargetClip]:
        """The one target of clip `number`, under the label 0."""
        return {0: benchmark_clip(self, number)}


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


def benchmark_clip(subset: Subset, number: int) -> TargetClip:
    """Clip `number` of a subset: the same bytes for the same generator.

    A seed is skipped in three cases: the target is tiny in the first frame, which is prompted; it shows less than 30 %
    of its usual area there; or it is hidden in most later frames.

    Raises:
        ValueError: if no seed is suitable.
    """
    first = subset.first_seed + _SEEDS_PER_CLIP * number
    for seed in range(first, first + _SEEDS_PER_CLIP):
        clip = make_clip(seed, subset.scene, split=subset.split)
        truth = np.ascontiguousarray(clip.masks[:, 0])
        if _is_suitable(truth):
            return TargetClip(clip.images, truth, seed)
    raise ValueError(f'none of {_SEEDS_PER_CLIP} seeds from {first} gives a target that can be seen well enough')


def _is_suitable(truth: np.ndarray) -> bool:
    area = np.count_nonzero(truth, axis=(1, 2))
    if not area.any() or np.mean(area[1:] > 0) < _LEAST_SHARE:
        return False
    least = _LEAST_AREA * truth[0].size / (IMAGE_SIZE[0] * IMAGE_SIZE[1])
    return bool(area[0] >= max(least, _LEAST_SHARE * np.median(area[area > 0])))
