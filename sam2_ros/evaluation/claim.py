"""A folder of results beside the configuration that made them, so that those of two are never mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sam2_ros.files.writing import write_whole

CONFIG_FILE = 'config.json'


class ConfigMismatchError(ValueError):
    """A folder holds results of another configuration."""


def claim_folder(folder: Path, config: dict[str, Any], *, kept: str, overwrite: bool = False) -> None:
    """Make a folder that of one configuration, which is written into it.

    Args:
        folder: is made if need be.
        config: everything that decides what its files hold; JSON values.
        kept: pattern of these files.
        overwrite: delete those of another configuration.

    Raises:
        ConfigMismatchError: if there are some of another or unknown configuration, and `overwrite` is not set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored, files = _stored_config(folder), list(folder.glob(kept))
    if stored == config:
        return
    if files and not overwrite:
        raise ConfigMismatchError(_mismatch(folder, stored, config))
    for file in files:
        file.unlink()
    write_whole(folder / CONFIG_FILE, (json.dumps(config, indent=2) + '\n').encode())


def _stored_config(folder: Path) -> dict[str, Any] | None:
    """The configuration that a folder names for its results; None if it names none that can be read."""
    try:
        stored = json.loads((folder / CONFIG_FILE).read_text())
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None


def _mismatch(folder: Path, stored: dict[str, Any] | None, config: dict[str, Any]) -> str:
    if stored is None:
        return (
            f'{folder} holds results, but no {CONFIG_FILE} that tells what made them; choose another folder, '
            'or delete them with --overwrite'
        )
    differing = sorted(name for name in stored.keys() | config.keys() if stored.get(name) != config.get(name))
    changes = ', '.join(f'{name} {stored.get(name)!r} instead of {config.get(name)!r}' for name in differing)
    return f'{folder} holds results made with {changes}; choose another folder, or delete them with --overwrite'
