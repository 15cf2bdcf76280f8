"""Counts what data sets of masklets hold: `python -m sam2_ros.tools.dataset_stats FOLDER ...` prints a table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from sam2_ros.interruption import command_status
from sam2_ros.masklets import FORMATS, Statistics, read_masklets, statistics

# Header and value of each column.
COLUMNS: tuple[tuple[str, Callable[[Statistics], str]], ...] = (
    ('videos', lambda counted: f'{counted.videos}'),
    ('duration', lambda counted: _duration(counted.seconds)),
    ('masklets', lambda counted: f'{counted.masklets}'),
    ('masks', lambda counted: f'{counted.masks}'),
    ('frames', lambda counted: f'{counted.frames}'),
    ('disappearance rate', lambda counted: f'{counted.disappearance_rate:.1%}' if counted.masklets else '-'),
)
DEFINITIONS = (
    'videos: with annotation. duration: frames of these videos divided by their frame rate. masklets: objects with a '
    'mask. masks: those that are not empty. frames: annotated ones, also without an object. disappearance rate: share '
    'of the masklets that are gone in an annotated frame and back in a later one.'
)


def _duration(seconds: float) -> str:
    return f'{seconds / 3600:.1f} h' if seconds >= 360 else f'{seconds:.1f} s'


def table(rows: Sequence[tuple[str, Statistics]]) -> str:
    """A Markdown table, one row for each name with its statistics."""
    lines = [['', *(header for header, _ in COLUMNS)]]
    lines += [[name, *(value(counted) for _, value in COLUMNS)] for name, counted in rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    rule = '|' + '|'.join(f'---{"" if number == 0 else ":"}' for number in range(len(widths))) + '|'
    text = [f'| {" | ".join(map(str.ljust, line, widths))} |' for line in lines]
    return '\n'.join([text[0], rule, *text[1:]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m sam2_ros.tools.dataset_stats',
        description='Count videos, masklets and masks of data sets and print a table.',
        epilog=DEFINITIONS,
    )
    formats = '; '.join(f'{one.name} ({one.description})' for one in FORMATS.values())
    parser.add_argument('data_sets', type=Path, nargs='+', metavar='FOLDER', help=f'a folder or file: {formats}')
    parser.add_argument('--format', choices=FORMATS, default='', help='of all of them (default: found out)')
    parser.add_argument(
        '--frame-rate',
        type=float,
        metavar='FPS',
        help='frames per second of videos whose files do not tell (default: as in the data set the format is named '
        'after)',
    )
    return parser


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(args)
    return command_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    if options.frame_rate is not None and not options.frame_rate > 0:
        raise ValueError(f'the frame rate must be above 0, got {options.frame_rate}')
    rows = []
    for path in options.data_sets:
        videos = read_masklets(path, format=options.format, frame_rate=options.frame_rate)
        counted = statistics(tqdm(videos, unit='video', desc=str(path), leave=False))
        rows.append((path.resolve().name, counted))
    print(table(rows))
    return 0


if __name__ == '__main__':
    sys.exit(main())
