"""Batches of clips, made in background processes. Batch number i of a stage is always the same."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sam2_ros.model.config import SIZE_MULTIPLE
from sam2_ros.model.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, PADDING, POSITIVE
from sam2_ros.synthetic.cutout_scene import make_cutout_clip
from sam2_ros.synthetic.cutouts import Material
from sam2_ros.synthetic.scene import PRESETS, Clip, make_clip
from sam2_ros.training.prompts import first_click, noisy_box

MASK_PROMPT, BOX_PROMPT, POINT_PROMPT = 0, 1, 2
_STILLS_PER_SCENE, _STILLS_GAP = 2, 16
_UNEVEN_GAPS = (1, 1, 1, 2, 3, 5, 8)  # in frames of the scene; all equally likely
_MOST_SCENES = 100  # most scenes that are made for each clip, when objects are too small
_LEAST_AREA = 16  # least pixels of an object on frame 0, at 128 x 128


@dataclass(frozen=True)
class ClipBatch:
    """B clips of T frames with N objects in all. A mask prompt has the points of its box, in case it is decoded as a
    box.

    Attributes:
        images: (B, T, S, S, 3) uint8 RGB.
        clip: (N,) index of each object's clip.
        masks: (N, T, S, S) bool.
        kind: (N,) kind of prompt on frame 0: MASK_PROMPT, BOX_PROMPT or POINT_PROMPT.
        points: (N, 2, 2) points of that prompt in pixels: the corners of a box, or a click and a padding point.
        labels: (N, 2) labels of `points`.
    """

    images: Tensor
    clip: Tensor
    masks: Tensor
    kind: Tensor
    points: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> ClipBatch:
        """The batch on a device."""
        return ClipBatch(*(getattr(self, name).to(device, non_blocking=True) for name in self.__dataclass_fields__))

    def pin_memory(self) -> ClipBatch:
        """The batch in page-locked host memory. From there `to` can copy to a GPU while the GPU works."""
        return ClipBatch(*(getattr(self, name).pin_memory() for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class BatchSettings:
    """How batches are drawn.

    Attributes:
        size: side of the pictures in pixels, a multiple of 32.
        clips: number of clips in a batch.
        frames: number of frames in a clip.
        objects: most objects of a clip.
        max_stride: largest gap between shown frames, in frames of the scene; each clip draws its gap from 1 to this.
        uneven: probability of a clip with different gaps, of 1 to 8 frames of the scene. So its few frames span as much
            time as a memory does.
        presets: names in `PRESETS`, all equally likely.
        prompt_shares: probabilities of a mask, a box and a point on frame 0.
        photos: share of textures and backgrounds that come from photographs, in clips of drawn objects.
        cutouts: share of clips of real cut-outs. The others show drawn objects.

    Raises:
        ValueError: for what cannot be drawn.
    """

    size: int = 128
    clips: int = 4
    frames: int = 5
    objects: int = 4
    max_stride: int = 2
    uneven: float = 0.0
    presets: tuple[str, ...] = ('mixed',)
    prompt_shares: tuple[float, float, float] = (0.3, 0.4, 0.3)
    photos: float = 0.5
    cutouts: float = 0.0

    def __post_init__(self) -> None:
        unknown = set(self.presets) - set(PRESETS)
        if unknown or not self.presets:
            raise ValueError(f'unknown scene presets {sorted(unknown)}; available: {", ".join(PRESETS)}')
        if self.size < SIZE_MULTIPLE or self.size % SIZE_MULTIPLE:
            raise ValueError(f'size must be a multiple of {SIZE_MULTIPLE} pixels, got {self.size}')
        if min(self.clips, self.frames, self.objects, self.max_stride) < 1:
            raise ValueError(
                'clips, frames, objects and max_stride must be 1 or more, got '
                f'{self.clips}, {self.frames}, {self.objects}, {self.max_stride}'
            )
        shares = self.prompt_shares
        if len(shares) != 3 or not all(share >= 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f'prompt_shares are three probabilities (mask, box, point) that add up to 1, got {shares}')
        if not all(0 <= share <= 1 for share in (self.photos, self.uneven, self.cutouts)):
            raise ValueError(
                f'photos, uneven and cutouts must be shares in 0..1, got {self.photos}, {self.uneven}, {self.cutouts}'
            )


class ClipBatches(Dataset[ClipBatch]):
    """Item i is a batch that depends only on (seed, i), so an interrupted run goes on with the same data.

    Args:
        settings: how batches are drawn.
        seed: of everything that is drawn.
        split: 'train' or 'heldout', see `make_clip` and `make_cutout_clip`.
        material: of clips of cut-outs; needed if there are some.

    Raises:
        ValueError: for clips of cut-outs without material.
    """

    def __init__(
        self, settings: BatchSettings, *, seed: int, split: str = 'train', material: Material | None = None
    ) -> None:
        if settings.cutouts and material is None:
            raise ValueError('these settings take cut-outs, and no material was given')
        self.settings, self.seed, self.split, self.material = settings, seed, split, material

    def __getitem__(self, index: int) -> ClipBatch:
        settings = self.settings
        rng = np.random.default_rng((self.seed, index))
        clips: list[Clip] = []
        picks: list[np.ndarray] = []
        for _ in range(_MOST_SCENES * settings.clips):
            if len(clips) == settings.clips:
                break
            for clip in self._make(rng)[: settings.clips - len(clips)]:
                chosen = self._pick(clip, rng)
                if len(chosen):
                    clips.append(clip)
                    picks.append(chosen)
        if len(clips) < settings.clips:
            raise ValueError(f'objects of {", ".join(settings.presets)} are too small at {settings.size} pixels')
        chosen_masks = [clip.masks[:, chosen] for clip, chosen in zip(clips, picks, strict=True)]
        masks = np.concatenate([masks.swapaxes(0, 1) for masks in chosen_masks])
        kind = rng.choice(3, size=len(masks), p=np.array(settings.prompt_shares) / sum(settings.prompt_shares))
        prompts = [prompt_points(mask[0], int(k), rng) for mask, k in zip(masks, kind, strict=True)]
        return ClipBatch(
            images=torch.from_numpy(np.stack([clip.images for clip in clips])),
            clip=torch.from_numpy(np.repeat(np.arange(len(clips)), [len(chosen) for chosen in picks])),
            masks=torch.from_numpy(masks),
            kind=torch.from_numpy(kind),
            points=torch.from_numpy(np.stack([points for points, _ in prompts])),
            labels=torch.from_numpy(np.stack([labels for _, labels in prompts])),
        )

    def _make(self, rng: np.random.Generator) -> list[Clip]:
        """One clip. For clips of one frame: several frames of one scene, far apart, which is cheaper than a scene for
        each.
        """
        settings = self.settings
        preset = PRESETS[settings.presets[int(rng.integers(len(settings.presets)))]]
        stills = settings.frames == 1
        scene = replace(
            preset,
            height=settings.size,
            width=settings.size,
            photos=settings.photos,
            frames=_STILLS_PER_SCENE if stills else settings.frames,
            gaps=(_STILLS_GAP,) if stills else self._gaps(rng),
        )
        seed = int(rng.integers(1 << 62))
        if self.material is not None and settings.cutouts and rng.random() < settings.cutouts:
            clip = make_cutout_clip(seed, scene, self.material, split=self.split)
        else:
            clip = make_clip(seed, scene, split=self.split)
        if not stills:
            return [clip]
        return [
            Clip(clip.images[frame, None], clip.masks[frame, None], clip.visible[frame, None], clip.roles)
            for frame in range(scene.frames)
        ]

    def _gaps(self, rng: np.random.Generator) -> tuple[int, ...]:
        settings = self.settings
        if settings.uneven and rng.random() < settings.uneven:
            return tuple(int(gap) for gap in rng.choice(_UNEVEN_GAPS, settings.frames))
        return (int(rng.integers(1, settings.max_stride + 1)),)

    def _pick(self, clip: Clip, rng: np.random.Generator) -> np.ndarray:
        """Indices of objects that are large enough on frame 0: the target first, then others at random."""
        area = clip.masks[0].sum(axis=(1, 2))
        large = np.flatnonzero(area >= _LEAST_AREA * (self.settings.size / 128) ** 2)
        order = rng.permutation(large)
        order = np.concatenate([order[order == 0], order[order != 0]])
        return order[: self.settings.objects]


def prompt_points(mask: np.ndarray, kind: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The points of a prompt.

    Args:
        mask: (H, W) bool.
        kind: MASK_PROMPT, BOX_PROMPT or POINT_PROMPT.
        rng: random numbers.

    Returns:
        Points (2, 2) in pixels and labels (2,): the corners of a noisy box, or a click and a padding point.
    """
    if kind == POINT_PROMPT:
        return np.concatenate([first_click(mask, rng), np.zeros((1, 2), np.float32)]), np.array([POSITIVE, PADDING])
    return noisy_box(mask, rng), np.array([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT])


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def batch_loader(
    dataset: ClipBatches, *, start: int, step: int = 1, workers: int, pin: bool = False
) -> DataLoader[ClipBatch]:
    """Batches `start`, `start + step`, ... in order, without end.

    Workers are spawned. A forked worker would inherit OpenCV's thread pool without its threads, and wait for them for
    ever.

    Args:
        dataset: makes the batches.
        start, step: which batches.
        workers: number of processes that make batches ahead of time; 0: batches are made when they are asked for.
        pin: put batches into page-locked memory, for a GPU.
    """
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=range(start, sys.maxsize, step),
        num_workers=workers,
        pin_memory=pin,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
        multiprocessing_context='spawn' if workers else None,
    )
