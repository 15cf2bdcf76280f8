"""Arguments of command lines that choose the network."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam2_ros.evaluation.network import NetworkSource
from sam2_ros.model import VARIANTS, Sam2Network, build_sam2
from sam2_ros.model.build import bundled_weights
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.model.device import AUTO, DTYPES, choose_device, choose_dtype
from sam2_ros.tracking import POLICY_NAMES


def add_model_arguments(parser: argparse.ArgumentParser, *, memory: bool = True) -> None:
    """Add --model, --checkpoint, --device, --dtype, --image-size and, for videos, --memory."""
    group = parser.add_argument_group('network')
    group.add_argument(
        '--model',
        choices=VARIANTS,
        default=DEFAULT_MODEL,
        metavar='NAME',
        help=f'variant (default: %(default)s): {", ".join(VARIANTS)}',
    )
    group.add_argument('--checkpoint', type=Path, help='weights, .pt or .safetensors (default: the bundled ones)')
    group.add_argument('--device', default=AUTO, help='cpu, cuda, cuda:1 ... (default: the first GPU, or the CPU)')
    group.add_argument(
        '--dtype', choices=(AUTO, *DTYPES), default=AUTO, help='default: bfloat16 on a GPU, float32 on the CPU'
    )
    group.add_argument(
        '--image-size',
        type=int,
        metavar='PIXELS',
        help='side of the image the network sees, a multiple of 32, for edgetam of 256 (default: as trained)',
    )
    if memory:
        group.add_argument('--memory', choices=POLICY_NAMES, default='dam', help='memory policy (default: %(default)s)')


def node_parameters(arguments: argparse.Namespace) -> dict[str, str | int]:
    """What the arguments of `add_model_arguments` ask for, as parameters of the tracker node.

    Arguments that were not given are left out, so the node has its defaults.
    """
    checkpoint = arguments.checkpoint and str(arguments.checkpoint.resolve())
    given = {
        'model': arguments.model,
        'memory': arguments.memory,
        'checkpoint': checkpoint,
        'device': arguments.device,
        'dtype': arguments.dtype,
        'image_size': arguments.image_size,
    }
    return {name: value for name, value in given.items() if value is not None}


def load_requested_network(arguments: argparse.Namespace) -> Sam2Network:
    """Build the network that the arguments of `add_model_arguments` ask for.

    Raises:
        ValueError: for a model without weights, a file that does not fit, or a device that is not there.
        FileNotFoundError: if there is no such file.
    """
    device = choose_device(arguments.device)
    return build_sam2(
        arguments.model,
        _checkpoint(arguments),
        device=device,
        dtype=choose_dtype(arguments.dtype, device),
        image_size=arguments.image_size,
    )


def requested_network(arguments: argparse.Namespace) -> NetworkSource:
    """The same network, for processes that load it themselves.

    Raises:
        ValueError: for a model without weights, or a device that is not there.
    """
    device = choose_device(arguments.device)
    return NetworkSource(
        arguments.model,
        _checkpoint(arguments).absolute(),
        arguments.image_size or VARIANTS[arguments.model].image_size,
        str(device),
        choose_dtype(arguments.dtype, device),
    )


def _checkpoint(arguments: argparse.Namespace) -> Path:
    checkpoint = arguments.checkpoint or bundled_weights(arguments.model)
    if checkpoint is None:
        raise ValueError(
            f'{arguments.model} has no bundled weights; give a file with --checkpoint, for instance what '
            f'python -m sam2_ros.tools.download_weights {arguments.model} downloads'
        )
    return checkpoint
