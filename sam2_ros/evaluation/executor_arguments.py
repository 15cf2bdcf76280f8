"""Arguments of command lines that choose where work is done."""

from __future__ import annotations

import argparse

from sam2_ros.evaluation.cluster import RayCluster
from sam2_ros.evaluation.command_line import positive
from sam2_ros.evaluation.executors import Executor, Processes


def add_executor_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --processes, --ray and --gpus."""
    add = parser.add_argument
    add('--processes', type=positive, default=1, metavar='N', help='how many work side by side (default: %(default)s)')
    add(
        '--ray',
        metavar='ADDRESS',
        help='these work on a Ray cluster: host:port, auto, or local for one of this machine alone; needs pip install '
        "'.[cluster]'",
    )
    add(
        '--gpus',
        type=_share,
        metavar='SHARE',
        help='with --ray, GPUs for each of them, such as 0.25 (default: 1, without GPUs 0)',
    )


def chosen_executor(options: argparse.Namespace, device: str) -> Executor:
    """That of --processes, --ray and --gpus.

    Raises:
        ValueError: if these do not fit together.
        ImportError: if Ray is not installed.
    """
    if options.ray is None:
        if options.gpus is not None:
            raise ValueError('--gpus is for --ray, which shares them out')
        return Processes(options.processes)
    if device.startswith('cuda:'):
        raise ValueError(f'--ray chooses the GPU of each process: --device cuda, not {device}')
    if options.gpus and device == 'cpu':
        raise ValueError('--gpus is for --device cuda')
    gpus = options.gpus or (0.0 if device == 'cpu' else 1.0)
    return RayCluster(options.ray, options.processes, gpus)


def _share(text: str) -> float:
    """Type of an argument that is a part of one thing, or all of it."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number above 0 and up to 1')
    return share
