"""What the command lines of the benchmarks share: which network, which clips, where results go."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch

from sam2_ros.evaluation.datasets.annotated import HALVES, LAYOUTS, ClipFolder
from sam2_ros.evaluation.datasets.clips import ClipSet
from sam2_ros.evaluation.datasets.synthetic import SUBSETS, Subset
from sam2_ros.evaluation.machine import processor_name
from sam2_ros.evaluation.measures.speed import WARM_UP_FRAMES
from sam2_ros.evaluation.network import NetworkSource
from sam2_ros.evaluation.protocols.first_frame import PROMPT_KINDS
from sam2_ros.model import VARIANTS
from sam2_ros.model.build import bundled_weights
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.model.device import choose_device
from sam2_ros.synthetic.scene import SPLITS
from sam2_ros.tracking import POLICY_NAMES


def add_benchmark_arguments(
    parser: argparse.ArgumentParser,
    *,
    subsets: Sequence[str] = tuple(SUBSETS),
    prompts: Sequence[str] = tuple(PROMPT_KINDS),
    clips: int | None = None,
    frames: int | None = None,
) -> None:
    """Add the arguments for synthetic clips, and those of `add_run_arguments`.

    Args:
        parser: gets the arguments.
        subsets, prompts: defaults.
        clips, frames: defaults; when left out, those of each subset.
    """
    add = parser.add_argument
    add(
        '--subsets',
        nargs='+',
        choices=SUBSETS,
        default=list(subsets),
        metavar='NAME',
        help=f'of {", ".join(SUBSETS)} (default: {" ".join(subsets)})',
    )
    add(
        '--clips',
        type=positive,
        metavar='N',
        default=clips,
        help=f'clips per subset (default: {clips or _by_subset(lambda subset: subset.clips)})',
    )
    add(
        '--frames',
        type=positive,
        metavar='N',
        default=frames,
        help=f'frames per clip (default: {frames or _by_subset(lambda subset: subset.scene.frames)})',
    )
    add(
        '--split',
        choices=SPLITS,
        default='heldout',
        help='train: clips made of what the bundled weights were trained on (default: %(default)s)',
    )
    add_run_arguments(parser, prompts=prompts)


def add_run_arguments(parser: argparse.ArgumentParser, *, prompts: Sequence[str]) -> None:
    """Add the arguments for prompts, processes and kept predictions, and those of `add_network_arguments`.

    Args:
        parser: gets the arguments.
        prompts: default.
    """
    add = parser.add_argument
    add(
        '--prompts',
        nargs='+',
        choices=PROMPT_KINDS,
        default=list(prompts),
        metavar='KIND',
        help=f'of {", ".join(PROMPT_KINDS)} (default: {" ".join(prompts)})',
    )
    add(
        '--workers',
        type=positive,
        default=os.cpu_count() or 1,
        metavar='N',
        help='processes (default: one for each core, here %(default)s)',
    )
    add(
        '--predictions',
        type=Path,
        default=Path('build/predictions'),
        metavar='FOLDER',
        help='where predictions are kept (default: %(default)s)',
    )
    add('--overwrite', action='store_true', help='delete kept predictions of other weights or clips')
    add_network_arguments(parser)


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


def add_policies_argument(parser: argparse.ArgumentParser, *, policies: Sequence[str]) -> None:
    """Add the argument for the memory policies that are compared, `policies` by default."""
    default = 'all' if len(policies) == len(POLICY_NAMES) else ' '.join(policies)
    parser.add_argument(
        '--policies',
        nargs='+',
        choices=POLICY_NAMES,
        default=list(policies),
        metavar='NAME',
        help=f'memory policies, the baseline first, of {", ".join(POLICY_NAMES)} (default: {default})',
    )


def add_half_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the half of the filmed clips."""
    parser.add_argument(
        '--half',
        choices=HALVES,
        default='all',
        help='of the filmed clips, which belong to the first and the second half by turns (default: %(default)s)',
    )


def add_real_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for filmed clips instead of synthetic ones."""
    parser.add_argument(
        '--real',
        type=Path,
        metavar='FOLDER',
        help=f'filmed clips with their label images, instead of synthetic clips: {LAYOUTS}',
    )
    add_half_argument(parser)


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


def _by_subset(value: Callable[[Subset], int]) -> str:
    return ', '.join(f'{name} {value(subset)}' for name, subset in SUBSETS.items())


def chosen_subsets(options: argparse.Namespace) -> dict[str, Subset]:
    """The subsets of --subsets, --clips, --frames and --split.

    Raises:
        ValueError: for clips too short to be timed.
    """
    if options.frames is not None and options.frames <= WARM_UP_FRAMES:
        raise ValueError(f'--frames must be more than {WARM_UP_FRAMES}, which pass before time is measured')
    return {
        name: replace(
            SUBSETS[name],
            clips=options.clips or SUBSETS[name].clips,
            split=options.split,
            scene=replace(SUBSETS[name].scene, frames=options.frames or SUBSETS[name].scene.frames),
        )
        for name in options.subsets
    }


def chosen_clips(
    options: argparse.Namespace, parser: argparse.ArgumentParser, *, synthetic: Callable[[], Mapping[str, ClipSet]]
) -> Mapping[str, ClipSet]:
    """The clips of --real and --half; without --real the synthetic ones.

    Args:
        options: with the arguments of `add_real_arguments`.
        parser: where they come from.
        synthetic: gives the clips of the other arguments.

    Raises:
        ValueError: if arguments of both kinds are given, or the folder holds no clips.
    """
    if options.real is None:
        if options.half != parser.get_default('half'):
            raise ValueError('--half is of filmed clips; give their folder with --real')
        return synthetic()
    for name in ('subsets', 'clips', 'frames', 'split'):
        if getattr(options, name, None) != parser.get_default(name):
            raise ValueError(f'--{name} is for synthetic clips; it cannot be given with --real')
    return {'real': ClipFolder(options.real, options.half)}


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
    # the folder of the predictions does not matter for the result
    kept = [
        re.sub(r'(^|=)/(.*/)?(?=[^/])', r'\1', word.rstrip('/'))
        for before, word in zip(['', *arguments], arguments, strict=False)
        if '--predictions' not in (before, word) and not word.startswith('--predictions=')
    ]
    digest = network.weights_digest[:12]
    return [
        f'Command: `{shlex.join(["python", "-m", module, *kept])}`',
        f'Network: {network.name}, float32, weights {network.checkpoint.name} (SHA-256 {digest}…)',
        f'Machine: {processor_name(network.device)}, {os.cpu_count()} {platform.machine()} cores; '
        f'torch {torch.__version__}, {torch.get_num_threads()} threads',
        f'Date: {date.today().isoformat()}',
    ]


def describe(network: NetworkSource, *, module: str, arguments: Sequence[str], clips: str | None = None) -> str:
    """The `facts` of a run as a Markdown list.

    Args:
        network, module, arguments: as there.
        clips: which ones, if that is not plain from the command.
    """
    told = facts(network, module=module, arguments=arguments)
    return '\n'.join(f'- {fact}' for fact in (*told, *([f'Clips: {clips}'] if clips else [])))
