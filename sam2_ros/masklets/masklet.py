"""A masklet is one object's masks over the frames of a video; an annotated video has any number of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise

import numpy as np

from sam2_ros.files.run_lengths import RunLengths

KINDS = ('manual', 'auto')


@dataclass(frozen=True)
class Masklet:
    """One object.

    Attributes:
        number: tells it from others of its kind in the video; 0 and up.
        masks: by index of the frame in the video. A frame that does not show the object is not among them.
        name: for people, such as the id of a tracked object; may be empty.
        class_name: may be empty.
        kind: 'manual', made or checked by a person, or 'auto'.
        edited_frames: how many of its frames a person has edited.
        stability: scores from 0 to 1 by index of the frame; empty if there are none.

    Raises:
        ValueError: for an empty mask, a negative number, or an unknown kind.
    """

    number: int
    masks: Mapping[int, RunLengths]
    name: str = ''
    class_name: str = ''
    kind: str = 'manual'
    edited_frames: int = 0
    stability: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError(f'the number of a masklet must be 0 or more, got {self.number}')
        if self.kind not in KINDS:
            raise ValueError(f'the kind of a masklet must be {" or ".join(KINDS)}, got {self.kind!r}')
        for frame, mask in self.masks.items():
            if not mask.area:
                raise ValueError(f'masklet {self.number} has an empty mask in frame {frame}; leave such frames out')

    def visibility_changes(self, frames: tuple[int, ...]) -> int:
        """How often it disappears or comes back, among these frames from its first mask on."""
        seen = [frame in self.masks for frame in frames]
        return sum(before != after for before, after in pairwise(seen[seen.index(True) :])) if any(seen) else 0


@dataclass(frozen=True)
class AnnotatedVideo:
    """The masklets of one video.

    Attributes:
        name: of the video; it becomes the name of files.
        size: (height, width) in pixels.
        frame_rate: frames per second of the video.
        frame_count: of the video, the frames without annotation included.
        frames: indices of the annotated frames in ascending order, from 0.
        masklets: at most one for each kind and number.

    Raises:
        ValueError: if these contradict each other. The message says how.
    """

    name: str
    size: tuple[int, int]
    frame_rate: float
    frame_count: int
    frames: tuple[int, ...]
    masklets: tuple[Masklet, ...]

    def __post_init__(self) -> None:
        if not self.name or self.name.startswith('.') or '/' in self.name or '\\' in self.name:
            raise ValueError(f'{self.name!r} cannot be the name of a video, because it becomes that of a file')
        if not self.frame_rate > 0:
            raise ValueError(f'the frame rate of {self.name} must be above 0, got {self.frame_rate}')
        in_order = all(before < after for before, after in pairwise(self.frames))
        if not in_order or (self.frames and not 0 <= self.frames[0] <= self.frames[-1] < self.frame_count):
            raise ValueError(
                f'the annotated frames of {self.name} must ascend from 0 or more to less than {self.frame_count}'
            )
        known, frames = set(), set(self.frames)
        for masklet in self.masklets:
            if (masklet.kind, masklet.number) in known:
                raise ValueError(f'{self.name} has two {masklet.kind} masklets of number {masklet.number}')
            known.add((masklet.kind, masklet.number))
            if not frames.issuperset(masklet.masks):
                raise ValueError(f'masklet {masklet.number} of {self.name} has masks in frames that are not annotated')
            if any(mask.size != self.size for mask in masklet.masks.values()):
                raise ValueError(f'masklet {masklet.number} of {self.name} has masks of another size than the video')

    def every(self, stride: int) -> AnnotatedVideo:
        """The same video, annotated in every `stride`-th frame only, from frame 0 on."""
        frames = tuple(frame for frame in self.frames if frame % stride == 0)
        kept = set(frames)
        masklets = tuple(
            replace(
                masklet,
                masks={frame: mask for frame, mask in masklet.masks.items() if frame in kept},
                stability={frame: score for frame, score in masklet.stability.items() if frame in kept},
            )
            for masklet in self.masklets
        )
        return replace(self, frames=frames, masklets=masklets)

    def overlap(self) -> tuple[int, Masklet, Masklet] | None:
        """A frame and two masklets that share pixels there; None if there are none."""
        for frame in self.frames:
            shown = [(masklet, masklet.masks[frame].mask()) for masklet in self.masklets if frame in masklet.masks]
            if sum(mask.sum() for _, mask in shown) == np.any([mask for _, mask in shown], axis=0).sum():
                continue
            for (first, one), (second, other) in combinations(shown, 2):
                if (one & other).any():
                    return frame, first, second
        return None

    def without_overlaps(self) -> AnnotatedVideo:
        """The same video, in which every shared pixel belongs to the masklet that is smallest in that frame."""
        remaining: list[dict[int, RunLengths]] = [{} for _ in self.masklets]
        for frame in self.frames:
            taken = np.zeros(self.size, bool)
            shown = [index for index, masklet in enumerate(self.masklets) if frame in masklet.masks]
            for index in sorted(shown, key=lambda index: self.masklets[index].masks[frame].area):
                mask = self.masklets[index].masks[frame].mask()
                left = mask & ~taken
                taken |= mask
                if left.any():
                    remaining[index][frame] = RunLengths.of(left)
        masklets = tuple(
            replace(masklet, masks=masks, stability={f: s for f, s in masklet.stability.items() if f in masks})
            for masklet, masks in zip(self.masklets, remaining, strict=True)
        )
        return replace(self, masklets=masklets)

    def numbered(self, first: int = 1) -> AnnotatedVideo:
        """The same video with its masklets numbered in their order, whatever their kind."""
        return replace(
            self,
            masklets=tuple(replace(masklet, number=number) for number, masklet in enumerate(self.masklets, first)),
        )
