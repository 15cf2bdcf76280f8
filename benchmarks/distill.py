"""How well the distillation tells synthetic videos with look-alikes from those without.

    python -m benchmarks.distill --clips 30 > page.md

From the repository root, with the packages of the tests. The clips show shapes and textures that training never showed.
The measure was chosen on other seeds (from 7000000).
"""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.evaluation.datasets.synthetic import IMAGE_SIZE, SUBSETS
from sam2_ros.evaluation.distill import main as distill
from sam2_ros.evaluation.measures.boxes import boxes_of
from sam2_ros.evaluation.measures.metrics import roc_auc
from sam2_ros.evaluation.pages.distill import RANKING
from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.synthetic.scene import PRESETS, Clip, make_clip

PRESET_NAMES = ('plain', 'lookalikes')
FRAMES, GAP = 6, 12  # shown frames of a clip, and scene frames from one to the next
TRUTHS = {'masks': 'folder', 'boxes': 'utb180'}

NOTES = """
Every clip has one target, whose truth is known as masks or as boxes. A clip of `lookalikes` has two to four copies of
the target, recoloured a little or not, and one of `plain` has none; its other objects, one to three, may still
resemble the target by chance. AUC: area under the ROC curve, how often a clip with look-alikes ranks above one without;
0.5 is chance. The share is that of the frames with a ratio above 0.5, the mean is that of the ratios: the ranking is by
the first, then by the second. Listed: at least a third of the frames, as in DiDi. Features: the bundled network's.
"""


def write_masks(root: Path, name: str, clip: Clip) -> None:
    """As clips of one's own: JPEGs and label images of the target."""
    (root / name).mkdir(parents=True)
    for frame, (image, masks) in enumerate(zip(clip.images, clip.masks, strict=True)):
        cv2.imwrite(str(root / name / f'{frame:05}.jpg'), image[..., ::-1])
        cv2.imwrite(str(root / name / f'{frame:05}.png'), masks[0].astype(np.uint8))


def write_boxes(root: Path, name: str, clip: Clip) -> None:
    """In the layout of UTB180: JPEGs and the target's boxes."""
    (root / name / 'imgs').mkdir(parents=True)
    for frame, image in enumerate(clip.images, 1):
        cv2.imwrite(str(root / name / 'imgs' / f'{frame:04}.jpg'), image[..., ::-1])
    np.savetxt(root / name / 'groundtruth_rect.txt', boxes_of(clip.masks[:, 0]), fmt='%g', delimiter=',')


def measure(folder: Path, *, truth: str, clips: int, first_seed: int) -> list[str]:
    """A row of the table."""
    write, root = {'masks': write_masks, 'boxes': write_boxes}[truth], folder / truth
    height, width = IMAGE_SIZE
    for number, preset in enumerate(PRESET_NAMES):
        settings = replace(PRESETS[preset], height=height, width=width, frames=FRAMES, gaps=(GAP,))
        for clip in range(clips):
            made = make_clip(first_seed + number * 1_000_000 + 100 * clip, settings, split='heldout')
            write(root, f'{preset}_{clip:03}' if truth == 'masks' else f'Video_{number * clips + clip + 1:04}', made)
    output = folder / f'{truth}_results'
    with redirect_stdout(sys.stderr):
        status = distill([f'{TRUTHS[truth]}={root}', '--frames', '0', '--output', str(output)])
    if status:
        raise RuntimeError('clips could not be measured')
    with (output / RANKING).open(newline='') as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: row['video'])
    # sorted by name, the clips of the two presets follow each other
    positive = np.array(['lookalikes' in row['video'] for row in rows])
    if truth == 'boxes':
        positive = np.arange(len(rows)) >= clips
    share, mean = (np.array([float(row[name]) for row in rows]) for name in ('share', 'mean_ratio'))
    listed = np.array([row['listed'] == 'True' for row in rows])
    values = (roc_auc(share + mean * 1e-6, positive), roc_auc(share, positive), roc_auc(mean, positive))
    counts = (f'{listed[own].sum()} of {own.sum()}' for own in (positive, ~positive))
    return [truth, *(f'{value:.3f}' for value in values), *counts]


def main(arguments: Sequence[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog='python -m benchmarks.distill', description='Print the page in Markdown.')
    parser.add_argument('--clips', type=int, default=30, help='of each kind (default: %(default)s)')
    parser.add_argument('--first-seed', type=int, default=SUBSETS['plain'].first_seed, help='default: %(default)s')
    parser.add_argument('--truths', nargs='+', choices=TRUTHS, default=list(TRUTHS), help='default: all')
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(Path(folder), truth=truth, clips=options.clips, first_seed=options.first_seed)
            for truth in options.truths
        ]
    command = shlex.join(['python', '-m', 'benchmarks.distill', *arguments])
    head = ['truth', 'AUC of the ranking', 'of the share', 'of the mean', 'listed with look-alikes', 'listed without']
    print('# Ranking by distractors\n')
    print(f'- Command: `{command} > page.md`\n- Clips: {options.clips} of each kind, seeds from {options.first_seed}')
    print(NOTES)
    print(markdown_table(head, rows))


if __name__ == '__main__':
    main()
