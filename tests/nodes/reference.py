"""What the library makes of the same images and prompts: the node has to give the same, however good the weights."""

from __future__ import annotations

import functools
import operator
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sam2_ros.msg import TrackedObject

from sam2_ros.model import Sam2Network, build_sam2
from sam2_ros.nodes.edge.messages import mask_from_object
from sam2_ros.tracking import FrameResult, Prompt, TrackerOptions, VideoTracker
from tests.common import MICRO
from tests.nodes import tracker_scene as scene
from tests.remembering import remembering

SIZE = 128  # pixels of the network's input in these tests
EQUAL = 0.9  # overlap of masks that differ by rounding at most: a pixel or two, of masks that may be small


@functools.cache
def _network(weights: Path) -> Sam2Network:
    network = build_sam2(MICRO, weights, image_size=SIZE)
    network.encode_image = remembering(network.encode_image)
    return network


def library_tracker(weights: Path, **options: object) -> VideoTracker:
    """A tracker with the settings of the node's defaults."""
    return VideoTracker(_network(weights), 'dam', options=TrackerOptions(lost_after_seconds=5.0, **options))


@dataclass
class _Life:
    """An object that the library tracks: the images it was tracked in, and what came out in each."""

    library: VideoTracker
    images: list[int] = field(default_factory=list)
    results: list[FrameResult] = field(default_factory=list)


_LIVES: dict[tuple[object, ...], list[_Life]] = defaultdict(list)


def expected(
    weights: Path, prompt: Prompt, images: Sequence[int], *, picture: Callable[[int], np.ndarray] = scene.picture
) -> FrameResult:
    """The object in the last of `images`, when it was prompted in the first of them.

    Tests ask for more and more images, or the same ones again: the library goes on from those it has seen.
    """
    said = (prompt.points, prompt.labels, prompt.box, prompt.mask)
    key = (weights, picture, prompt.object_id, *(None if part is None else part.tobytes() for part in said))
    lives = _LIVES[key]
    known = [life for life in lives if all(map(operator.eq, life.images, images))]  # as far as both go
    if not known:
        known = [_Life(library_tracker(weights))]
        lives.extend(known)
    life = known[0]
    for index in images[len(life.images) :]:
        life.results.append(life.library.step(picture(index), [] if life.images else [prompt]))
        life.images.append(index)
    return life.results[len(images) - 1]


def same(mask: np.ndarray, other: np.ndarray) -> bool:
    return mask.shape == other.shape and (scene.overlap(mask, other) > EQUAL or not (mask.any() or other.any()))


def mask_of(tracked: TrackedObject, *, height: int = scene.HEIGHT, width: int = scene.WIDTH) -> np.ndarray:
    return mask_from_object(tracked, image_height=height, image_width=width)


def box_prompt(name: str, index: int) -> Prompt:
    """The disc of this name, prompted by its box in image `index`."""
    return Prompt(name, box=scene.box(name, index))


def is_as_expected(
    tracked: TrackedObject,
    weights: Path,
    images: Sequence[int],
    *,
    prompt: Prompt | None = None,
    picture: Callable[[int], np.ndarray] = scene.picture,
) -> bool:
    """Whether the object in the last of `images` is what the library makes of it, prompted in the first of them (by
    the box of the disc of its name unless a prompt is given).
    """
    prompt = prompt or box_prompt(tracked.object_id, images[0])
    result = expected(weights, prompt, images, picture=picture)[prompt.object_id]
    height, width = result.mask.shape
    return same(mask_of(tracked, height=height, width=width), result.mask)
