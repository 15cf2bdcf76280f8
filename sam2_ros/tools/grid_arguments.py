"""Arguments of command lines that segment everything in an image: the grid of points, and which masks stay."""

from __future__ import annotations

import argparse
from typing import Any

from sam2_ros.model.config import DEFAULT_MODEL

# The least predicted IoU and stability by default. The small network is less sure of what it finds.
PUBLISHED, BUNDLED = (0.8, 0.95), (0.5, 0.75)
DEFAULTS: dict[str, Any] = {
    'points_per_side': 32,
    'box_nms_thresh': 0.7,
    'crop_n_layers': 0,
    'min_mask_region_area': 0,
    'use_m2m': False,
}
THRESHOLDS = ('pred_iou_thresh', 'stability_score_thresh')


def add_grid_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them. What is not given is None in the namespace."""
    group = parser.add_argument_group('what is found in an image')
    for name, kind, metavar, text in (
        ('points_per_side', int, 'N', f'grid (default: {DEFAULTS["points_per_side"]})'),
        (
            'pred_iou_thresh',
            float,
            'IOU',
            f'leave out masks of a lower predicted IoU (default: {PUBLISHED[0]}; bundled network: {BUNDLED[0]})',
        ),
        (
            'stability_score_thresh',
            float,
            'SCORE',
            f'leave out less stable masks (default: {PUBLISHED[1]}; bundled network: {BUNDLED[1]})',
        ),
        (
            'box_nms_thresh',
            float,
            'IOU',
            f'of masks whose boxes overlap more one stays (default: {DEFAULTS["box_nms_thresh"]})',
        ),
        ('crop_n_layers', int, 'N', 'look closer at 4 crops (1), then 16 (2), for parts'),
        (
            'min_mask_region_area',
            int,
            'PIXELS',
            'fill holes and remove specks up to this size, in pixels of the logits',
        ),
    ):
        group.add_argument(f'--{name.replace("_", "-")}', type=kind, metavar=metavar, help=text)
    group.add_argument(
        '--use-m2m',
        action='store_const',
        const=True,
        help='decode each mask a second time, with itself as a prompt',
    )
    group.add_argument(
        '--points-per-batch', type=int, default=64, metavar='N', help='decoded at once (default: %(default)s)'
    )


def given_grid(options: argparse.Namespace) -> dict[str, Any]:
    """Those that were given, as parameters of `AutomaticMaskGenerator`; without those that only change the speed."""
    names = (*THRESHOLDS, *DEFAULTS)
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def usual_grid(options: argparse.Namespace) -> dict[str, Any]:
    """What they are for the requested network if they are not given."""
    bundled = options.model == DEFAULT_MODEL and options.checkpoint is None
    return {**dict(zip(THRESHOLDS, BUNDLED if bundled else PUBLISHED, strict=True)), **DEFAULTS}
