"""What a tool was given to read is not written over."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def check_inputs_stay(inputs: Iterable[Path], *, files: Iterable[Path], folders: Iterable[Path] = ()) -> None:
    """Raise ValueError when one of the files `inputs` is among what a tool is about to write, links followed.

    The tool writes `files`, and files of any name in `folders` and in the folders directly in these.
    """
    identities = {_identity(file) for file in files if file.exists()}
    written = {folder.resolve() for folder in folders}
    written |= {child.resolve() for folder in written if folder.is_dir() for child in folder.iterdir()}
    for file in inputs:
        if written.intersection(file.resolve().parents) or (file.exists() and _identity(file) in identities):
            raise ValueError(f'{file} is to be read, and would be written over; give another folder for the results')


def _identity(file: Path) -> tuple[int, int]:
    """The same for all names of a file, symbolic and hard links included."""
    status = file.stat()
    return status.st_dev, status.st_ino
