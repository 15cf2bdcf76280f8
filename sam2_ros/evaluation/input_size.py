"""Accuracy and time for several sizes of the network input: `python -m sam2_ros.evaluation.input_size`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product

from sam2_ros.evaluation.benchmark import Benchmark
from sam2_ros.evaluation.command_line import (
    add_benchmark_arguments,
    add_real_arguments,
    chosen_clips,
    chosen_network,
    chosen_output,
    chosen_subsets,
    describe,
    positive,
)
from sam2_ros.evaluation.measures.scores import Per, RunScore, mean_figure, paired_difference
from sam2_ros.evaluation.measures.speed import FrameTime, time_trackers
from sam2_ros.evaluation.pages import real
from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.evaluation.pages.synthetic import DEFINITIONS, time_table
from sam2_ros.tracking import POLICY_NAMES, VideoTracker

MODULE = 'sam2_ros.evaluation.input_size'
PAGE, REAL_PAGE = 'input_size.md', 'input_size_real.md'
TIMED_CLIPS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the sizes and print the path of the result page. Exits with a sentence if something is wrong."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        networks = [chosen_network(options, image_size=size) for size in options.sizes]
        subsets = chosen_clips(options, parser, synthetic=partial(chosen_subsets, options))
        benchmarks = [Benchmark(network, subsets, (options.policy,), tuple(options.prompts)) for network in networks]
        page = chosen_output(options) / (REAL_PAGE if options.real else PAGE)
        stores = [benchmark.open_stores(options.predictions, overwrite=options.overwrite) for benchmark in benchmarks]
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        parser.error(str(error))
    scores = [
        benchmark.run(store, workers=options.workers) for benchmark, store in zip(benchmarks, stores, strict=True)
    ]
    clips = next(iter(subsets.values())).description
    sections = [
        "# Size of the network's input",
        describe(networks[0], module=MODULE, arguments=arguments, clips=clips),
        real.DEFINITIONS if options.real else DEFINITIONS,
        f'Memory: {options.policy}. In brackets, the difference from the first size on the same clips.',
        _accuracy_table(benchmarks, scores, means=real.MEANS if options.real else {'': 'clip'}),
    ]
    if not options.real:  # the time hardly depends on what is filmed
        sections += ['## Time per frame', time_table(_time_sizes(benchmarks))]
    page.write_text('\n\n'.join(sections) + '\n')
    print(page)


def _time_sizes(benchmarks: Sequence[Benchmark]) -> list[FrameTime]:
    subset = next(iter(benchmarks[0].subsets.values()))
    trackers = {
        f'{benchmark.network.image_size} pixels': partial(
            VideoTracker, benchmark.network.load(), memory=benchmark.policies[0]
        )
        for benchmark in benchmarks
    }
    clips = [subset.targets(number)[0] for number in subset.numbers[:TIMED_CLIPS]]
    return time_trackers(trackers, clips=clips)


def _accuracy_table(
    benchmarks: Sequence[Benchmark], scores: Sequence[Sequence[RunScore]], *, means: Mapping[str, Per]
) -> str:
    """J and R for each size. `means`: of what, by the name that tells them apart."""
    rows = []
    for subset in benchmarks[0].subsets:
        for prompt, (name, per) in product(benchmarks[0].prompts, means.items()):
            first, *others = (
                [run for run in runs if (run.subset, run.key.prompt) == (subset, prompt)] for runs in scores
            )
            for letter, measure in (('J', 'mean_region'), ('R', 'robustness')):
                cells = [
                    f'{mean_figure(runs, measure, per=per).value:.3f} '
                    f'({paired_difference(runs, first, measure, per=per):+})'
                    for runs in others
                ]
                group = f'{subset}, per {name}' if name else subset
                rows.append([group, prompt, letter, str(mean_figure(first, measure, per=per)), *cells])
    sizes = [str(benchmark.network.image_size) for benchmark in benchmarks]
    return markdown_table(['subset', 'prompt', 'measure', *sizes], rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f'python -m {MODULE}',
        description='Track held-out synthetic clips, or filmed ones, with several sizes of input.',
    )
    parser.add_argument(
        '--sizes',
        nargs='+',
        type=positive,
        default=[256, 384, 512],
        metavar='PIXELS',
        help='sides of the input, multiples of 32 (default: 256 384 512)',
    )
    parser.add_argument('--policy', choices=POLICY_NAMES, default='dam', help='memory policy (default: %(default)s)')
    add_benchmark_arguments(
        parser, subsets=('plain', 'small', 'lookalikes'), prompts=('box', 'point'), clips=8, frames=60
    )
    add_real_arguments(parser)
    return parser


if __name__ == '__main__':
    main()
