"""Benchmark on held-out synthetic clips: `python -m sam2_ros.evaluation.synthetic [--quick]`.

Every clip is tracked with every memory policy from every kind of prompt. Predictions are kept on disk and scored
separately. So a second call only scores, and a call with more clips, policies or prompts predicts only what is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from sam2_ros.evaluation.benchmark import Benchmark
from sam2_ros.evaluation.command_line import (
    add_benchmark_arguments,
    add_policies_argument,
    chosen_network,
    chosen_output,
    chosen_subsets,
    describe,
    positive,
)
from sam2_ros.evaluation.datasets.clips import TargetClip
from sam2_ros.evaluation.measures.scores import RunScore
from sam2_ros.evaluation.measures.speed import FrameTime, time_trackers
from sam2_ros.evaluation.pages.synthetic import SyntheticReport, write_report
from sam2_ros.evaluation.predictions import Prediction
from sam2_ros.tracking import POLICY_NAMES, VideoTracker

MODULE = 'sam2_ros.evaluation.synthetic'
QUICK = {'policies': ['sam2', 'dam'], 'clips': 2, 'frames': 40}
TIMED_CLIPS = 6


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print the path of the result page. Exits with a sentence if something is wrong."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    if parser.parse_known_args(arguments)[0].quick:
        parser.set_defaults(**QUICK)
    options = parser.parse_args(arguments)
    try:
        network = chosen_network(options, image_size=options.image_size)
        benchmark = Benchmark(network, chosen_subsets(options), tuple(options.policies), tuple(options.prompts))
        folder = chosen_output(options)
        stores = benchmark.open_stores(options.predictions, overwrite=options.overwrite)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        parser.error(str(error))

    def load(run: RunScore) -> tuple[TargetClip, Prediction]:
        clip = benchmark.subsets[run.subset].targets(run.key.clip)[run.key.target]
        return clip, stores[run.subset].load(run.key)

    report = SyntheticReport(
        introduction=describe(
            network, module=MODULE, arguments=arguments, clips=next(iter(benchmark.subsets.values())).description
        ),
        subsets=list(benchmark.subsets),
        policies=benchmark.policies,
        prompts=benchmark.prompts,
        scores=benchmark.run(stores, workers=options.workers),
        times=_time_policies(benchmark),
    )
    print(write_report(folder, report, load=load))


def _time_policies(benchmark: Benchmark) -> list[FrameTime]:
    """Time the policies on the subset with most to remember, in this process alone, with all cores."""
    subset = benchmark.subsets.get('lookalikes') or next(iter(benchmark.subsets.values()))
    model = benchmark.network.load()
    return time_trackers(
        {policy: partial(VideoTracker, model, memory=policy) for policy in benchmark.policies},
        clips=[subset.targets(number)[0] for number in subset.numbers[:TIMED_CLIPS]],
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f'python -m {MODULE}',
        description='Track held-out synthetic clips, score the tracks, write a result page.',
    )
    parser.add_argument('--quick', action='store_true', help='two policies on two clips of 40 frames by default')
    add_policies_argument(parser, policies=POLICY_NAMES)
    parser.add_argument(
        '--image-size', type=positive, metavar='PIXELS', help="side of the network's input (default: as trained)"
    )
    add_benchmark_arguments(parser)
    return parser


if __name__ == '__main__':
    main()
