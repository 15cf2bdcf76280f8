"""Refuses to overwrite the files that a tool reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def check_inputs_stay(inputs: Iterable[Path], *, files: Iterable[Path], folders: Iterable[Path] = ()) -> None:
    """Raise ValueError if a tool would overwrite one of its inputs. Links are followed.

    Args:
        inputs: the files that the tool reads.
        files: the files that it writes.
        folders: the tool also writes files of any name in these folders, and in the folders directly inside them.
    """
    identities = {_identity(file) for file in files if file.exists()}
    written = {folder.resolve() for folder in folders}
    written |= {child.resolve() for folder in written if folder.is_dir() for child in folder.iterdir()}
    for file in inputs:
        if written.intersection(file.resolve().parents) or (file.exists() and _identity(file) in identities):
            raise ValueError(f'{file} is an input and would be overwritten; give another folder for the results')


def _identity(file: Path) -> tuple[int, int]:
    """A value that is the same for all names of a file, symbolic and hard links included."""
    status = file.stat()
    return status.st_dev, status.st_ino
