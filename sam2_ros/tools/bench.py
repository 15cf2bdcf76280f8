"""Measures the tracker: `python -m sam2_ros.tools.bench --objects 1,3,10` prints a Markdown table."""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sam2_ros.evaluation.machine import processor_name
from sam2_ros.evaluation.official import missing_code
from sam2_ros.evaluation.pages.markdown import markdown_row, markdown_table
from sam2_ros.model import VARIANTS
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.model.device import AUTO, DTYPES, choose_device, choose_dtype
from sam2_ros.synthetic.ladybirds import LadybirdScene
from sam2_ros.tools.camera_measurement import CamerasMeasurement, Served, measure_cameras
from sam2_ros.tools.gpu_parts import PARTS
from sam2_ros.tools.gpu_suite import SECONDS, chosen_parts, run_suite
from sam2_ros.tools.measurement import Case, Measurement, has_random_weights, measure, measure_alone, prompts_for
from sam2_ros.tracking import POLICY_NAMES

MEBIBYTE = 2**20
WARMUP, FRAMES = 32, 100
SOAK_WARMUP, SOAK_FRAMES = 100, 2900  # a long run, in which ...
EARLY, LATE = slice(0, 500), slice(-500, None)  # ... these measured frames are compared

NOTES = """
Time per frame: from the camera image in host memory to the masks of all objects in host memory, at the size of the
camera image. It does not include opening and decoding of videos. Frames before the measurement fill the memory bank.
"MiB / object" is what the tracker remembers of each object at the end, beside images and masks.
"""
CAMERAS_NOTES = """
All cameras show the same scene, each at this rate, to a tracker of its own. They share the network and its thread. Time
per image: from its arrival to the masks. A newer image takes the place of one that waits. One camera alone and all of
them took turns, five times each. "all / alone" divides the rates, "most / least" those of the cameras. "encoder batch"
is how many times faster the encoder would take one image of each camera as a batch than one after the other.
"""
OFFICIAL_NOTES = """
The official video predictor ran in the same process, on the same frames, prompts and weights. It took turns with ours
frame by frame. Its time includes the same work, all objects and masks as numpy arrays, but not the scaling of the
image, which it gets as its own reader makes it; ours includes that. In bfloat16 and float16 it runs under autocast, as
its examples do. "official / ours" divides the medians.
"""


@dataclass(frozen=True)
class TableKind:
    """A kind of table: its headings and how a row is made."""

    headings: tuple[str, ...]
    row: Callable[[Case, Any], list[str]]
    measure: Callable[[Case], Measurement | CamerasMeasurement] = measure

    def head(self) -> str:
        return markdown_table(self.headings, [])


def _what(case: Case) -> list[str]:
    return [case.model, str(case.image_size), case.dtype, case.memory, str(case.objects)]


def _speed(seconds: np.ndarray) -> list[str]:
    percentiles = 1000 * np.percentile(seconds, (50, 90, 99))
    return [f'{1 / seconds.mean():.3g}', *(f'{value:.1f}' for value in percentiles)]


def _per_object(case: Case, measured: Measurement) -> str:
    return '-' if case.offline else f'{measured.memory_per_object / MEBIBYTE:.2f}'


def _plain_row(case: Case, measured: Measurement) -> list[str]:
    peak = f'{measured.memory_peak / MEBIBYTE:.0f}'
    return [*_what(case), *_speed(measured.seconds[0]), peak, _per_object(case, measured)]


def _official_row(case: Case, measured: Measurement) -> list[str]:
    ours, official = measured.seconds
    iou = f'{measured.mask_iou:.4f}' if case.memory == 'sam2' else '-'  # the other policies are meant to differ
    factor = f'{np.median(official) / np.median(ours):.2f}'
    return [*_what(case), *_speed(ours), *_speed(official)[:2], factor, iou, _per_object(case, measured)]


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


def _cameras_row(case: Case, measured: CamerasMeasurement) -> list[str]:
    def percentiles(served: Served) -> np.ndarray:
        return 1000 * np.percentile(served.latencies, (50, 90))

    p50, p90 = np.transpose([percentiles(served) for served in measured.together])
    rates = np.array([served.rate for served in measured.together])
    return [
        *_what(case),
        str(case.cameras),
        f'{case.rate:g}',
        f'{measured.alone.rate:.3g}',
        *(f'{value:.1f}' for value in percentiles(measured.alone)),
        *(
            ', '.join(f'{value:{form}}' for value in values)
            for values, form in ((rates, '.3g'), (p50, '.1f'), (p90, '.1f'))
        ),
        f'{rates.sum() / measured.alone.rate:.2f}',
        f'{rates.max() / rates.min():.2f}',
        f'{measured.batch_gain:.2f}',
    ]


_WHAT = ('model', 'size', 'dtype', 'memory', 'objects')
_SPEED = ('fps', 'p50 ms', 'p90 ms', 'p99 ms')
_PER_OBJECT = 'MiB / object'
PLAIN = TableKind((*_WHAT, *_SPEED, 'peak MiB', _PER_OBJECT), _plain_row)
_OFFICIAL = ('official fps', 'official p50 ms', 'official / ours', 'mask IoU')
OFFICIAL = TableKind((*_WHAT, *_SPEED, *_OFFICIAL, _PER_OBJECT), _official_row)
SOAK = TableKind((*_WHAT, 'frames', 'early p50 ms', 'late p50 ms', 'late / early', 'early MiB', 'end MiB'), _soak_row)

_ALONE = ('alone fps', 'alone p50 ms', 'alone p90 ms')
_EACH = ('each fps', 'each p50 ms', 'each p90 ms', 'all / alone', 'most / least', 'encoder batch')
CAMERAS = TableKind((*_WHAT, 'cameras', 'Hz', *_ALONE, *_EACH), _cameras_row, measure_cameras)


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


def _network(text: str) -> tuple[str, int | None]:
    """A variant, and the side of its input, if that is given."""
    name, at, size = text.partition('@')
    if name not in VARIANTS or (at and not size.isdigit()):
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME or NAME@PIXELS; the names: {", ".join(VARIANTS)}')
    return name, int(size) if at else None


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
        type=_list(_network),
        default=[(DEFAULT_MODEL, None)],
        metavar='LIST',
        help='variants, also as NAME@PIXELS; without bundled weights and --checkpoint their weights are random',
    )
    parser.add_argument('--checkpoint', type=Path, help='weights, if there is one model')
    parser.add_argument('--objects', type=_list(int), default=[1, 3, 10], metavar='LIST')
    parser.add_argument('--image-sizes', type=_list(int), metavar='LIST', help='of all --models (default: as trained)')
    parser.add_argument('--memory', type=_list(str, POLICY_NAMES), metavar='LIST', help='default: dam')
    parser.add_argument('--dtypes', type=_list(str, tuple(DTYPES)), metavar='LIST')
    parser.add_argument('--device', default=AUTO, help='default: the first GPU, or the CPU')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), help='of the CPU (%(default)s)')
    parser.add_argument('--camera', type=_camera, default=(720, 1280), metavar='WxH', help='default: 1280x720')
    parser.add_argument('--warmup', type=int, help=f'frames before the measurement ({WARMUP}; soak {SOAK_WARMUP})')
    parser.add_argument('--frames', type=int, help=f'frames measured ({FRAMES}; soak {SOAK_FRAMES})')
    parser.add_argument('--rate', type=float, default=30.0, metavar='HZ', help='of each of --cameras (%(default)s)')
    parser.add_argument(
        '--offline', action='store_true', help='measure a session on a whole video, with the memory of SAM 2'
    )
    parser.add_argument(
        '--parts', type=chosen_parts, default=list(PARTS), metavar='LIST', help=f'of --gpu-suite: {", ".join(PARTS)}'
    )
    parser.add_argument('--seconds', type=float, default=SECONDS, help='for the whole --gpu-suite (%(default)s)')
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument('--official', action='store_true', help='compare with the official video predictor')
    kinds.add_argument('--cameras', type=int, metavar='N', help='so many cameras on one network, beside one alone')
    kinds.add_argument(
        '--gpu-suite', type=Path, metavar='OUT', help='check and measure all that only a GPU can tell; OUT gets a page'
    )
    kinds.add_argument('--soak', action='store_true', help='many frames, to see whether time and memory grow')
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
    if (options.cameras is not None and options.cameras < 1) or not options.rate > 0:
        raise ValueError('--cameras must be at least 1, and --rate more than 0')
    memories = options.memory or ['sam2' if options.offline else 'dam']
    if options.offline and (options.cameras or memories != ['sam2']):
        raise ValueError('--offline has the memory sam2 and no --cameras')
    for model, _ in options.models if options.official else ():
        if missing := missing_code(VARIANTS[model]):
            raise ValueError(f'--official: {missing}')
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
            cameras=options.cameras or 1,
            rate=options.rate,
            offline=options.offline,
        )
        for model, given_size in options.models
        for size in ([given_size] if given_size is not None else options.image_sizes or [VARIANTS[model].image_size])
        for dtype, memory, objects in itertools.product(dtypes, memories, options.objects)
    ]


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    args = sys.argv[1:] if args is None else args
    options = _parser().parse_args(args)
    if options.gpu_suite is not None:
        print(f'page: {run_suite(options.gpu_suite, options.parts, seconds=options.seconds)}')
        return 0
    from tqdm import tqdm  # the suite above runs where it is missing

    report = SOAK if options.soak else OFFICIAL if options.official else CAMERAS if options.cameras else PLAIN
    hidden: list[str] = []
    try:
        todo = cases(options)
        print(f'{machine(str(choose_device(options.device)), options.threads)}\n')
        print(f'    python -m sam2_ros.tools.bench {shlex.join(args)}\n\n{report.head()}', flush=True)
        for number, case in enumerate(tqdm(todo, unit='row'), start=1):
            measured = measure_alone(case, report.measure)
            print(markdown_row(report.row(case, measured)), flush=True)  # at once: the rows may take hours
            if measured.visible < 1:
                hidden.append(f'row {number}: objects were visible in {measured.visible:.0%} of their frames')
    except (ValueError, OSError, RuntimeError, BrokenExecutor) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    names = dict.fromkeys(name for name, _ in options.models)
    random = [name for name in names if has_random_weights(name, options.checkpoint)]
    print(CAMERAS_NOTES if report is CAMERAS else NOTES)
    for note in [
        *([OFFICIAL_NOTES.strip()] if options.official else []),
        *hidden,
        *([f'Random weights, made to see every object: {", ".join(random)}.'] if random else []),
    ]:
        print(f'{note}\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
