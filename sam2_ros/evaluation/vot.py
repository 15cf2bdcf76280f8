"""Our trackers for the toolkit of the VOT challenges: `python -m sam2_ros.evaluation.vot --ini > trackers.ini`.

With --ini it prints what the toolkit needs to know. Without, it is a tracker that the toolkit starts and that speaks
TraX, the protocol of the toolkit, over standard input and output. One entry serves anchors (VOT-ST2020 and 2022),
several objects (VOTS) and DiDi.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.evaluation.command_line import chosen_network, positive
from sam2_ros.evaluation.datasets.reading import read_lines
from sam2_ros.evaluation.datasets.vot import FIRST_MASK
from sam2_ros.evaluation.datasets.vot_regions import region_mask
from sam2_ros.evaluation.network import NetworkSource
from sam2_ros.interruption import command_status
from sam2_ros.model import VARIANTS, Network
from sam2_ros.model.config import DEFAULT_MODEL
from sam2_ros.tracking import POLICY_NAMES, Prompt, VideoTracker
from sam2_ros.video.source import read_image

MODULE = 'sam2_ros.evaluation.vot'
TIMEOUT = 600  # seconds that the toolkit waits for an answer; its own 30 are too few to load a network


def serve(model: Network, memory: str, *, name: str) -> None:
    """Track what the toolkit asks for, until it says that it is done.

    Args:
        model: the network.
        memory: name of the memory policy.
        name: under which the tracker introduces itself.

    Raises:
        ImportError: if vot-trax is not installed.
        ValueError, OSError: if an image or a region cannot be read. The toolkit is told.
    """
    trax = _trax()
    formats = [trax.Region.MASK, trax.Region.RECTANGLE]
    server = trax.Server(formats, [trax.Image.PATH], tracker_name=name, multiobject=True)
    tracker = VideoTracker(model, memory)
    try:
        while (request := server.wait()).type != trax.TraxStatus.QUIT:
            if request.type == trax.TraxStatus.INITIALIZE:
                tracker.reset()
            file = Path(request.image['color'].path())
            rgb = read_image(file)
            new = enumerate(request.objects or (), len(tracker.object_ids))
            prompts = [_prompt(str(number), region, file, rgb) for number, (region, _) in new]
            result = tracker.step(rgb, prompts)
            masks = [result[object_id].mask.astype(np.uint8) for object_id in tracker.object_ids]
            server.status([(trax.Mask.create(mask), {}) for mask in masks])
    except (ValueError, OSError, RuntimeError) as error:
        server.quit(str(error))
        raise
    server.quit()


def _prompt(object_id: str, region: Any, file: Path, rgb: np.ndarray) -> Prompt:
    """The prompt of a region, which is a mask or a box; for a box in DiDi the mask that DiDi gives beside it."""
    size = (rgb.shape[0], rgb.shape[1])
    if region.type == _trax().Region.MASK:
        crop, (x, y) = region.array() > 0, region.offset()
        mask = np.zeros(size, bool)
        height, width = min(crop.shape[0], size[0] - y), min(crop.shape[1], size[1] - x)
        mask[y : y + height, x : x + width] = crop[:height, :width]
        return Prompt(object_id, mask=mask)
    given = file.parent.parent / FIRST_MASK
    if given.is_file() and file == min(file.parent.iterdir()):
        return Prompt(object_id, mask=region_mask(read_lines(given)[0], size))
    x, y, width, height = region.bounds()
    return Prompt(object_id, box=(x, y, x + width, y + height))


def manifest(network: NetworkSource, memories: Sequence[str], *, image_size: int | None) -> str:
    """The text of a trackers.ini with one tracker for each memory.

    Args:
        network: its weights are named by their absolute path, as is the interpreter that runs this.
        memories: names of memory policies.
        image_size: side of the network input; None: as trained.

    Raises:
        ValueError: if there is no such memory.
    """
    sections = []
    for memory in memories:
        if memory not in POLICY_NAMES:
            raise ValueError(f'there is no memory {memory!r}; accepted are {", ".join(POLICY_NAMES)}')
        words = ['env', f'PYTHONPATH={Path(__file__).resolve().parents[2]}', sys.executable, '-m', MODULE]
        words += ['--model', network.name, '--checkpoint', str(network.checkpoint), '--device', network.device]
        words += ['--memory', memory, *(['--image-size', str(image_size)] if image_size else [])]
        command = shlex.join(words).replace('%', '%%')  # % is special in such files
        sections.append(
            f'[sam2_ros_{memory}]\nlabel = {network.name}, {memory}\nprotocol = trax\ncommand = {command}\n'
            f'timeout = {TIMEOUT}\n'
        )
    return '\n'.join(sections)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    return command_status(lambda: _run(options), errors=(ValueError, OSError, ImportError, RuntimeError))


def _run(options: argparse.Namespace) -> int:
    network = chosen_network(options, image_size=options.image_size)
    memories = options.memory.split(',')
    text = manifest(network, memories, image_size=options.image_size)
    if options.ini:
        print(text, end='')
        return 0
    if len(memories) > 1:
        raise ValueError(f'one tracker has one memory, not {options.memory}; several are for --ini')
    serve(network.load(), memories[0], name=f'{network.name} {memories[0]}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f'python -m {MODULE}',
        description="A tracker for the toolkit of the VOT challenges (pip install '.[vot]'), and the entry for its "
        'trackers.ini.',
    )
    add = parser.add_argument
    add('--ini', action='store_true', help='print the text of a trackers.ini, with a tracker for each memory')
    add(
        '--memory',
        default='dam',
        metavar='NAME',
        help=f'of {", ".join(POLICY_NAMES)}; with --ini several, with commas (default: %(default)s)',
    )
    add('--model', choices=VARIANTS, default=DEFAULT_MODEL, metavar='NAME', help='default: %(default)s')
    add('--checkpoint', type=Path, metavar='FILE', help='weights (default: the bundled ones)')
    add('--device', default='cpu', help='default: %(default)s')
    add('--image-size', type=positive, metavar='PIXELS', help="side of the network's input (default: as trained)")
    return parser


def _trax() -> Any:
    try:
        import trax
    except ImportError as error:
        raise ImportError(
            f"the toolkit of VOT needs the Python package vot-trax: pip install '.[vot]' ({error})"
        ) from error
    return trax


if __name__ == '__main__':
    sys.exit(main())
