"""Benchmark on filmed clips with label images: `python -m sam2_ros.evaluation.real FOLDER`.

Every object is tracked with every memory policy from every kind of prompt. As with synthetic clips, predictions are
kept on disk and scored separately.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sam2_ros.evaluation.benchmark import Benchmark
from sam2_ros.evaluation.command_line import (
    add_half_argument,
    add_policies_argument,
    add_run_arguments,
    chosen_network,
    chosen_output,
    describe,
    positive,
)
from sam2_ros.evaluation.datasets.annotated import LAYOUTS, ClipFolder
from sam2_ros.evaluation.pages.real import PAGE, RealReport, real_page

MODULE = 'sam2_ros.evaluation.real'


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print the path of the result page. Exits with a sentence if something is wrong."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        clips = ClipFolder(options.folder, options.half)
        network = chosen_network(options, image_size=options.image_size)
        benchmark = Benchmark(network, {'real': clips}, tuple(options.policies), tuple(options.prompts))
        page = chosen_output(options) / PAGE
        stores = benchmark.open_stores(options.predictions, overwrite=options.overwrite)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        parser.error(str(error))
    report = RealReport(
        introduction=describe(network, module=MODULE, arguments=arguments, clips=clips.description),
        names={number: clips.names[number] for number in clips.numbers},
        policies=benchmark.policies,
        prompts=benchmark.prompts,
        scores=benchmark.run(stores, workers=options.workers),
    )
    page.write_text(real_page(report))
    print(page)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f'python -m {MODULE}',
        description='Track the objects of filmed clips, score the tracks by the label images, write a result page.',
    )
    parser.add_argument('folder', type=Path, metavar='FOLDER', help=f'of the clips: {LAYOUTS}')
    add_half_argument(parser)
    add_policies_argument(parser, policies=('sam2', 'dam'))
    parser.add_argument(
        '--image-size', type=positive, metavar='PIXELS', help="side of the network's input (default: as trained)"
    )
    add_run_arguments(parser, prompts=('box',))
    return parser


if __name__ == '__main__':
    main()
