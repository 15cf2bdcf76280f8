"""Real footage without labels: `python -m sam2_ros.evaluation.footage VIDEO` follows what moves before a fixed camera.

Something moves where a frame differs from the median of the video. If no other mover touches it, the outline of a mover
can be followed from frame to frame. So its box is known in every frame without an annotator. The tracker gets only the
first of these boxes. All frames are kept in host memory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from tqdm import tqdm

from sam2_ros.evaluation.command_line import add_network_arguments, chosen_network, chosen_output, describe, positive
from sam2_ros.evaluation.pages.markdown import markdown_table
from sam2_ros.model import Sam2Network
from sam2_ros.tracking import POLICY_NAMES, Prompt, VideoTracker
from sam2_ros.video.source import open_source

MODULE = 'sam2_ros.evaluation.footage'
PAGE = 'footage.md'
START_EVERY = 5  # frames from one attempt to the next
BACKGROUND_EVERY = 8  # frames between those that the median is taken of
CHANGE = 35  # grey values in the channel that differs most
HEIGHTS, WIDTHS = (0.08, 0.21), (0.025, 0.105)  # of a mover, least and most, as shares of the image's height
LEAST_STEP_IOU = 0.35  # of a mover's boxes in one frame and the next
LEAST_AREA = 0.0018  # of a mover, as share of a square of the image's height
MARGIN = 6  # pixels around the box that still count as inside, because the median blurs outlines
LEAST_INSIDE, LEAST_COVER = 0.7, 0.15  # of the mask inside the box; of the box covered by the mask
EXPLANATION = f"""A frame counts as followed if at least {LEAST_INSIDE:.0%} of the mask lies within the box of the mover
and the mask covers at least {LEAST_COVER:.0%} of that box. The first frame, which is prompted, does not count. A mover
is something that differs from the median of the video and that no other mover touches while it is followed. A mover
that can be followed from several of the frames 0, 5, 10 and so on is tried from each of them, so there are more
attempts than movers."""

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, half-open


@dataclass(frozen=True)
class Mover:
    """Something that moves.

    Attributes:
        start: index of the first frame in the video.
        boxes: its box in frame `start`, `start + 1`, ...
    """

    start: int
    boxes: tuple[Box, ...]


def moving_boxes(frames: Sequence[np.ndarray]) -> list[list[Box]]:
    """Boxes of what differs from the median of the frames and has the size of a mover, for each frame.

    Args:
        frames: RGB images (H, W, 3) uint8.
    """
    background = np.median(np.stack(frames[::BACKGROUND_EVERY]), axis=0).astype(np.uint8)
    height = frames[0].shape[0]
    boxes = []
    for frame in tqdm(frames, desc='looking for movers', unit='frame', disable=None):
        changed = (cv2.absdiff(frame, background).max(axis=2) > CHANGE).astype(np.uint8)
        joined = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((9, 5)))
        parts = cv2.connectedComponentsWithStats(cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((3, 3))))[2][1:]
        boxes.append(
            [
                (x, y, x + wide, y + high)
                for x, y, wide, high, area in parts.tolist()
                if WIDTHS[0] <= wide / height <= WIDTHS[1]
                and HEIGHTS[0] <= high / height <= HEIGHTS[1]
                and area >= LEAST_AREA * height**2
            ]
        )
    return boxes


def find_movers(frames: Sequence[np.ndarray], *, length: int) -> list[Mover]:
    """Movers that can be followed for `length` frames from one of the frames 0, 5, 10 and so on."""
    boxes = moving_boxes(frames)
    movers = []
    for start in range(0, len(frames) - length + 1, START_EVERY):
        chains = [_chain(box, boxes[start : start + length]) for box in boxes[start]]
        movers += [Mover(start, tuple(chain)) for chain in chains if len(chain) == length]
    return movers


def _chain(first: Box, boxes: Sequence[Sequence[Box]]) -> list[Box]:
    """The box of one mover from frame to frame, until it is lost, touched by another mover, or splits into two."""
    chain = [first]
    for before, candidates in pairwise(boxes):
        best = max(candidates, key=lambda box: box_iou(chain[-1], box), default=None)
        if best is None or box_iou(chain[-1], best) < LEAST_STEP_IOU:
            break
        joined, parted = (
            sum(_overlap(box, other) > 0 for other in others)
            for box, others in ((best, before), (chain[-1], candidates))
        )
        if max(joined, parted) > 1:
            break
        chain.append(best)
    return chain


def _overlap(a: Box, b: Box) -> int:
    return _size((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def _size(box: Box) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes that are not empty."""
    overlap = _overlap(a, b)
    return overlap / (_size(a) + _size(b) - overlap)


def is_followed(mask: np.ndarray, box: Box) -> bool:
    """Whether an (H, W) bool mask is that of the mover in the box."""
    inside = mask[max(0, box[1] - MARGIN) : box[3] + MARGIN, max(0, box[0] - MARGIN) : box[2] + MARGIN].sum()
    return bool(inside >= LEAST_INSIDE * mask.sum() and inside >= LEAST_COVER * _size(box))


def follow(model: Sam2Network, policy: str, frames: Sequence[np.ndarray], mover: Mover) -> list[bool]:
    """Track a mover from its first box. Returns for each later frame of the mover whether it is followed."""
    tracker = VideoTracker(model, memory=policy)
    prompts = [Prompt('mover', box=mover.boxes[0])]
    followed = []
    for number, box in enumerate(mover.boxes):
        result = tracker.step(frames[mover.start + number], () if number else prompts)
        followed.append(is_followed(result['mover'].mask, box))
    return followed[1:]


def main(arguments: Sequence[str] | None = None) -> None:
    """Follow every mover of a video and print the path of the result page. Exits with a sentence if something
    is wrong.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.frames < 2:
            raise ValueError('--frames must be at least 2: the prompted one, and one to follow')
        networks = [chosen_network(options, image_size=size) for size in options.sizes or [None]]
        source = open_source(options.video)
        if source.frame_count is None:
            raise ValueError(f'{options.video} has no known end; a file or a folder of images is needed')
        frames = list(source)
        if len(frames) < options.frames:
            raise ValueError(f'{options.video} has only {len(frames)} frames; --frames can be at most that')
        movers = find_movers(frames, length=options.frames)
        if not movers:
            raise ValueError(
                f'nothing in {options.video} moves alone before a still camera for {options.frames} frames'
            )
        page = chosen_output(options) / PAGE
    except (ValueError, OSError, RuntimeError) as error:
        parser.error(str(error))
    runs = [(network, policy) for network in networks for policy in options.policies]
    columns = []
    with tqdm(total=len(runs) * len(movers), unit='mover', disable=None) as progress:
        for network, policy in runs:
            model, column = network.load(), []
            for mover in movers:
                column.append(follow(model, policy, frames, mover))
                progress.update()
            columns.append(column)
    names = [f'{policy} {network.image_size}' for network, policy in runs]
    sections = [
        '# Real footage',
        describe(networks[0], module=MODULE, arguments=arguments),
        EXPLANATION,
        _table(movers, names, columns),
    ]
    page.write_text('\n\n'.join(sections) + '\n')
    print(page)


def _table(movers: Sequence[Mover], names: Sequence[str], columns: Sequence[Sequence[Sequence[bool]]]) -> str:
    numbers = number_movers(movers)
    rows = [
        [
            str(numbers[row]),
            f'{mover.start}:' + ','.join(map(str, mover.boxes[0])),
            *(str(sum(column[row])) for column in columns),
        ]
        for row, mover in enumerate(movers)
    ]
    rows.append(
        ['all', f'mean of {len(movers)}', *(f'{np.mean([sum(run) for run in column]):.1f}' for column in columns)]
    )
    return markdown_table(['mover', f'first frame:box, frames followed of {len(movers[0].boxes) - 1}', *names], rows)


def number_movers(attempts: Sequence[Mover]) -> list[int]:
    """A number from 1 for each attempt, in the order of their start. Attempts at the same mover share a number."""
    numbers: list[int] = []
    for row, mover in enumerate(attempts):
        same = [
            number
            for number, other in zip(numbers, attempts[:row], strict=True)
            if mover.boxes[0] == dict(enumerate(other.boxes, other.start)).get(mover.start)
        ]
        numbers.append(same[0] if same else max(numbers, default=0) + 1)
    return numbers


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f'python -m {MODULE}', description='Follow what moves alone before a still camera, from its first box.'
    )
    add = parser.add_argument
    add('video', help='a video file or a folder of images, kept in memory as a whole')
    add(
        '--frames',
        type=positive,
        default=101,
        metavar='N',
        help='frames of each mover, the prompted one included (default: %(default)s)',
    )
    add(
        '--policies',
        nargs='+',
        choices=POLICY_NAMES,
        default=['sam2', 'dam'],
        metavar='NAME',
        help=f'memory policies, of {", ".join(POLICY_NAMES)} (default: sam2 dam)',
    )
    add('--sizes', nargs='+', type=positive, metavar='PIXELS', help='sides of the input (default: of the model)')
    add_network_arguments(parser)
    return parser


if __name__ == '__main__':
    main()
