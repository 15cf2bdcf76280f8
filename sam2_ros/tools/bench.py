"""Measure the tracker: `python -m sam2_ros.tools.bench --objects 1,3,10`; prints a Markdown table."""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import platform
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from sam2_ros.evaluation.machine import processor_name
from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.pages.markdown import markdown_row, markdown_table
from sam2_ros.evaluation.protocols.simulated_prompts import mask_box
from sam2_ros.interruption import end_with_parent
from sam2_ros.model import VARIANTS, Sam2Network, build_sam2
from sam2_ros.model.build import bundled_weights
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.model.device import AUTO, DTYPES, choose_device, choose_dtype
from sam2_ros.model.normalization import normalize
from sam2_ros.synthetic.ladybirds import LadybirdScene
from sam2_ros.tracking import POLICY_NAMES, Prompt, VideoTracker
from sam2_ros.tracking.preprocessing import shrink

MEBIBYTE = 2**20
ALWAYS_VISIBLE = 10.0  # object score logit given to random weights, so that the memory fills up as in real use
WARMUP, FRAMES = 32, 100
SOAK_WARMUP, SOAK_FRAMES = 100, 2900  # a long run, in which ...
EARLY, LATE = slice(0, 500), slice(-500, None)  # ... these measured frames are compared

NOTES = """
Time per frame is from the camera image in host memory to the masks of all objects, at the size of the camera image, in
host memory; opening and decoding videos is in no figure. The frames before the measuring begins fill the memory bank.
"""
OFFICIAL_NOTES = """
The official video predictor ran in the same process on the same frames, prompts and weights, in turn with ours, frame
by frame. Its time covers the same work: scaling the image (by our code), all objects, masks as numpy arrays. In
bfloat16 and float16 it runs under autocast, as its examples do. "official / ours" divides the medians.
"""


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


@dataclass(frozen=True)
class Measurement:
    """What one case gave. Memory in bytes."""

    seconds: np.ndarray  # (sides, frames): ours, then official if it ran
    mask_iou: float  # of our and the official masks, the mean over objects and frames; NaN without official
    visible: float  # share of objects and frames in which the object was seen
    memory_early: int  # after the warm-up
    memory_at_end: int
    memory_peak: int


@dataclass
class Feed:
    """A camera that holds its newest frame. The official predictor takes it for the list of its network inputs."""

    scene: LadybirdScene
    model: Sam2Network
    length: int
    index: int = -1
    rgb: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))

    def show(self, index: int) -> None:
        self.index, self.rgb = index, self.scene.frame(index)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> torch.Tensor:
        if index != self.index:
            raise IndexError(f'frame {index} was asked for while the camera shows {self.index}')
        return normalize(shrink(self.rgb, self.model.image_size, 'bicubic').to(self.model.device, torch.float32) / 255)


def prompts_for(count: int, scene: LadybirdScene) -> list[Prompt]:
    """`count` boxes on the first frame: the ladybirds that can be seen, then patches of the ground."""
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
    """The network of a case. Random weights are made to see every object always."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the notes say which weights are random
        model = build_sam2(
            case.model, case.checkpoint, device=case.device, dtype=DTYPES[case.dtype], image_size=case.image_size
        )
    if has_random_weights(case.model, case.checkpoint):
        last = model.sam_mask_decoder.pred_obj_score_head.layers[-1]
        assert isinstance(last, torch.nn.Linear)
        last.bias.fill_(ALWAYS_VISIBLE)
    return model


def our_masks(case: Case, feed: Feed) -> Iterator[list[np.ndarray]]:
    """Tracks what the feed shows, from its frame 0, and yields the mask of every object: (H, W) bool."""
    tracker = VideoTracker(feed.model, memory=case.memory)
    prompts = prompts_for(case.objects, feed.scene)
    while True:
        result = tracker.step(feed.rgb, prompts if feed.index == 0 else ())
        yield [tracked.mask for tracked in result.values()]


def official_masks(case: Case, feed: Feed) -> Iterator[list[np.ndarray]]:
    """The same by the official video predictor with the same weights."""
    from sam2_ros.evaluation.official import load_official, official_video_predictor, official_video_state

    model = feed.model
    predictor = official_video_predictor(
        model.config, image_size=model.image_size, binarize_mask_from_pts_for_mem_enc=True
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


def measure(case: Case) -> Measurement:
    """Run one case in this process."""
    torch.set_num_threads(case.threads)
    total = case.warmup + case.frames
    feed = Feed(LadybirdScene(*case.camera), build_model(case), total)
    sides = [our_masks(case, feed)] + ([official_masks(case, feed)] if case.official else [])
    seconds = np.zeros((len(sides), total))
    visible, overlaps = [], []
    memory_early = 0
    for index in range(total):
        feed.show(index)
        masks: dict[int, list[np.ndarray]] = {}
        for side in sorted(range(len(sides)), reverse=bool(index % 2)):  # neither side always goes first
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
    )


def _mean_iou(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Mean over the objects; two empty masks agree."""
    pairs = zip(ours, theirs, strict=True)
    return float(np.mean([region_similarity(*pair) for pair in pairs]))


def measure_alone(case: Case) -> Measurement:
    """Run one case in a fresh process, so that its memory is its own."""
    os.environ['TQDM_DISABLE'] = '1'  # for that process: the official predictor shows a bar of its own
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn'), end_with_parent) as pool:
        return pool.submit(measure, case).result()


def current_memory(device: str) -> int:
    """Bytes in use: of main memory by this process, or of the GPU by its tensors."""
    return torch.cuda.memory_allocated(device) if device.startswith('cuda') else _status_bytes('VmRSS')


def peak_memory(device: str) -> int:
    """The most that was in use so far, in bytes."""
    return torch.cuda.max_memory_allocated(device) if device.startswith('cuda') else _status_bytes('VmHWM')


def _status_bytes(name: str) -> int:
    """A line of /proc/self/status; the peak of getrusage would include what the parent process used."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f'{name}:'))


@dataclass(frozen=True)
class TableKind:
    """A kind of table: its headings and how a row is made."""

    headings: tuple[str, ...]
    row: Callable[[Case, Measurement], list[str]]

    def head(self) -> str:
        return markdown_table(self.headings, [])


def _what(case: Case) -> list[str]:
    return [case.model, str(case.image_size), case.dtype, case.memory, str(case.objects)]


def _speed(seconds: np.ndarray) -> list[str]:
    percentiles = 1000 * np.percentile(seconds, (50, 90, 99))
    return [f'{1 / seconds.mean():.3g}', *(f'{value:.1f}' for value in percentiles)]


def _plain_row(case: Case, measured: Measurement) -> list[str]:
    return [*_what(case), *_speed(measured.seconds[0]), f'{measured.memory_peak / MEBIBYTE:.0f}']


def _official_row(case: Case, measured: Measurement) -> list[str]:
    ours, official = measured.seconds
    iou = f'{measured.mask_iou:.4f}' if case.memory == 'sam2' else '-'  # the other policies are meant to differ
    return [*_what(case), *_speed(ours), *_speed(official)[:2], f'{np.median(official) / np.median(ours):.2f}', iou]


def _soak_row(case: Case, measured: Measurement) -> list[str]:
    early, late = (1000 * np.median(measured.seconds[0, part]) for part in (EARLY, LATE))
    return [
        *_what(case),
        str(case.warmup + case.frames),
        f'{early:.2f}',
        f'{late:.2f}',
        f'{late / early:.3f}',
        f'{measured.memory_early / MEBIBYTE:.0f}',
        f'{measured.memory_at_end / MEBIBYTE:.0f}',
    ]


_WHAT = ('model', 'size', 'dtype', 'memory', 'objects')
_SPEED = ('fps', 'p50 ms', 'p90 ms', 'p99 ms')
PLAIN = TableKind((*_WHAT, *_SPEED, 'peak MiB'), _plain_row)
OFFICIAL = TableKind((*_WHAT, *_SPEED, 'official fps', 'official p50 ms', 'official / ours', 'mask IoU'), _official_row)
SOAK = TableKind((*_WHAT, 'frames', 'early p50 ms', 'late p50 ms', 'late / early', 'early MiB', 'end MiB'), _soak_row)


def machine(device: str, threads: int) -> str:
    """Where and when this ran, in words."""
    return (
        f'{processor_name(device)}, {os.cpu_count()} CPU cores, {threads} threads; torch {torch.__version__}, '
        f'Python {platform.python_version()}; {date.today().isoformat()}'
    )


def _list(kind: Callable[[str], object], choices: Sequence[str] = ()) -> Callable[[str], list]:
    def parse(text: str) -> list:
        for item in text.split(','):
            if choices and item not in choices:
                raise argparse.ArgumentTypeError(f'{item!r} is not one of {", ".join(choices)}')
        return [kind(item) for item in text.split(',')]

    parse.__name__ = f'list of {kind.__name__}'  # what argparse calls it in its messages
    return parse


def _camera(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.split('x'))
    return height, width


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.tools.bench',
        description='Measure the tracker on the ladybird scene; every combination of the lists is one row.',
    )
    parser.add_argument(
        '--models',
        type=_list(str, tuple(VARIANTS)),
        default=[DEFAULT_MODEL],
        metavar='LIST',
        help='variants; without bundled weights and --checkpoint they get random ones',
    )
    parser.add_argument('--checkpoint', type=Path, help='weights, if there is one model')
    parser.add_argument('--objects', type=_list(int), default=[1, 3, 10], metavar='LIST')
    parser.add_argument('--image-sizes', type=_list(int), metavar='LIST', help='default: as trained')
    parser.add_argument('--memory', type=_list(str, POLICY_NAMES), default=['dam'], metavar='LIST')
    parser.add_argument('--dtypes', type=_list(str, tuple(DTYPES)), metavar='LIST')
    parser.add_argument('--device', default=AUTO, help='default: the first GPU, or the CPU')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), help='of the CPU (%(default)s)')
    parser.add_argument('--camera', type=_camera, default=(720, 1280), metavar='WxH', help='default: 1280x720')
    parser.add_argument('--warmup', type=int, help=f'frames before the measuring begins ({WARMUP}; soak {SOAK_WARMUP})')
    parser.add_argument('--frames', type=int, help=f'frames measured ({FRAMES}; soak {SOAK_FRAMES})')
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument('--official', action='store_true', help='compare with the official video predictor')
    kinds.add_argument('--soak', action='store_true', help='many frames: do time and memory stay flat?')
    return parser


def cases(options: argparse.Namespace) -> list[Case]:
    """Every combination of the lists. Raises ValueError for what cannot be measured here."""
    device = choose_device(options.device)
    if options.checkpoint is not None and len(options.models) > 1:
        raise ValueError('--checkpoint fits one model; leave it out, or give one of --models')
    usual = (SOAK_WARMUP, SOAK_FRAMES) if options.soak else (WARMUP, FRAMES)
    given = (options.warmup, options.frames)
    warmup, frames = (default if number is None else number for number, default in zip(given, usual, strict=True))
    if warmup < 1 or frames < 1:
        raise ValueError('--warmup and --frames must be at least 1')
    if options.official and find_spec('sam2') is None:
        raise ValueError('--official needs the official code: pip install sam2')
    prompts_for(max(options.objects), LadybirdScene(*options.camera))
    dtypes = options.dtypes or [str(choose_dtype(AUTO, device)).removeprefix('torch.')]
    return [
        Case(
            model=model,
            checkpoint=options.checkpoint,
            image_size=size,
            dtype=dtype,
            device=str(device),
            memory=memory,
            objects=objects,
            camera=options.camera,
            warmup=warmup,
            frames=frames,
            threads=options.threads,
            official=options.official,
        )
        for model in options.models
        for size in options.image_sizes or [VARIANTS[model].image_size]
        for dtype, memory, objects in itertools.product(dtypes, options.memory, options.objects)
    ]


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    args = sys.argv[1:] if args is None else args
    options = _parser().parse_args(args)
    report = SOAK if options.soak else OFFICIAL if options.official else PLAIN
    hidden: list[str] = []
    try:
        todo = cases(options)
        print(f'{machine(str(choose_device(options.device)), options.threads)}\n')
        print(f'    python -m sam2_ros.tools.bench {shlex.join(args)}\n\n{report.head()}', flush=True)
        for number, case in enumerate(tqdm(todo, unit='row'), start=1):
            measured = measure_alone(case)
            print(markdown_row(report.row(case, measured)), flush=True)  # at once: the rows may take hours
            if measured.visible < 1:
                hidden.append(f'row {number}: objects were visible in {measured.visible:.0%} of their frames')
    except (ValueError, OSError, BrokenExecutor) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    random = [name for name in options.models if has_random_weights(name, options.checkpoint)]
    print(NOTES)
    for note in [
        *([OFFICIAL_NOTES.strip()] if options.official else []),
        *hidden,
        *([f'Random weights, made to see every object: {", ".join(random)}.'] if random else []),
    ]:
        print(f'{note}\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
