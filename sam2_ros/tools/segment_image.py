"""Segments everything in an image: `python -m sam2_ros.tools.segment_image IMAGE` writes masks.json and overlay.png."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from sam2_ros.drawing.masks import draw_masks
from sam2_ros.files.overwriting import check_inputs_stay
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.files.writing import write_whole
from sam2_ros.images import AutomaticMaskGenerator
from sam2_ros.interruption import command_status
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.tools.network_arguments import add_model_arguments, load_requested_network
from sam2_ros.video.source import read_image

# The least predicted IoU and stability by default. The small network is less sure of what it finds.
PUBLISHED, BUNDLED = (0.8, 0.95), (0.5, 0.75)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.tools.segment_image',
        description='Segment everything in an image; writes masks.json (records as of the official mask generator, '
        'masks as COCO run lengths) and overlay.png.',
    )
    parser.add_argument('image', type=Path, help='JPEG, PNG, WebP or another image file')
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help='folder for the results (default: <name of the image>_masks, here)'
    )
    group = parser.add_argument_group('what is kept')
    group.add_argument('--points-per-side', type=int, default=32, metavar='N', help='grid (default: %(default)s)')
    group.add_argument(
        '--pred-iou-thresh',
        type=float,
        metavar='IOU',
        help=f'leave out masks of a lower predicted IoU (default: {PUBLISHED[0]}; bundled network: {BUNDLED[0]})',
    )
    group.add_argument(
        '--stability-score-thresh',
        type=float,
        metavar='SCORE',
        help=f'leave out less stable masks (default: {PUBLISHED[1]}; bundled network: {BUNDLED[1]})',
    )
    group.add_argument(
        '--box-nms-thresh',
        type=float,
        default=0.7,
        metavar='IOU',
        help='of masks whose boxes overlap more one stays (default: %(default)s)',
    )
    group.add_argument(
        '--crop-n-layers', type=int, default=0, metavar='N', help='look closer at 4 crops (1), then 16 (2), for parts'
    )
    group.add_argument(
        '--min-mask-region-area',
        type=int,
        default=0,
        metavar='PIXELS',
        help='fill holes and remove specks up to this size, in pixels of the logits',
    )
    group.add_argument('--use-m2m', action='store_true', help='decode each mask a second time, with itself as a prompt')
    parser.add_argument(
        '--points-per-batch', type=int, default=64, metavar='N', help='decoded at once (default: %(default)s)'
    )
    add_model_arguments(parser, memory=False)
    return parser


def segment_image(image: Path, generator: AutomaticMaskGenerator, *, out: Path) -> int:
    """Write the masks of an image and a picture of them.

    Args:
        image: the file.
        generator: makes records with the output mode 'coco_rle'.
        out: folder of masks.json and overlay.png.

    Returns:
        Number of masks.

    Raises:
        ValueError: if the image would be overwritten.
        OSError: if the image cannot be read, or a file cannot be written.
    """
    table, picture = out / 'masks.json', out / 'overlay.png'
    check_inputs_stay([image], files=[table, picture])
    rgb = read_image(image)
    records = generator.generate(rgb)
    for record in records:
        if math.isnan(record['stability_score']):  # JSON has no such number
            record['stability_score'] = 0.0
    described = {'file_name': image.name, 'height': rgb.shape[0], 'width': rgb.shape[1]}
    write_whole(table, json.dumps({'image': described, 'annotations': records}, allow_nan=False).encode())
    drawn = draw_masks(rgb, [RunLengths.from_coco(record['segmentation']).mask() for record in records])
    write_whole(picture, cv2.imencode('.png', drawn[..., ::-1])[1].tobytes())
    return len(records)


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(args)
    return command_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    out = options.out or Path(f'{options.image.stem}_masks')
    bundled = options.model == DEFAULT_MODEL and options.checkpoint is None
    least_iou, least_stability = BUNDLED if bundled else PUBLISHED
    generator = AutomaticMaskGenerator(
        load_requested_network(options),
        points_per_side=options.points_per_side,
        points_per_batch=options.points_per_batch,
        pred_iou_thresh=least_iou if options.pred_iou_thresh is None else options.pred_iou_thresh,
        stability_score_thresh=(
            least_stability if options.stability_score_thresh is None else options.stability_score_thresh
        ),
        box_nms_thresh=options.box_nms_thresh,
        crop_n_layers=options.crop_n_layers,
        min_mask_region_area=options.min_mask_region_area,
        use_m2m=options.use_m2m,
        output_mode='coco_rle',
    )
    count = segment_image(options.image, generator, out=out)
    print(f'{count} masks are in {out / "masks.json"}; look at {out / "overlay.png"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
