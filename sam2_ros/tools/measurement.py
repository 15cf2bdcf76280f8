"""Measures one case of the benchmark: time per frame, memory, and agreement with the official video predictor."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.protocols.simulated_prompts import mask_box
from sam2_ros.interruption import end_with_parent
from sam2_ros.model import Sam2Network, build_sam2
from sam2_ros.model.build import bundled_weights
from sam2_ros.model.device import DTYPES
from sam2_ros.model.normalization import normalize
from sam2_ros.session import VideoSession
from sam2_ros.synthetic.ladybirds import LadybirdScene
from sam2_ros.tracking import Prompt, VideoTracker
from sam2_ros.tracking.preprocessing import shrink

Result = TypeVar('Result')

ALWAYS_VISIBLE = 10.0  # object score logit of random weights, so that the memory fills up as in real use


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the table."""

    model: str
    checkpoint: Path | None
    image_size: int
    dtype: str
    device: str
    memory: str
    objects: int
    camera: tuple[int, int]  # (height, width) in pixels
    warmup: int  # frames before the measuring begins, at least 1
    frames: int
    threads: int
    official: bool
    optimized: bool = False  # the official predictor is compiled
    cameras: int = 1  # that share the network
    rate: float = 30.0  # of each camera in Hz, if there are several
    offline: bool = False  # a `VideoSession` instead of the tracker


@dataclass(frozen=True)
class Measurement:
    """Results of one case. Memory is in bytes.

    Attributes:
        seconds: (sides, frames) time per frame: ours, then official if it ran.
        mask_iou: mean IoU of our and the official masks over objects and frames; NaN without official.
        visible: share of objects and frames in which the object was visible.
        memory_early: memory after the warm-up.
        memory_at_end: memory after the last frame.
        memory_peak: most memory that was in use.
        memory_per_object: what our tracker remembers of an object at the end, on the average; 0 for a session.
        graphs_trouble: see `GraphRunner.trouble`.
    """

    seconds: np.ndarray
    mask_iou: float
    visible: float
    memory_early: int
    memory_at_end: int
    memory_peak: int
    memory_per_object: float
    graphs_trouble: str = ''


@dataclass
class Feed:
    """A camera that holds only its newest frame. For the official predictor it is the list of its network inputs.

    These are made when a frame is shown, as its own reader does, outside the time that is measured.
    """

    scene: LadybirdScene
    model: Sam2Network
    length: int
    official: bool = False
    index: int = -1
    rgb: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))
    _input: torch.Tensor = field(init=False)

    @property
    def images(self) -> FeedImages:
        """What the camera shows as the frames of a video, of which only the newest can be read."""
        return FeedImages(self)

    def show(self, index: int) -> None:
        self.index, self.rgb = index, self.scene.frame(index)
        if self.official:
            pixels = shrink(self.rgb, self.model.image_size, 'bicubic').to(self.model.device, torch.float32)
            self._input = normalize(pixels / 255)

    def __len__(self) -> int:
        return self.length

    def check_shown(self, index: int) -> None:
        """Raise IndexError unless the camera shows this frame."""
        if index != self.index:
            raise IndexError(f'frame {index} was asked for while the camera shows {self.index}')

    def __getitem__(self, index: int) -> torch.Tensor:
        self.check_shown(index)
        return self._input


class FeedImages(Sequence[np.ndarray]):
    """See `Feed.images`."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __len__(self) -> int:
        return self._feed.length

    def __getitem__(self, index: Any) -> Any:
        self._feed.check_shown(index)
        return self._feed.rgb


def prompts_for(count: int, scene: LadybirdScene) -> list[Prompt]:
    """Boxes on the first frame: the visible ladybirds, then patches of the ground.

    Raises:
        ValueError: if the scene has no room for `count` objects.
    """
    boxes = [mask_box(mask) for mask in scene.masks(0).values() if mask.any()]
    side = scene.height // 8
    corners = itertools.product(range(side, scene.height - side, 2 * side), range(side, scene.width - side, 2 * side))
    boxes += [(x, y, x + side, y + side) for y, x in corners]
    if not 1 <= count <= len(boxes):
        raise ValueError(f'the scene has room for 1 to {len(boxes)} objects, not {count}')
    return [Prompt(f'object_{number}', box=box) for number, box in enumerate(boxes[:count], start=1)]


def has_random_weights(model: str, checkpoint: Path | None) -> bool:
    return checkpoint is None and bundled_weights(model) is None


def build_model(case: Case) -> Sam2Network:
    """The network of a case. Random weights are changed so that they always see every object."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the notes below the table say which weights are random
        model = build_sam2(
            case.model, case.checkpoint, device=case.device, dtype=DTYPES[case.dtype], image_size=case.image_size
        )
    if has_random_weights(case.model, case.checkpoint):
        last = model.sam_mask_decoder.pred_obj_score_head.layers[-1]
        assert isinstance(last, torch.nn.Linear)
        last.bias.fill_(ALWAYS_VISIBLE)
    return model


def our_masks(case: Case, feed: Feed, tracker: VideoTracker) -> Iterator[list[np.ndarray]]:
    """Track what the feed shows, from its frame 0. Yields the mask of every object: (H, W) bool."""
    prompts = prompts_for(case.objects, feed.scene)
    while True:
        result = tracker.step(feed.rgb, prompts if feed.index == 0 else ())
        yield [tracked.mask for tracked in result.values()]


def session_masks(case: Case, feed: Feed) -> Iterator[list[np.ndarray]]:
    """The same with a session on a whole video."""
    session = VideoSession(feed.model, feed.images)
    for prompt in prompts_for(case.objects, feed.scene):
        session.prompt(0, prompt)
    for result in session.propagate():
        yield [tracked.mask for tracked in result.values()]


def official_masks(case: Case, feed: Feed) -> Iterator[list[np.ndarray]]:
    """The same with the official video predictor and the same weights."""
    from sam2_ros.evaluation.official import load_official, official_video_predictor, official_video_state

    model = feed.model
    predictor = official_video_predictor(
        model.config,
        image_size=model.image_size,
        optimized=case.optimized,
        binarize_mask_from_pts_for_mem_enc=True,
    )
    load_official(predictor, model.state_dict())
    predictor = predictor.to(model.device)
    with _autocast(case):
        state = official_video_state(predictor, feed, video_size=feed.rgb.shape[:2])
        for prompt in prompts_for(case.objects, feed.scene):
            predictor.add_new_points_or_box(state, 0, prompt.object_id, box=prompt.box)
    frames = predictor.propagate_in_video(state)
    while True:
        with _autocast(case):
            _, _, logits = next(frames)
            masks = (logits[:, 0] > 0).cpu().numpy()
        yield list(masks)


def _autocast(case: Case) -> AbstractContextManager[object]:
    if case.dtype == 'float32':
        return nullcontext()
    return torch.autocast(torch.device(case.device).type, DTYPES[case.dtype])


def measure(case: Case, model: Sam2Network | None = None) -> Measurement:
    """Run one case in this process. `model`: its network, if it was built before."""
    torch.set_num_threads(case.threads)
    total = case.warmup + case.frames
    feed = Feed(LadybirdScene(*case.camera), model or build_model(case), total, official=case.official)
    tracker = VideoTracker(feed.model, memory=case.memory)
    sides = [session_masks(case, feed) if case.offline else our_masks(case, feed, tracker)]
    if case.official:
        sides.append(official_masks(case, feed))
    seconds = np.zeros((len(sides), total))
    visible, overlaps = [], []
    memory_early = 0
    for index in range(total):
        feed.show(index)
        masks: dict[int, list[np.ndarray]] = {}
        for side in sorted(range(len(sides)), reverse=bool(index % 2)):  # no side always goes first
            start = time.perf_counter()
            masks[side] = next(sides[side])  # ends with masks in host memory: nothing is left running
            seconds[side, index] = time.perf_counter() - start
        visible.append(np.mean([mask.any() for mask in masks[0]]))
        if case.official:
            overlaps.append(_mean_iou(masks[0], masks[1]))
        if index == case.warmup:
            memory_early = current_memory(case.device)
    return Measurement(
        seconds[:, case.warmup :],
        float(np.mean(overlaps)) if overlaps else float('nan'),
        float(np.mean(visible)),
        memory_early,
        current_memory(case.device),
        peak_memory(case.device),
        tracker.memory_nbytes / case.objects,
        tracker.graphs.trouble if tracker.graphs is not None else '',
    )


def _mean_iou(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Mean over the objects; two empty masks have IoU 1."""
    pairs = zip(ours, theirs, strict=True)
    return float(np.mean([region_similarity(*pair) for pair in pairs]))


def measure_alone(case: Case, how: Callable[[Case], Result]) -> Result:
    """Run one case in a fresh process, so that its memory use is its own."""
    os.environ['TQDM_DISABLE'] = '1'  # for that process, because the official predictor shows a progress bar
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn'), end_with_parent) as pool:
        return pool.submit(how, case).result()


def current_memory(device: str) -> int:
    """Bytes in use: of main memory by this process, or of the GPU by its tensors."""
    return torch.cuda.memory_allocated(device) if device.startswith('cuda') else _status_bytes('VmRSS')


def peak_memory(device: str) -> int:
    """The most that was in use so far, in bytes."""
    return torch.cuda.max_memory_allocated(device) if device.startswith('cuda') else _status_bytes('VmHWM')


def _status_bytes(name: str) -> int:
    """A line of /proc/self/status in bytes. getrusage would also count the parent's peak."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f'{name}:'))
