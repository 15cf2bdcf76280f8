"""What correction clicks change: `python -m sam2_ros.evaluation.corrections`.

A target is tracked from a box and corrected on one frame, click by click; see `protocols.corrections`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from sam2_ros.evaluation.command_line import add_network_arguments, chosen_network, chosen_output, describe, positive
from sam2_ros.evaluation.datasets.synthetic import SUBSETS, benchmark_clip
from sam2_ros.evaluation.measures.scores import mean_over_clips
from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.evaluation.protocols.corrections import Correction, correct
from sam2_ros.tracking import POLICY_NAMES

MODULE = 'sam2_ros.evaluation.corrections'
PAGE = 'corrections.md'
EXPLANATION = """In every clip one target is prompted with its box in the first frame and corrected on a later one. If
that frame hides the target, the next frame that shows it is corrected. Figures are J, intersection over union with the
truth: of the corrected frame before the clicks, after each click, and with a new box instead of clicks; then the mean
over the frames after it, left alone and with all clicks. In brackets: the difference from before, or from left alone,
on the same clips. ± is the standard error over clips. A clip of another length is another film: compare only figures of
clips with equally many frames."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Correct every clip and print the path of the result page. Exits with a sentence if something is wrong."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        network = chosen_network(options, image_size=None)
        page = chosen_output(options) / PAGE
        length = options.frame + 1 + options.after
        model, rows = network.load(), []
        for name in options.subsets:
            subset = replace(SUBSETS[name], scene=replace(SUBSETS[name].scene, frames=length))
            numbers = tqdm(range(options.clips), desc=name, unit='clip', disable=None)
            clips = (benchmark_clip(subset, number) for number in numbers)
            runs = [
                correct(model, options.policy, clip, frame=options.frame, clicks=options.clicks)
                for clip in clips
                if clip.truth[options.frame : -1].any()
            ]
            rows.append(_row(name, runs, clips=options.clips))
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
        describe(network, module=MODULE, arguments=arguments),
        EXPLANATION,
        f'Memory: {options.policy}. Clips end with frame {options.frame + options.after}.',
        markdown_table(heads, rows),
    ]
    page.write_text('\n\n'.join(sections) + '\n')
    print(page)


def _row(name: str, runs: Sequence[Correction], *, clips: int) -> list[str]:
    """Figures of a subset. `clips`: number of clips; some of them may hide the target to their end."""
    if not runs:
        raise ValueError(
            f'no clip of {name} shows its target in time; choose another --frame, or more frames with --after'
        )
    before, alone = [run.by_click[0] for run in runs], [run.left_alone for run in runs]
    clicks = list(zip(*(run.by_click for run in runs), strict=True))[1:]
    frames = sorted({run.frame for run in runs})
    return [
        name,
        str(len(runs)) if len(runs) == clips else f'{len(runs)} of {clips}',
        str(frames[0]) if len(frames) == 1 else f'{frames[0]} to {frames[-1]}',
        str(mean_over_clips(before)),
        *(_against(before, values) for values in (*clicks, [run.by_box for run in runs])),
        str(mean_over_clips(alone)),
        _against(alone, [run.corrected for run in runs]),
    ]


def _against(baseline: Sequence[float], values: Sequence[float]) -> str:
    """A mean, and its difference from another mean on the same clips."""
    difference = mean_over_clips([value - base for value, base in zip(values, baseline, strict=True)])
    return f'{np.mean(values):.3f} ({difference:+})'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f'python -m {MODULE}', description='Track held-out synthetic clips and correct them with clicks.'
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
    add_network_arguments(parser)
    return parser


if __name__ == '__main__':
    main()
