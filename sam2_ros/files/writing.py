"""Writes files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def named_in_errors(path: Path) -> Iterator[None]:
    """Name the file in errors of writing, which do not name it themselves."""
    try:
        yield
    except OSError as error:
        raise OSError(f'{path} cannot be written: {error.strerror}') from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file. Missing folders are made. When that fails, an earlier file of that name is left as it was.

    Raises:
        OSError: if it cannot be written; the message names it.
    """
    part = path.with_name(path.name + '.part')
    with named_in_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
