"""Frames per second of a session and masks per second of the mask generator, each beside the official code.

    python -m benchmarks.whole_videos

From the repository root, with the packages of the tests (the official code is `sam2` from PyPI), where nothing else
runs. Both sides have the same weights and images and take turns: frame by frame when a video is propagated, image by
image when everything is segmented. In bfloat16 the official code runs under autocast, as its examples do.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sam2_ros.evaluation.official import load_official, official_base
from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.images import AutomaticMaskGenerator
from sam2_ros.model import VARIANTS, build_sam2
from sam2_ros.model.build import bundled_weights
from sam2_ros.model.checkpoints import load_state_dict
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.model.device import AUTO, DTYPES, choose_device, choose_dtype
from sam2_ros.synthetic.scene import PRESETS, make_clip
from sam2_ros.tools.bench import machine
from sam2_ros.tools.grid_arguments import BUNDLED, PUBLISHED
from sam2_ros.tools.measurement import Case, measure, measure_alone
from tests.official import official_mask_generator

IMAGE_SEED = 7_000_000
NOTES = """
Propagation: forwards from prompts on the first frame, from the image in memory to the masks of all objects as arrays.
Segment everything: from the image in memory to the records with masks as arrays; "masks" is how many an image has,
after all are left out that are not good or twice there; agreement is the mean over our masks of the IoU with the
nearest official one. Seconds are medians; "official / ours" divides them.
"""
PROPAGATION = ('model', 'size', 'dtype', 'objects', 'fps', 'official fps', 'official / ours', 'mask IoU')
EVERYTHING = (
    'model', 'size', 'dtype', 'points per side', 'images', 'masks', 'masks per second', 'official masks per second',
    'official / ours', 'agreement',
)  # fmt: skip


@dataclass(frozen=True)
class Everything:
    """What segmenting everything took, and gave: seconds per image of both sides, masks per image, agreement."""

    ours: np.ndarray
    official: np.ndarray
    masks: np.ndarray
    official_masks: np.ndarray
    agreement: float


def propagation_row(options: argparse.Namespace, objects: int) -> list[str]:
    """Measure propagation with so many objects."""
    case = Case(
        model=options.model,
        checkpoint=options.checkpoint,
        image_size=options.image_size,
        dtype=options.dtype,
        device=options.device,
        memory='sam2',
        objects=objects,
        camera=(720, 1280),
        warmup=options.warmup,
        frames=options.frames,
        threads=options.threads,
        official=True,
        offline=True,
    )
    measured = measure_alone(case, measure)
    ours, official = np.median(measured.seconds, axis=1)
    speeds = [f'{1 / ours:.3g}', f'{1 / official:.3g}', f'{official / ours:.2f}', f'{measured.mask_iou:.4f}']
    return [options.model, str(options.image_size), options.dtype, str(objects), *speeds]


def measure_everything(options: argparse.Namespace, weights: Path) -> Everything:
    """Segment everything in a few images, in turns."""
    dtype, device = DTYPES[options.dtype], torch.device(options.device)
    model = build_sam2(options.model, weights, device=device, dtype=dtype, image_size=options.image_size)
    network = official_base(VARIANTS[options.model], image_size=options.image_size).requires_grad_(False)
    load_official(network, {name: tensor.float() for name, tensor in load_state_dict(weights).items()})
    thresholds = BUNDLED if weights == bundled_weights(DEFAULT_MODEL) else PUBLISHED
    grid: dict[str, Any] = {
        'points_per_side': options.points_per_side,
        'pred_iou_thresh': thresholds[0],
        'stability_score_thresh': thresholds[1],
    }
    ours = AutomaticMaskGenerator(model, **grid)
    official = official_mask_generator(network.to(device), **grid)
    autocast = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
    seeds = range(IMAGE_SEED, IMAGE_SEED + options.images + 1)
    images = [make_clip(seed, PRESETS['plain'], split='heldout').images[0] for seed in seeds]
    rows = []
    for image in images:
        mine, my_time = _timed(ours.generate, image, device)
        with autocast, torch.inference_mode():
            theirs, their_time = _timed(official.generate, image, device)
        rows.append((my_time, their_time, len(mine), len(theirs), _agreement(mine, theirs)))
    columns = np.array(rows[1:]).T  # the first image warms both up
    return Everything(columns[0], columns[1], columns[2], columns[3], float(np.nanmean(columns[4])))


def _timed(generate: Callable[[np.ndarray], Any], image: np.ndarray, device: torch.device) -> tuple[Any, float]:
    start = time.perf_counter()
    result = generate(image)
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - start


def _agreement(mine: Sequence[Any], theirs: Sequence[Any]) -> float:
    """Mean over our masks of the highest IoU with an official one; NaN without masks."""
    if not mine or not theirs:
        return float('nan')
    a, b = (np.stack([one['segmentation'].ravel() for one in records]).astype(np.float32) for records in (mine, theirs))
    shared = a @ b.T
    return float((shared / (a.sum(1)[:, None] + b.sum(1) - shared)).max(1).mean())


def everything_row(options: argparse.Namespace, weights: Path) -> list[str]:
    """Measure the mask generator."""
    measured = measure_everything(options, weights)
    return [
        options.model,
        str(options.image_size),
        options.dtype,
        str(options.points_per_side),
        str(options.images),
        f'{measured.masks.mean():.1f}',
        f'{measured.masks.sum() / measured.ours.sum():.3g}',
        f'{measured.official_masks.sum() / measured.official.sum():.3g}',
        f'{np.median(measured.official) / np.median(measured.ours):.2f}',
        f'{measured.agreement:.4f}',
    ]


def main(args: Sequence[str] | None = None) -> None:
    """Command line; prints the two tables."""
    args = sys.argv[1:] if args is None else args
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', choices=VARIANTS, default=DEFAULT_MODEL)
    parser.add_argument('--checkpoint', type=Path, help='weights (default: the bundled ones)')
    parser.add_argument('--image-size', type=int, help='side of the network input in pixels (default: as trained)')
    parser.add_argument('--dtype', choices=(AUTO, *DTYPES), default=AUTO)
    parser.add_argument('--device', default=AUTO)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), help='of the CPU (%(default)s)')
    parser.add_argument('--objects', type=int, nargs='+', default=[1, 3, 10])
    parser.add_argument('--warmup', type=int, default=17, help='frames before the measurement (%(default)s)')
    parser.add_argument('--frames', type=int, default=40, help='frames measured (%(default)s)')
    parser.add_argument('--images', type=int, default=8, help='images in which everything is segmented (%(default)s)')
    parser.add_argument('--points-per-side', type=int, default=32)
    options = parser.parse_args(args)
    weights = options.checkpoint or bundled_weights(options.model)
    if weights is None:
        parser.error(f'{options.model} has no bundled weights; give a file with --checkpoint')
    device = choose_device(options.device)
    options.device, options.dtype = str(device), str(choose_dtype(options.dtype, device)).removeprefix('torch.')
    options.image_size = options.image_size or VARIANTS[options.model].image_size
    torch.set_num_threads(options.threads)
    command = f'python -m benchmarks.whole_videos {shlex.join(args)}'.rstrip()
    print(f'{machine(options.device, options.threads)}\n\n    {command}\n')
    print(markdown_table(PROPAGATION, [propagation_row(options, objects) for objects in options.objects]), flush=True)
    print(f'\n{markdown_table(EVERYTHING, [everything_row(options, weights)])}\n{NOTES}')


if __name__ == '__main__':
    main()
