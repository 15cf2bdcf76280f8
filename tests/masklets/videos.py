"""Annotated videos for tests: drawn ones with known numbers, and random ones within what a format holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.masklets import AnnotatedVideo, Masklet

SIZE = (6, 8)


def square(row: int, column: int, side: int = 2, *, size: tuple[int, int] = SIZE) -> RunLengths:
    mask = np.zeros(size, bool)
    mask[row : row + side, column : column + side] = True
    return RunLengths.of(mask)


def masklet(number: int, frames: Mapping[int, RunLengths], **more: Any) -> Masklet:
    return Masklet(number, dict(frames), **more)


def video(*masklets: Masklet, frames: tuple[int, ...] = (0, 4, 8), **more: Any) -> AnnotatedVideo:
    fields: dict[str, Any] = {'name': 'clip', 'size': SIZE, 'frame_rate': 24.0, 'frame_count': frames[-1] + 1}
    return AnnotatedVideo(**fields | more, frames=frames, masklets=masklets)


@st.composite
def label_videos(
    draw: st.DrawFn, *, name: str = 'clip', stride: int = 1, numbers: tuple[int, ...] = (1, 2, 254)
) -> AnnotatedVideo:
    """Videos whose masks share no pixels."""
    count = draw(st.integers(1, 4))
    labels = draw(arrays(np.int64, (count, *SIZE), elements=st.integers(0, len(numbers))))
    frames = tuple(range(0, count * stride, stride))
    masklets = []
    for index, number in enumerate(numbers, start=1):
        masks = {
            frame: RunLengths.of(labels[row] == index)
            for row, frame in enumerate(frames)
            if (labels[row] == index).any()
        }
        if masks:
            masklets.append(Masklet(number, masks))
    return AnnotatedVideo(name, SIZE, 24.0, frames[-1] + 1, frames, tuple(masklets))


@st.composite
def free_videos(draw: st.DrawFn, *, name: str = 'clip', stride: int = 4, described: bool = True) -> AnnotatedVideo:
    """Videos whose masks may overlap; `described`: masklets with names, classes and scores."""
    count = draw(st.integers(1, 4))
    frames = tuple(range(0, count * stride, stride))
    masklets = []
    for number in draw(st.lists(st.integers(0, 999), unique=True, max_size=3).map(sorted)):
        pixels = draw(arrays(bool, (count, *SIZE)))
        masks = {frame: RunLengths.of(pixels[row]) for row, frame in enumerate(frames) if pixels[row].any()}
        words = {name: draw(st.sampled_from(['', 'cup', 'größer'])) for name in ('name', 'class_name')}
        masklets.append(Masklet(number, masks, **words if described else {}))
    rate = draw(st.sampled_from([24.0, 29.97, 30.0])) if described else 24.0
    spare = draw(st.integers(0, stride - 1)) if described else 0
    return AnnotatedVideo(name, SIZE, rate, frames[-1] + 1 + spare, frames, tuple(masklets))
