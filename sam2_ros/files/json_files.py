"""JSON files that are read whole, and those of long lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def read_json(path: Path, *, each: Callable[[dict[str, Any]], Any] | None = None) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        path: of the file.
        each: gives what takes the place of an object, for each one as soon as it is read, the inner ones first.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it holds something else.
    """
    try:
        tree = json.loads(path.read_bytes(), object_hook=each)
    except OSError as error:
        raise OSError(f'{path} cannot be read: {error.strerror}') from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is not JSON: {error}') from error
    if not isinstance(tree, dict):
        raise ValueError(f'{path} must hold an object, but holds a {type(tree).__name__}')
    return tree


def long_lists(head: Mapping[str, Any], lists: Mapping[str, Sequence[str]]) -> Iterator[bytes]:
    """The parts of a JSON file with an object of long lists. As texts, entries take a third of the memory.

    Args:
        head: fields before the lists.
        lists: by the name of the field, its entries as JSON.
    """
    yield json.dumps(head)[:-1].encode()
    for place, (name, entries) in enumerate(lists.items()):
        yield f'{", " if head or place else ""}{json.dumps(name)}: ['.encode()
        for number, entry in enumerate(entries):
            yield f'{", " if number else ""}{entry}'.encode()
        yield b']'
    yield b'}'
