"""A protocol on a data set, as one command: `python -m sam2_ros.evaluation DATASET ROOT --memory sam2,dam --out OUT`.

Every video is tracked with every memory. Tracks and scores are kept on disk, so that a run that was interrupted goes on
where it was, and a run with one more memory tracks with that one only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tqdm import tqdm

from sam2_ros.evaluation.command_line import add_network_arguments, chosen_network, chosen_output, facts, positive
from sam2_ros.evaluation.datasets.registry import DATASETS
from sam2_ros.evaluation.evaluation import DatasetSource, Evaluation, Failure, evaluate
from sam2_ros.evaluation.executor_arguments import add_executor_arguments, chosen_executor
from sam2_ros.evaluation.executors import Executor
from sam2_ros.evaluation.pages.evaluation import EvaluationReport, write_page
from sam2_ros.evaluation.plan import plan
from sam2_ros.evaluation.protocols.first_prompts import FIRST_PROMPTS
from sam2_ros.evaluation.protocols.registry import PROTOCOL_NAMES, make_protocol
from sam2_ros.evaluation.published import ABLATION
from sam2_ros.evaluation.results import ResultStore
from sam2_ros.evaluation.submissions import SUBMISSIONS, write_submission
from sam2_ros.interruption import command_status
from sam2_ros.tracking import POLICY_NAMES

MODULE = 'sam2_ros.evaluation'


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 1 if a video could not be done."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    return command_status(lambda: _run(options, arguments), errors=(ValueError, OSError, ImportError, RuntimeError))


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    source = DatasetSource(
        options.dataset, options.root.absolute(), options.split or DATASETS[options.dataset].splits[0]
    )
    protocol = make_protocol(options.dataset, options.protocol, prompt=options.prompt)
    names = _chosen(source.open().names, options.videos)
    network = chosen_network(options, image_size=options.image_size)
    memories = tuple(ABLATION) if options.ablation else tuple(filter(None, options.memory.split(',')))
    evaluation = Evaluation(source, protocol, network, memories)
    if options.plan:
        print(plan(evaluation, names))
        return 0
    executor = chosen_executor(options, network.device)
    store = evaluation.open_store(chosen_output(options), overwrite=options.overwrite)
    failures = _do(evaluation, store, names, executor=executor)
    scores = {
        memory: [store.score(memory, name) for name in names if store.has_score(memory, name)] for memory in memories
    }
    whole = [memory for memory in memories if len(scores[memory]) == len(source.open().names)]
    hidden = options.dataset in SUBMISSIONS and any(one.is_hidden for own in scores.values() for one in own)
    submissions = [write_submission(evaluation, store, names, memory=memory) for memory in whole if hidden]
    report = EvaluationReport(
        evaluation,
        store,
        introduction=facts(network, module=MODULE, arguments=arguments),
        scores=scores,
        failures=failures,
        submissions=submissions,
        ablation=options.ablation,
    )
    print(write_page(report))
    return 1 if failures else 0


def _do(evaluation: Evaluation, store: ResultStore, names: Sequence[str], *, executor: Executor) -> list[Failure]:
    """Track and score what is missing. Tells at once what fails, and returns it in the order of the data set."""
    failures = []
    total = len(names) * len(evaluation.memories)
    with tqdm(total=total, unit='video', disable=None) as progress:
        for failure in evaluate(evaluation, store, names, executor=executor):
            progress.update()
            if failure is not None:
                failures.append(failure)
                progress.write(f'error: {failure.name} with {failure.memory}: {failure.reason}', file=sys.stderr)
    return sorted(failures, key=lambda failure: (names.index(failure.name), evaluation.memories.index(failure.memory)))


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f'python -m {MODULE}',
        description='Track the videos of a data set by a protocol, score the tracks, write a page with our figures '
        'beside published ones.',
    )
    add = parser.add_argument
    add('dataset', choices=DATASETS, metavar='DATASET', help=f'one of {", ".join(DATASETS)}')
    add('root', type=Path, metavar='ROOT', help='folder of the data set, as it is downloaded')
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
        choices=FIRST_PROMPTS,
        default='',
        metavar='KIND',
        help=f'in the first frame of an object, for the protocol semi-supervised: {", ".join(FIRST_PROMPTS)} '
        '(default: mask)',
    )
    add(
        '--memory',
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
    add_executor_arguments(parser)
    add('--plan', action='store_true', help='run nothing; print videos, frames, and the hours that they would take')
    add('--image-size', type=positive, metavar='PIXELS', help="side of the network's input (default: as trained)")
    add('--overwrite', action='store_true', help='delete kept results of other weights, code or settings')
    add_network_arguments(parser)
    return parser


if __name__ == '__main__':
    sys.exit(main())
