"""Checks of values that callers give. Each error says what was given and what is accepted."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

QUOTE = 80  # most characters of a wrong value that an error message repeats


def quoted(value: Any) -> str:
    """A wrong value as an error message repeats it: shortened, because it may be megabytes long."""
    text = repr(value[:QUOTE] if isinstance(value, (str, bytes, list, tuple)) else value)
    return text if len(text) <= QUOTE else text[: QUOTE - 3] + '...'


def check_whole(name: str, value: Any, *, least: int | None = None, most: int | None = None) -> None:
    """Raise TypeError unless `value` is a whole number, ValueError unless `least` <= `value` <= `most`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f'{name} must be a whole number, not {quoted(value)}')
    _check_bounds(name, value, least, most)


def check_number(name: str, value: Any, *, least: float | None = None, most: float | None = None) -> None:
    """Raise TypeError unless `value` is a number, ValueError unless it is finite and `least` <= `value` <= `most`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f'{name} must be a number, not {quoted(value)}')
    if not math.isfinite(value):
        raise ValueError(f'{name} must be finite, not {value}')
    _check_bounds(name, value, least, most)


def check_flag(name: str, value: Any) -> None:
    """Raise TypeError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f'{name} must be True or False, not {quoted(value)}')


def check_time(value: Any) -> None:
    """Raise TypeError or ValueError unless `value` is a time in seconds or None."""
    if value is not None:
        check_number('time, in seconds,', value)


def _check_bounds(name: str, value: Any, least: float | None, most: float | None) -> None:
    if least is not None and value < least:
        raise ValueError(f'{name} must be at least {least}, not {value}')
    if most is not None and value > most:
        raise ValueError(f'{name} must be at most {most}, not {value}')
