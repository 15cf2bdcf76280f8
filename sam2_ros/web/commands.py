"""What a page may ask for, read from its messages. Everything is checked before it is believed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sam2_ros.web.pictures import NANOSECONDS, mask_of_runs

LONGEST_NAME = 64  # characters of an object or a class
MOST_POINTS = 256  # of one prompt
STAMP = re.compile(r'(\d{1,10})\.(\d{9})')


class CommandError(ValueError):
    """A message of a page that is not understood or not accepted; a sentence says why.

    Attributes:
        number: that of the command; 0 if it is not known.
    """

    number = 0


@dataclass(frozen=True, kw_only=True)
class Command:
    """Something that a page asks for.

    Attributes:
        number: the page's own, repeated in the answer.
        camera: index in the list of cameras.
    """

    number: int = 0
    camera: int = 0


@dataclass(frozen=True, kw_only=True)
class Watch(Command):
    """Show this camera from now on."""


@dataclass(frozen=True, kw_only=True)
class Drawn(Command):
    """The picture that was sent last is on the screen: the next one may come."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prompt(Command):
    """What was drawn on the picture of this stamp. An empty name is a new object that the tracker names.

    Attributes:
        stamp_ns: of the picture, in nanoseconds.
        points: (x, y, label) in pixels of the camera's image; label 1 is on the object, 0 beside it.
        box: x_min, y_min, x_max, y_max, half-open.
        corner: x, y of the first pixel of `mask` in the image.
        mask: (h, w) bool.
        extend: the points add to those given earlier for this object on this picture.
    """

    stamp_ns: int
    object_id: str = ''
    class_name: str = ''
    points: tuple[tuple[float, float, int], ...] = ()
    box: tuple[float, float, float, float] | None = None
    corner: tuple[int, int] = (0, 0)
    mask: np.ndarray | None = None
    extend: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Rename(Prompt):
    """Track what `mask` shows under the name `object_id`, and forget the object `old`."""

    old: str


@dataclass(frozen=True, kw_only=True)
class Remove(Command):
    """Forget an object."""

    object_id: str


@dataclass(frozen=True, kw_only=True)
class Reset(Command):
    """Forget all objects of the camera."""


@dataclass(frozen=True, kw_only=True)
class Record(Command):
    """Begin or end a recording."""

    on: bool


Size = tuple[int, int]  # (height, width) in pixels
SizeOf = Callable[[int], Size | None]


def read_command(text: str, *, size_of: SizeOf) -> Command:
    """The command in a message of a page.

    Args:
        text: the message.
        size_of: (height, width) of the images of a camera by its index; None while none has come.

    Raises:
        CommandError: a sentence, for anything else.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError('the message is no JSON') from error
    if not isinstance(entries, dict):
        raise CommandError('the message is no JSON object')
    read = _READERS.get(entries.get('do')) if isinstance(entries.get('do'), str) else None
    if read is None:
        raise CommandError(f'the entry "do" must be one of {", ".join(_READERS)}')
    common = {name: _whole(entries, name) for name in ('number', 'camera')}
    try:
        return read(entries, common, size_of)
    except CommandError as error:
        error.number = common['number']
        raise


def _whole(entries: dict[str, Any], name: str) -> int:
    value = entries.get(name, 0)
    if type(value) is not int or not 0 <= value < 2**31:
        raise CommandError(f'the entry "{name}" must be a whole number from 0 to {2**31 - 1}')
    return value


def _switch(entries: dict[str, Any], name: str) -> bool:
    value = entries.get(name, False)
    if type(value) is not bool:
        raise CommandError(f'the entry "{name}" must be true or false')
    return value


def _name(entries: dict[str, Any], name: str, *, needed: bool = False) -> str:
    value = entries.get(name, '')
    if not isinstance(value, str) or len(value) > LONGEST_NAME or not value.isprintable() or (needed and not value):
        raise CommandError(f'the entry "{name}" must be a text of at most {LONGEST_NAME} printable characters')
    return value


def _numbers(value: Any, count: int, what: str) -> tuple[float, ...]:
    fits = isinstance(value, list) and len(value) == count
    if not fits or not all(type(one) in (int, float) and math.isfinite(one) for one in value):
        raise CommandError(f'{what} must be {count} finite numbers')
    return tuple(float(one) for one in value)


def _stamp(entries: dict[str, Any]) -> int:
    value = entries.get('stamp')
    found = STAMP.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise CommandError('the entry "stamp" must be a text such as "12.000000345"')
    return int(found[1]) * NANOSECONDS + int(found[2])


def _points(entries: dict[str, Any], size: Size) -> tuple[tuple[float, float, int], ...]:
    value = entries.get('points', [])
    if not isinstance(value, list) or len(value) > MOST_POINTS:
        raise CommandError(f'the entry "points" must be a list of at most {MOST_POINTS} points')
    points = []
    for one in value:
        x, y, label = _numbers(one, 3, 'a point')
        if label not in (0, 1):
            raise CommandError('the label of a point must be 1 (on the object) or 0 (beside it)')
        if not (0 <= x < size[1] and 0 <= y < size[0]):
            raise CommandError(f'the point ({x:g}, {y:g}) is outside the image of {size[1]} x {size[0]} pixels')
        points.append((x, y, int(label)))
    return tuple(points)


def _box(value: Any, size: Size, what: str) -> tuple[float, float, float, float]:
    left, top, right, bottom = _numbers(value, 4, what)
    if not (0 <= left < right <= size[1] and 0 <= top < bottom <= size[0]):
        raise CommandError(f'{what} is empty or not within the image of {size[1]} x {size[0]} pixels')
    return left, top, right, bottom


def _mask(value: Any, size: Size) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CommandError('the entry "mask" must have a box and runs')
    left, top, right, bottom = map(int, _box(value.get('box'), size, 'the box of the mask'))
    runs = value.get('runs')
    most = (right - left) * (bottom - top)
    if not isinstance(runs, list) or not all(type(one) is int and 0 <= one <= most for one in runs):
        raise CommandError(f'the runs of the mask must be a list of whole numbers from 0 to {most}')
    try:
        return {'corner': (left, top), 'mask': mask_of_runs(runs, height=bottom - top, width=right - left)}
    except ValueError as error:
        raise CommandError(str(error)) from error


def _prompt_entries(entries: dict[str, Any], common: dict[str, int], size_of: SizeOf) -> dict[str, Any]:
    size = size_of(common['camera'])
    if size is None:
        raise CommandError('no picture of this camera has come yet')
    box, mask = entries.get('box'), entries.get('mask')
    said = {
        **common,
        'stamp_ns': _stamp(entries),
        'object_id': _name(entries, 'object'),
        'class_name': _name(entries, 'class'),
        'points': _points(entries, size),
        'box': None if box is None else _box(box, size, 'the box'),
        'extend': _switch(entries, 'extend'),
        **({} if mask is None else _mask(mask, size)),
    }
    if not said['points'] and box is None and mask is None:
        raise CommandError('the prompt has neither points nor a box nor a mask')
    return said


def _read_prompt(entries: dict[str, Any], common: dict[str, int], size_of: SizeOf) -> Command:
    return Prompt(**_prompt_entries(entries, common, size_of))


def _read_rename(entries: dict[str, Any], common: dict[str, int], size_of: SizeOf) -> Command:
    said = _prompt_entries(entries, common, size_of)
    if 'mask' not in said:
        raise CommandError('to rename an object its mask is needed')
    names = {'object_id': _name(entries, 'object', needed=True), 'old': _name(entries, 'old', needed=True)}
    return Rename(**said | names)


def _read_remove(entries: dict[str, Any], common: dict[str, int], _: SizeOf) -> Command:
    return Remove(**common, object_id=_name(entries, 'object', needed=True))


_READERS: dict[Any, Callable[[dict[str, Any], dict[str, int], SizeOf], Command]] = {
    'watch': lambda _, common, __: Watch(**common),
    'drawn': lambda _, common, __: Drawn(**common),
    'prompt': _read_prompt,
    'rename': _read_rename,
    'remove': _read_remove,
    'reset': lambda _, common, __: Reset(**common),
    'record': lambda entries, common, _: Record(**common, on=_switch(entries, 'on')),
}
