"""The videos of data sets in which the target has look-alikes: `python -m sam2_ros.evaluation.distill ROOT...`.

As DiDi was made, with features of this package's image encoder in place of DINOv2. What was measured is kept on disk,
so that a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from sam2_ros.evaluation.command_line import add_network_arguments, chosen_network, chosen_output, facts, positive
from sam2_ros.evaluation.datasets.registry import DATASETS
from sam2_ros.evaluation.distillation import Distillation, distill, label
from sam2_ros.evaluation.evaluation import DatasetSource
from sam2_ros.evaluation.pages.distill import DistillReport, write_distill_page
from sam2_ros.interruption import command_status

MODULE = 'sam2_ros.evaluation.distill'
_OWN_CLIPS = 'folder'


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 1 if a video could not be measured."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    return command_status(lambda: _run(options, arguments), errors=(ValueError, OSError, ImportError, RuntimeError))


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    sources = [_source(root) for root in options.roots]
    labels = [label(source) for source in sources]
    for one in labels:
        if labels.count(one) > 1:
            raise ValueError(f'two data sets would be {one} in the list; give each once, from folders of other names')
    videos = [(source, name) for source in sources for name in source.open().names]
    network = chosen_network(options, image_size=options.image_size)
    distillation = Distillation(network, chosen_output(options), options.frames or None)
    distillation.claim(overwrite=options.overwrite)
    failures = {}
    with tqdm(total=len(videos), unit='video', disable=None) as progress:
        for name, reason in distill(distillation, videos, processes=options.processes):
            progress.update()
            if reason:
                failures[name] = reason
                progress.write(f'error: {name}: {reason}', file=sys.stderr)
    measured = [distillation.measured(source, name) for source, name in videos]
    report = DistillReport(
        distillation.folder,
        introduction=facts(network, module=MODULE, arguments=arguments),
        videos=[one for one in measured if one is not None],
        failures=failures,
        ratio=options.ratio,
        least_share=options.share,
    )
    print(write_distill_page(report))
    return 1 if failures else 0


def _source(text: str) -> DatasetSource:
    """The data set of NAME=ROOT, NAME:SPLIT=ROOT or ROOT.

    Raises:
        ValueError: if there is no such data set, split or folder.
    """
    named, equals, root = text.partition('=')
    if not equals or named.partition(':')[0] not in DATASETS:
        if equals and not Path(text).is_dir():
            raise ValueError(f'there is no data set {named!r}; accepted are {", ".join(DATASETS)}')
        named, root = _OWN_CLIPS, text
    name, _, split = named.partition(':')
    source = DatasetSource(name, Path(root), split or DATASETS[name].splits[0])
    source.open()
    return source


def _share(text: str) -> float:
    """Type of an argument that is a share: a number from 0 to 1."""
    number = _ratio(text)
    if number > 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 0 to 1')
    return number


def _ratio(text: str) -> float:
    """Type of an argument that is a ratio: a number of at least 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of at least 0')
    return number


def _count(text: str) -> int:
    return 0 if text == '0' else positive(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f'python -m {MODULE}',
        description='Rank the videos of data sets by how much in them resembles the target, as DiDi was made, and list '
        'those in which that is much.',
    )
    add = parser.add_argument
    add(
        'roots',
        nargs='+',
        metavar='ROOT',
        help='data sets, each NAME=FOLDER or NAME:SPLIT=FOLDER with a NAME of '
        f'{", ".join(DATASETS)}; a folder alone holds clips of your own (`folder`)',
    )
    add(
        '--ratio',
        type=_ratio,
        default=0.5,
        metavar='R',
        help="a frame has distractors if more than R times the target's area resembles it (default: %(default)s)",
    )
    add(
        '--share',
        type=_share,
        default=1 / 3,
        metavar='S',
        help='a video is listed if at least this share of its frames has distractors (default: 1/3)',
    )
    add(
        '--frames',
        type=_count,
        default=40,
        metavar='N',
        help='of each object, evenly spread over the frames whose truth is known; 0: all (default: %(default)s)',
    )
    add('--processes', type=positive, default=1, metavar='N', help='how many work side by side (default: %(default)s)')
    add('--image-size', type=positive, metavar='PIXELS', help="side of the network's input (default: as trained)")
    add('--overwrite', action='store_true', help='delete what was measured with other weights, code or settings')
    add_network_arguments(parser)
    return parser


if __name__ == '__main__':
    sys.exit(main())
