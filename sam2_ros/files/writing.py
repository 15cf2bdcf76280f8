"""Writes files and folders that are whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def named_in_errors(path: Path) -> Iterator[None]:
    """Name the file in errors of writing, which do not name it themselves."""
    try:
        yield
    except OSError as error:
        raise OSError(f'{path} cannot be written: {error.strerror}') from error


def write_whole(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file. Missing folders are made. When that fails, an earlier file of that name is left as it was.

    Args:
        path: of the file.
        data: all of it, or its parts one after the other.

    Raises:
        OSError: if it cannot be written; the message names it.
    """
    part = path.with_name(path.name + '.part')
    with named_in_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(part, 'wb') as file:
                file.writelines([data] if isinstance(data, bytes) else data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def write_whole_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Write a folder anew. What an earlier run wrote there is gone, unless that fails: then it is left as it was.

    Args:
        folder: whose place it takes.
        fill: writes into another folder, which becomes this one.

    Raises:
        OSError: if it cannot be written.
    """
    part, old = (folder.with_name(f'{folder.name}.{suffix}') for suffix in ('part', 'old'))
    with named_in_errors(folder):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    try:
        fill(part)
        with named_in_errors(folder):
            shutil.rmtree(old, ignore_errors=True)
            if folder.exists():
                os.replace(folder, old)
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
