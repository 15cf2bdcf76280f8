"""Prompts from a command line: --box 258,219,291,308 --point 5:30,40,0 --name cup ..."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sam2_ros.files.masks import WHERE_OBJECT_IS, read_mask
from sam2_ros.tracking import Prompt

HOW_TO_PROMPT = 'say what to track with --box x0,y0,x1,y1, --point x,y or --mask file.png'


@dataclass(frozen=True)
class PromptPart:
    """One --name, --box, --point or --mask of a command line.

    Attributes:
        kind: 'name', 'box', 'point' or 'mask'.
        text: what was given on the command line.
        value: the name; x0, y0, x1, y1; x, y, label; or an (H, W) bool mask. Coordinates are in pixels.
        frame: index of the frame it is for; 0 for a name.
    """

    kind: str
    text: str
    value: str | tuple[float, ...] | np.ndarray
    frame: int = 0


@dataclass
class _Draft:
    """The parts of one object on one frame."""

    object_id: str
    frame: int
    points: list[tuple[float, ...]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    region: dict[str, tuple[float, ...] | np.ndarray] = field(default_factory=dict)  # 'box' or 'mask'

    def prompt(self) -> Prompt:
        return Prompt(self.object_id, points=self.points, labels=self.labels, **self.region)


def add_prompt_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --box, --point, --mask and --name. Each may be repeated."""
    group = parser.add_argument_group(
        'what to track',
        'Coordinates are pixels of the image, x to the right, y down. Frames are counted from 0. FRAME: puts a prompt '
        'on a later frame; there it corrects an object that is already tracked. A prompt belongs to the object of the '
        'last --name before it. Without names, a second box or mask on a frame starts another object.',
    )
    for option, kind, metavar, text in (
        ('--box', _box_part, '[FRAME:]X0,Y0,X1,Y1', 'corners of the object'),
        ('--point', _point_part, '[FRAME:]X,Y[,LABEL]', 'a point on the object; with label 0, beside it'),
        ('--mask', _mask_part, '[FRAME:]FILE', f'an image file of the same size: {WHERE_OBJECT_IS}'),
        ('--name', _name_part, 'ID', 'name of the object that the prompts after it are for'),
    ):
        group.add_argument(option, action='append', dest='prompt_parts', type=kind, metavar=metavar, help=text)


def prompts_by_frame(parts: Sequence[PromptPart]) -> dict[int, list[Prompt]]:
    """Build prompts from their parts.

    Args:
        parts: in the order of the command line.

    Returns:
        The prompts of each frame, by its index.

    Raises:
        ValueError: if parts contradict each other.
    """
    drafts: dict[tuple[str, int], _Draft] = {}
    name, number, named = 'object_1', 1, False
    for part in parts:
        if isinstance(part.value, str):
            name, named = part.value, True
            continue
        draft = drafts.setdefault((name, part.frame), _Draft(name, part.frame))
        if part.kind == 'point':
            x, y, label = part.value
            draft.points.append((x, y))
            draft.labels.append(int(label))
            continue
        if draft.region and named:
            raise ValueError(f'there is more than one box or mask for {name!r} on frame {part.frame}')
        if draft.region:
            number += 1
            name = f'object_{number}'
            draft = drafts[name, part.frame] = _Draft(name, part.frame)
        draft.region[part.kind] = part.value
    by_frame: dict[int, list[Prompt]] = {}
    for draft in drafts.values():
        by_frame.setdefault(draft.frame, []).append(draft.prompt())
    return by_frame


def mask_files(parts: Sequence[PromptPart]) -> list[Path]:
    """The files that the masks were read from."""
    return [Path(_split_frame(part.text)[1]) for part in parts if part.kind == 'mask']


def check_prompts(prompts: Mapping[int, Sequence[Prompt]], *, size: tuple[int, int], frame_count: int | None) -> None:
    """Raise ValueError for a prompt outside the images or the video, or one that cannot start its object.

    Args:
        prompts: by frame index.
        size: (height, width) of the images in pixels.
        frame_count: number of frames; None if it is not known.
    """
    started: set[str] = set()
    for frame in sorted(prompts):
        if frame_count is not None and frame >= frame_count:
            raise ValueError(f'there is a prompt for frame {frame}, but the last frame is {frame_count - 1}')
        for prompt in prompts[frame]:
            prompt.check_fits(*size)
            if prompt.object_id not in started:
                prompt.check_starts_object()
            started.add(prompt.object_id)


def _split_frame(text: str) -> tuple[int, str]:
    match = re.fullmatch(r'(\d+):(.+)', text)
    return (int(match[1]), match[2]) if match else (0, text)


def _numbers(text: str, counts: tuple[int, ...], accepted: str) -> tuple[int, tuple[float, ...]]:
    frame, rest = _split_frame(text)
    try:
        numbers = tuple(float(number) for number in rest.split(','))
    except ValueError:
        numbers = ()
    if len(numbers) not in counts:
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form {accepted}')
    return frame, numbers


def _box_part(text: str) -> PromptPart:
    frame, numbers = _numbers(text, (4,), 'x0,y0,x1,y1 or frame:x0,y0,x1,y1')
    return PromptPart('box', text, numbers, frame)


def _point_part(text: str) -> PromptPart:
    frame, numbers = _numbers(text, (2, 3), 'x,y or x,y,label or frame:x,y,label')
    x, y, label = (*numbers, 1)[:3]
    if label not in (0, 1):
        raise argparse.ArgumentTypeError(f'the label of {text!r} must be 1 (on the object) or 0 (beside it)')
    return PromptPart('point', text, (x, y, label), frame)


def _mask_part(text: str) -> PromptPart:
    frame, file = _split_frame(text)
    try:
        return PromptPart('mask', text, read_mask(Path(file)), frame)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _name_part(text: str) -> PromptPart:
    # names become names of folders and cells of tables
    if not re.fullmatch(r'\w[\w.-]*', text):
        raise argparse.ArgumentTypeError(f'{text!r} must consist of letters, digits, _, - and .')
    return PromptPart('name', text, text)
