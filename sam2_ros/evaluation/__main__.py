"""A protocol on a data set, as one command: `python -m sam2_ros.evaluation DATASET ROOT --memory sam2,dam --out OUT`.

Every video is tracked with every memory. Tracks and scores are kept on disk, so that a run that was interrupted goes on
where it was, and a run with one more memory tracks with that one only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from tqdm import tqdm

from sam2_ros.evaluation.command_line import add_network_arguments, chosen_network, chosen_output, facts, positive
from sam2_ros.evaluation.datasets.dataset import ClipChoice
from sam2_ros.evaluation.datasets.registry import DATASETS
from sam2_ros.evaluation.evaluation import DatasetSource, Evaluation, Failure, Method, evaluate
from sam2_ros.evaluation.executor_arguments import add_executor_arguments, chosen_executor
from sam2_ros.evaluation.executors import Executor
from sam2_ros.evaluation.measures.speed import FrameTime, check_long_enough, time_trackers
from sam2_ros.evaluation.pages.evaluation import write_page
from sam2_ros.evaluation.pages.report import EvaluationReport
from sam2_ros.evaluation.plan import plan
from sam2_ros.evaluation.protocols.first_prompts import FIRST_PROMPTS
from sam2_ros.evaluation.protocols.registry import PROTOCOL_NAMES, make_protocol
from sam2_ros.evaluation.published import ABLATION
from sam2_ros.evaluation.submissions import SUBMISSIONS, write_submission
from sam2_ros.interruption import command_status
from sam2_ros.tracking import POLICY_NAMES, VideoTracker

MODULE = 'sam2_ros.evaluation'


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 1 if a video could not be done."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    return command_status(lambda: _run(options, arguments), errors=(ValueError, OSError, ImportError, RuntimeError))


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    root = options.root and options.root.absolute()
    split = options.split or DATASETS[options.dataset].splits[0]
    source = DatasetSource(options.dataset, root, split, ClipChoice(options.clips, options.frames))
    protocol = make_protocol(options.dataset, options.protocol, prompts=options.prompt)
    all_names = source.open().names
    names = _chosen(all_names, options.videos)
    networks = [chosen_network(options, image_size=size) for size in options.image_size or [None]]
    memories = tuple(ABLATION) if options.ablation else options.memory
    evaluations = [Evaluation(source, protocol, network, memories) for network in networks]
    if options.plan:
        print('\n\n'.join(plan(evaluation, names) for evaluation in evaluations))
        return 0
    timed = _chosen(all_names, options.time) if options.time else []
    for name in timed:
        check_long_enough(source.open().sequence(name))
    executor = chosen_executor(options, networks[0].device)
    methods = _methods(options, evaluations)
    failures = _do(methods, names, executor=executor)
    scores = {
        method.label: [
            method.store.score(method.memory, name) for name in names if method.store.has_score(method.memory, name)
        ]
        for method in methods
    }
    whole = [method for method in methods if len(scores[method.label]) == len(all_names)]
    hidden = options.dataset in SUBMISSIONS and any(one.is_hidden for own in scores.values() for one in own)
    report = EvaluationReport(
        options.output,
        methods,
        introduction=facts(networks[0], module=MODULE, arguments=arguments),
        scores=scores,
        failures=failures,
        submissions=[write_submission(method, names) for method in whole if hidden],
        ablation=options.ablation,
        times=_times(methods, timed) if timed else (),
    )
    print(write_page(report))
    return 1 if failures else 0


def _methods(options: argparse.Namespace, evaluations: Sequence[Evaluation]) -> list[Method]:
    """Every network with every memory. Of several networks each has a folder of results of its own."""
    output, methods = chosen_output(options), []
    for evaluation in evaluations:
        size = f'{evaluation.network.image_size} pixels'
        folder = output if len(evaluations) == 1 else output / size.replace(' ', '_')
        store = evaluation.open_store(folder, overwrite=options.overwrite)
        for memory in evaluation.memories:
            label = f'{memory} = {ABLATION[memory]}' if options.ablation else memory
            if len(evaluations) > 1:
                label = size if len(evaluation.memories) == 1 else f'{label}, {size}'
            methods.append(Method(label, evaluation, store, memory))
    return methods


def _do(methods: Sequence[Method], names: Sequence[str], *, executor: Executor) -> list[Failure]:
    """Track and score what is missing. Tells at once what fails, and returns it in the order of the data set."""
    failures = []
    with tqdm(total=len(names) * len(methods), unit='video', disable=None) as progress:
        for failure in evaluate(methods, names, executor=executor):
            progress.update()
            if failure is not None:
                failures.append(failure)
                progress.write(f'error: {failure.name} with {failure.method}: {failure.reason}', file=sys.stderr)
    labels = [method.label for method in methods]
    return sorted(failures, key=lambda failure: (names.index(failure.name), labels.index(failure.method)))


def _times(methods: Sequence[Method], names: Sequence[str]) -> list[FrameTime]:
    """Time per frame of the methods on these videos, in this process alone, with all cores."""
    networks = {method.evaluation.network: method.evaluation.network.load() for method in methods}
    trackers = {
        method.label: partial(VideoTracker, networks[method.evaluation.network], memory=method.memory)
        for method in methods
    }
    data = methods[0].evaluation.dataset.open()
    return time_trackers(trackers, map(data.sequence, names))


def _chosen(names: Sequence[str], patterns: str) -> list[str]:
    """The videos whose names match one of the patterns; all if there are none.

    Raises:
        ValueError: if no name matches.
    """
    if not patterns:
        return list(names)
    chosen = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns.split(','))]
    if not chosen:
        raise ValueError(f'no video is named {patterns!r}; the first of {len(names)} is {names[0]!r}')
    return chosen


def _words(text: str) -> tuple[str, ...]:
    """Type of an argument that is a list of names."""
    return tuple(filter(None, text.split(',')))


def _sizes(text: str) -> tuple[int, ...]:
    """Type of an argument that is a list of different whole numbers above 0."""
    sizes = tuple(map(positive, text.split(',')))
    if len(set(sizes)) < len(sizes):
        raise argparse.ArgumentTypeError(f'{text!r} names a number twice')
    return sizes


def _add_clip_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for clips that are made or found here, and for comparisons of sizes and times."""
    add = parser.add_argument
    add('--clips', type=positive, metavar='N', help='of each subset, for synthetic (default: 6 to 20)')
    add(
        '--frames',
        type=positive,
        metavar='N',
        help='of each clip, for synthetic (default: 60 to 200) and footage (default: 101)',
    )
    add(
        '--time',
        default='',
        metavar='PATTERN,PATTERN',
        help='measure the time per frame, too, on the videos of these names; all memories and sizes take turns',
    )
    add(
        '--image-size',
        type=_sizes,
        metavar='PIXELS,PIXELS',
        help="side of the network's input (default: as trained); several are compared",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f'python -m {MODULE}',
        description='Track the videos of a data set by a protocol, score the tracks, write a page with our figures '
        'beside published ones.',
    )
    add = parser.add_argument
    add('dataset', choices=DATASETS, metavar='DATASET', help=f'one of {", ".join(DATASETS)}')
    add(
        'root',
        type=Path,
        nargs='?',
        metavar='ROOT',
        help='folder of the data set, as it is downloaded; for footage a video; none for synthetic, which is made here',
    )
    add('--split', default='', metavar='NAME', help='part of the data set (default: the one that is usually reported)')
    add(
        '--protocol',
        choices=PROTOCOL_NAMES,
        default='',
        metavar='NAME',
        help=f'one of {", ".join(PROTOCOL_NAMES)} (default: the usual one of the data set)',
    )
    add(
        '--prompt',
        type=_words,
        default=(),
        metavar='KIND',
        help='in the first frame of an object, for the protocols semi-supervised (default: mask) and first-frame '
        f'(default: box), which takes several as KIND,KIND; of {", ".join(FIRST_PROMPTS)}',
    )
    add(
        '--memory',
        type=_words,
        default='sam2,dam',
        metavar='NAME,NAME',
        help=f'memory policies, of {", ".join(POLICY_NAMES)} (default: %(default)s)',
    )
    add(
        '--ablation',
        action='store_true',
        help='the six memory policies of the ablation that DAM4SAM has published, beside it; in place of --memory',
    )
    add('--videos', default='', metavar='PATTERN,PATTERN', help="only those of these names, such as 'bear,car-*'")
    _add_clip_arguments(parser)
    add_executor_arguments(parser)
    add('--plan', action='store_true', help='run nothing; print videos, frames, and the hours that they would take')
    add('--overwrite', action='store_true', help='delete kept results of other weights, code or settings')
    add_network_arguments(parser)
    return parser


if __name__ == '__main__':
    sys.exit(main())
