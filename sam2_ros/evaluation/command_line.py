"""What the command lines of evaluations share: which network, where results go, and how to repeat a run."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shlex
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import torch

from sam2_ros.evaluation.machine import processor_name
from sam2_ros.evaluation.network import NetworkSource
from sam2_ros.model import VARIANTS
from sam2_ros.model.build import bundled_weights
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.model.device import choose_device


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the network, its device, and the folder of the result page."""
    add = parser.add_argument
    add('--model', choices=VARIANTS, default=DEFAULT_MODEL, metavar='NAME', help='default: %(default)s')
    add('--checkpoint', type=Path, metavar='FILE', help='weights (default: the bundled ones)')
    add('--device', default='cpu', help='default: %(default)s')
    add(
        '--output',
        type=Path,
        default=Path('build/benchmarks'),
        metavar='FOLDER',
        help='where the result page goes (default: %(default)s)',
    )


def chosen_output(options: argparse.Namespace) -> Path:
    """The folder of --output. It is made here, so that an error comes before hours of work.

    Raises:
        OSError: if it cannot be made.
    """
    folder: Path = options.output
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f'--output must be a folder, and {folder} is something else')
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def positive(text: str) -> int:
    """Type of an argument that is a number of things: a whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number above 0')
    return int(text)


def chosen_network(options: argparse.Namespace, *, image_size: int | None) -> NetworkSource:
    """The network of --model, --checkpoint and --device. It is built once here, so that an error comes before the work.

    Args:
        options: with the arguments of `add_network_arguments`.
        image_size: side of the network input in pixels; None: the model's own.

    Raises:
        FileNotFoundError, ValueError, RuntimeError: if the network cannot be built.
    """
    checkpoint = options.checkpoint or bundled_weights(options.model)
    if checkpoint is None:
        raise FileNotFoundError(f'{options.model} has no bundled weights; give a file with --checkpoint')
    image_size = image_size or VARIANTS[options.model].image_size
    source = NetworkSource(options.model, checkpoint.absolute(), image_size, str(choose_device(options.device)))
    source.load()
    return source


def facts(network: NetworkSource, *, module: str, arguments: Sequence[str]) -> list[str]:
    """How to repeat a run, and on which machine it was made, one sentence each.

    Args:
        network: the network of the run.
        module: the Python module that ran.
        arguments: its command line. Of absolute paths only the last part is told.
    """
    kept = [re.sub(r'(^|=)/(.*/)?(?=[^/])', r'\1', word.rstrip('/')) for word in arguments]
    digest = network.weights_digest[:12]
    return [
        f'Command: `{shlex.join(["python", "-m", module, *kept])}`',
        f'Network: {network.name}, float32, weights {network.checkpoint.name} (SHA-256 {digest}…)',
        f'Machine: {processor_name(network.device)}, {os.cpu_count()} {platform.machine()} cores; '
        f'torch {torch.__version__}, {torch.get_num_threads()} threads',
        f'Date: {date.today().isoformat()}',
    ]
