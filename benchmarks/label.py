"""Masklets without a prompt, and after clicks, on synthetic clips whose objects are known.

    python -m benchmarks.label --clips 6 > page.md

From the repository root, with the packages of the tests. The clips show shapes and textures that training never showed.
The defaults were chosen on other seeds (`--first-seed 9000000`).
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.evaluation.protocols.simulated_prompts import next_click
from sam2_ros.images import AutomaticMaskGenerator
from sam2_ros.labelling import (
    LabelledObject,
    LabelOptions,
    Labels,
    apply_corrections,
    find_masklets,
    read_corrections,
)
from sam2_ros.model import Sam2Network, build_sam2
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.synthetic.scene import PRESETS, Clip, make_clip
from sam2_ros.tools.grid_arguments import BUNDLED

GOOD = 0.7  # J from which on an object counts as found
SIZE = (240, 320)  # height, width in pixels
PRESET_NAMES = ('plain', 'occlusion', 're_entry', 'lookalikes')
CORRECTED = 2  # masklets of each clip
ROUNDS = 3  # of a click each, every one on the frame that is worst then
FIRST_SEED, SEEDS_PER_PRESET = 8_000_000, 1000

NOTES = f"""
An object is found if a masklet has J of {GOOD} or more with it, mean over all frames of the clip. A masklet is false if
it is not the best one of a found object. Corrected are the two masklets whose J with an object is the lowest above 0.1,
an object each; a person clicks {ROUNDS} times, each time where most is wrong on the frame that is worst, and looks at
the new result after each click.
"""


@dataclass
class Score:
    """Counts over clips.

    Attributes:
        objects, found: true objects, and those that were found.
        masklets, false: all, and those that are no object.
        before, after: J of each corrected masklet.
        clips: how many.
    """

    objects: int
    found: int
    masklets: int
    false: int
    before: list[float]
    after: list[float]
    clips: int = 1

    def __add__(self, other: Score) -> Score:
        return Score(**{name: value + getattr(other, name) for name, value in asdict(self).items()})

    def row(self, name: str) -> list[str]:
        risen = sum(after > before for before, after in zip(self.before, self.after, strict=True))
        return [
            name,
            str(self.clips),
            f'{self.found} of {self.objects}',
            f'{self.found / self.objects:.0%}',
            f'{self.masklets / self.clips:.1f}',
            f'{self.false / self.clips:.1f}',
            f'{np.mean(self.before):.3f}' if self.before else '-',
            f'{np.mean(self.after):.3f}' if self.after else '-',
            f'{risen} of {len(self.before)}',
        ]


HEADINGS = (
    'clips', 'number', 'objects found', 'share', 'masklets per video', 'false per video', 'J before clicks',
    'J after clicks', 'risen',
)  # fmt: skip


def masks_of(one: LabelledObject, frames: int) -> np.ndarray:
    """(T, H, W) bool."""
    nothing = np.zeros(SIZE, bool)
    return np.stack([one.masks[frame].mask() if frame in one.masks else nothing for frame in range(frames)])


def scores(labels: Labels, clip: Clip) -> dict[int, np.ndarray]:
    """J of each masklet with each object: (N,) by number."""
    seen = {number: masks_of(one, len(clip.images)) for number, one in labels.objects.items()}
    return {
        number: np.array([region_similarity(masks, clip.masks[:, index]).mean() for index in range(len(clip.roles))])
        for number, masks in seen.items()
    }


def to_correct(similarity: dict[int, np.ndarray]) -> dict[int, int]:
    """The masklets to correct, and the object that each of them is of."""
    chosen: dict[int, int] = {}
    for number in sorted(similarity, key=lambda number: similarity[number].max()):
        index = int(similarity[number].argmax())
        if similarity[number][index] > 0.1 and index not in chosen.values() and len(chosen) < CORRECTED:
            chosen[number] = index
    return chosen


def click(labels: Labels, clip: Clip, chosen: dict[int, int]) -> list[dict[str, object]]:
    """A click on each chosen masklet, on its worst frame that shows the object or the mask."""
    entries: list[dict[str, object]] = []
    for number, index in chosen.items():
        masks, truth = masks_of(labels.objects[number], len(clip.images)), clip.masks[:, index]
        shown = masks.any((1, 2)) & truth.any((1, 2))
        worst = int(np.where(shown, region_similarity(masks, truth), 2.0).argmin())
        (x, y), label = next_click(truth[worst], masks[worst])
        entries.append({'object': number, 'frame': worst, 'clicks': [[x, y, int(label)]]})
    return entries


def score_clip(clip: Clip, model: Sam2Network, *, points_per_side: int, options: LabelOptions) -> Score:
    """Label a clip, then correct some of the masklets."""
    generator = AutomaticMaskGenerator(
        model, points_per_side=points_per_side, pred_iou_thresh=BUNDLED[0], stability_score_thresh=BUNDLED[1]
    )
    labels = Labels('clip', SIZE, 24.0, len(clip.images))
    labels = list(find_masklets(labels, list(clip.images), generator, options=options))[-1]
    similarity = scores(labels, clip)
    best = np.max([*similarity.values(), np.zeros(len(clip.roles))], axis=0)
    found = int((best >= GOOD).sum())
    chosen = to_correct(similarity)
    entries: list[dict[str, object]] = []
    after = labels
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / 'corrections.json'
        for _ in range(ROUNDS if chosen else 0):
            entries += click(after, clip, chosen)
            file.write_text(json.dumps({'corrections': entries}))
            corrections = read_corrections(file, {'clip': SIZE})['clip']
            after = list(apply_corrections(after, corrections, model, list(clip.images)))[-1]
    corrected = scores(after, clip)
    return Score(
        objects=len(clip.roles),
        found=found,
        masklets=len(labels.objects),
        false=len(labels.objects) - found,
        before=[float(similarity[number][index]) for number, index in chosen.items()],
        after=[float(corrected[number][index]) for number, index in chosen.items()],
    )


def main(args: Sequence[str] | None = None) -> None:
    """Command line; prints the page."""
    args = sys.argv[1:] if args is None else args
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--clips', type=int, default=6, help='of each kind (%(default)s)')
    parser.add_argument('--frames', type=int, default=24, help='of each clip (%(default)s)')
    parser.add_argument('--first-seed', type=int, default=FIRST_SEED)
    parser.add_argument('--kinds', nargs='+', choices=PRESET_NAMES, default=PRESET_NAMES)
    parser.add_argument('--image-size', type=int, help='side of the network input in pixels (default: as trained)')
    parser.add_argument('--points-per-side', type=int, default=32)
    parser.add_argument('--every', type=int, default=12)
    parser.add_argument('--least-score', type=float, default=LabelOptions.least_score)
    options = parser.parse_args(args)
    model = build_sam2(DEFAULT_MODEL, image_size=options.image_size)
    chosen = LabelOptions(every=options.every, least_score=options.least_score)
    rows = []
    for name in options.kinds:
        settings = replace(PRESETS[name], height=SIZE[0], width=SIZE[1], frames=options.frames)
        total: Score | None = None
        for number in tqdm(range(options.clips), desc=name, unit='clip'):
            seed = options.first_seed + SEEDS_PER_PRESET * PRESET_NAMES.index(name) + number
            clip = make_clip(seed, settings, split='heldout')
            one = score_clip(clip, model, points_per_side=options.points_per_side, options=chosen)
            print(name, number, one.row(''), file=sys.stderr, flush=True)
            total = one if total is None else total + one
        if total is not None:
            rows.append(total.row(name))
    words = f'    python -m benchmarks.label {shlex.join(args)}'.rstrip()
    print(f'{words}\n\n{markdown_table(HEADINGS, rows)}\n{NOTES}')


if __name__ == '__main__':
    main()
