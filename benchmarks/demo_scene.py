"""Which ladybird the tracker holds in `make demo VIDEO=ladybirds`, where the prompted one hides among look-alikes.

python -m benchmarks.demo_scene > benchmarks/demo_scene.md
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import shlex
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.model import VARIANTS, build_sam2
from sam2_ros.model.build import bundled_weights
from sam2_ros.model.config import DEFAULT_MODEL as MODEL
from sam2_ros.synthetic.ladybirds import LADYBIRDS, LadybirdScene
from sam2_ros.tracking import POLICY_NAMES, Prompt, VideoTracker
from sam2_ros.tracking.masks import box_of

HEIGHT, WIDTH, FRAMES = 720, 1280, 300
COLUMNS = ('the prompted one', 'another one, or the ground', 'nothing, though it is seen', 'nothing, it is hidden')


def verdict(mask: np.ndarray, truth: dict[str, np.ndarray]) -> str:
    """One of COLUMNS, for the tracker's mask and the true ones (H, W); the first ladybird is the prompted one."""
    target = truth[LADYBIRDS[0]]
    if not mask.any():
        return COLUMNS[2] if target.any() else COLUMNS[3]
    overlap = [int((mask & truth[name]).sum()) for name in LADYBIRDS]
    return COLUMNS[0] if target.any() and overlap[0] == max(overlap) > 0 else COLUMNS[1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the result page."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog='python -m benchmarks.demo_scene')
    parser.add_argument('--sizes', nargs='+', type=int, default=[VARIANTS[MODEL].image_size], metavar='PIXELS')
    parser.add_argument('--policies', nargs='+', choices=POLICY_NAMES, default=list(POLICY_NAMES), metavar='NAME')
    options = parser.parse_args(arguments)
    scene = LadybirdScene(HEIGHT, WIDTH)
    start = box_of(scene.masks(0)[LADYBIRDS[0]])
    trackers = {
        (size, policy): VideoTracker(build_sam2(MODEL, image_size=size), memory=policy)
        for size in options.sizes
        for policy in options.policies
    }
    counts: dict[tuple[int, str], Counter[str]] = {key: Counter() for key in trackers}
    for number in tqdm(range(FRAMES), unit='frame', disable=None):
        frame, truth = scene.frame(number), scene.masks(number)
        for key, tracker in trackers.items():
            prompts = [] if number else [Prompt('ladybird', box=start)]
            counts[key][verdict(tracker.step(frame, prompts)['ladybird'].mask, truth)] += 1
    weights = bundled_weights(MODEL)
    assert weights is not None
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
    rows = [
        [policy, str(size), *(str(count[column]) for column in COLUMNS)] for (size, policy), count in counts.items()
    ]
    print('# A scene of look-alike ladybirds, in numbers\n')
    print(f'    {shlex.join(["python", "-m", "benchmarks.demo_scene", *arguments])}\n')
    print(
        f'{MODEL}, weights {digest}…; {datetime.date.today()}. The first ladybird is prompted with a box in the '
        f'first of {FRAMES} frames, then\nhides under a leaf while others of its kind walk by; `make demo '
        'VIDEO=ladybirds` shows it. Frames in which the mask is on\n'
    )
    print(markdown_table(['memory', 'size', *COLUMNS], rows))


if __name__ == '__main__':
    main()
