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
from sam2_ros.tools.grid_arguments import add_grid_arguments, given_grid, usual_grid
from sam2_ros.tools.network_arguments import add_model_arguments, load_requested_network
from sam2_ros.video.source import read_image


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
    add_grid_arguments(parser)
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
    generator = AutomaticMaskGenerator(
        load_requested_network(options),
        points_per_batch=options.points_per_batch,
        output_mode='coco_rle',
        **usual_grid(options) | given_grid(options),
    )
    count = segment_image(options.image, generator, out=out)
    print(f'{count} masks are in {out / "masks.json"}; look at {out / "overlay.png"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
