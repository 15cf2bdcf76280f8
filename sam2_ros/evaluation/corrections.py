"""What correction clicks change: `python -m sam2_ros.evaluation.corrections`.

A target is tracked from a box and corrected on one frame, click by click; see `protocols.corrections`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from tqdm import tqdm

from sam2_ros.evaluation.command_line import (
    add_network_arguments,
    add_real_arguments,
    chosen_clips,
    chosen_network,
    chosen_output,
    describe,
    positive,
)
from sam2_ros.evaluation.datasets.clips import ClipSet
from sam2_ros.evaluation.datasets.synthetic import SUBSETS, Subset
from sam2_ros.evaluation.measures.scores import mean_over_clips
from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.evaluation.protocols.corrections import Correction, correct
from sam2_ros.model import Network
from sam2_ros.tracking import POLICY_NAMES

MODULE = 'sam2_ros.evaluation.corrections'
PAGE, REAL_PAGE = 'corrections.md', 'corrections_real.md'
EXPLANATION = """In every clip one target is prompted with its box in the first frame and corrected on a later one. If
that frame hides the target, the next frame that shows it is corrected. Figures are J, intersection over union with the
truth: of the corrected frame before the clicks, after each click, and with a new box instead of clicks; then the mean
over the frames after it, left alone and with all clicks. In brackets: the difference from before, or from left alone,
on the same clips. ± is the standard error over clips. A clip of another length is another film: compare only figures of
clips with equally many frames."""
REAL_EXPLANATION = """

Each object is tracked in a clip of its own, which begins with the first frame that shows it. "per object": all objects
have the same weight. "per clip": all filmed clips have the same weight, and figures of a clip are means over its
objects."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Correct every clip and print the path of the result page. Exits with a sentence if something is wrong."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        network = chosen_network(options, image_size=None)
        page = chosen_output(options) / (REAL_PAGE if options.real else PAGE)
        sets = chosen_clips(options, parser, synthetic=partial(_subsets, options))
        model, rows = network.load(), []
        for name, clips in sets.items():
            numbers = tqdm(clips.numbers, desc=name, unit='clip', disable=None)
            runs = [_correct_clip(model, options, clips, number) for number in numbers]
            if options.real:
                rows.append(_row(f'{name}, per object', [[run] if run else [] for clip in runs for run in clip]))
                name += ', per clip'
            rows.append(_row(name, [[run for run in clip if run] for clip in runs]))
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        parser.error(str(error))
    heads = [
        'subset',
        'clips',
        'frame',
        'before',
        *(f'click {number + 1}' for number in range(options.clicks)),
        'new box',
        'frames after, left alone',
        'frames after, corrected',
    ]
    sections = [
        '# Correction clicks',
        describe(network, module=MODULE, arguments=arguments, clips=sets['real'].description if options.real else None),
        EXPLANATION + (REAL_EXPLANATION if options.real else ''),
        f'Memory: {options.policy}. Clips end with frame {options.frame + options.after}.',
        markdown_table(heads, rows),
    ]
    page.write_text('\n\n'.join(sections) + '\n')
    print(page)


def _subsets(options: argparse.Namespace) -> dict[str, Subset]:
    frames = options.frame + 1 + options.after
    return {
        name: replace(SUBSETS[name], clips=options.clips, scene=replace(SUBSETS[name].scene, frames=frames))
        for name in options.subsets
    }


def _correct_clip(model: Network, options: argparse.Namespace, clips: ClipSet, number: int) -> list[Correction | None]:
    """What was measured for each target of a clip; None for one that is hidden to the end."""
    runs = []
    for target in clips.targets(number).values():
        begun = target.from_start()
        kept = slice(options.frame + 1 + options.after)
        clip = replace(begun, images=begun.images[kept], truth=begun.truth[kept])
        seen = clip.truth[options.frame : -1].any()
        runs.append(correct(model, options.policy, clip, frame=options.frame, clicks=options.clicks) if seen else None)
    return runs


def _row(name: str, groups: Sequence[Sequence[Correction]]) -> list[str]:
    """Figures of a subset, in which all groups of runs have the same weight; some groups may be empty."""
    filled = [group for group in groups if group]
    if not filled:
        raise ValueError(
            f'no clip of {name} shows its target in time; choose another --frame, or more frames with --after'
        )

    means = [
        np.mean([(*run.by_click, run.by_box, run.left_alone, run.corrected) for run in group], axis=0).tolist()
        for group in filled
    ]
    before, *corrections, alone, corrected = zip(*means, strict=True)
    frames = sorted({run.frame for group in filled for run in group})
    return [
        name,
        str(len(groups)) if len(filled) == len(groups) else f'{len(filled)} of {len(groups)}',
        str(frames[0]) if len(frames) == 1 else f'{frames[0]} to {frames[-1]}',
        str(mean_over_clips(before)),
        *(_against(before, values) for values in corrections),
        str(mean_over_clips(alone)),
        _against(alone, corrected),
    ]


def _against(baseline: Sequence[float], values: Sequence[float]) -> str:
    """A mean, and its difference from another mean on the same clips."""
    difference = mean_over_clips([value - base for value, base in zip(values, baseline, strict=True)])
    return f'{np.mean(values):.3f} ({difference:+})'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f'python -m {MODULE}',
        description='Track held-out synthetic clips, or filmed ones, and correct them with clicks.',
    )
    add = parser.add_argument
    add(
        '--subsets',
        nargs='+',
        choices=SUBSETS,
        default=['plain', 'lookalikes', 'small'],
        metavar='NAME',
        help=f'of {", ".join(SUBSETS)} (default: plain lookalikes small)',
    )
    add('--clips', type=positive, default=10, metavar='N', help='clips per subset (default: %(default)s)')
    add('--frame', type=positive, default=20, metavar='N', help='the frame that is corrected (default: %(default)s)')
    add('--after', type=positive, default=10, metavar='N', help='frames tracked after it (default: %(default)s)')
    add('--clicks', type=positive, default=3, metavar='N', help='clicks on that frame (default: %(default)s)')
    add('--policy', choices=POLICY_NAMES, default='dam', help='memory policy (default: %(default)s)')
    add_real_arguments(parser)
    add_network_arguments(parser)
    return parser


if __name__ == '__main__':
    main()
