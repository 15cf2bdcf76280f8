"""Predictions on disk, beside the configuration that made them: track once, score as often as needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.files.writing import write_whole

CONFIG_FILE = 'config.json'


class ConfigMismatchError(ValueError):
    """A folder holds predictions of another configuration."""


@dataclass(frozen=True)
class RunKey:
    """One run of the tracker.

    Attributes:
        policy: name of the memory policy.
        prompt: kind of prompt.
        clip: number of the clip in its subset.
        target: label of the target in its clip; 0 if it is the only one.
    """

    policy: str
    prompt: str
    clip: int
    target: int = 0

    @property
    def file_name(self) -> str:
        target = f'_{self.target}' if self.target else ''
        return f'{self.policy}_{self.prompt}_{self.clip:03}{target}.npz'


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was predicted for the target in the T frames of a clip.

    Attributes:
        masks: (T, H, W) bool; empty in frames before the target was prompted.
        object_score: (T,) float32 logits; > 0 where the tracker sees the target, NaN before it was prompted.
    """

    masks: np.ndarray
    object_score: np.ndarray


class PredictionStore:
    """A folder of predictions made with one configuration."""

    def __init__(self, folder: Path, config: dict[str, Any], *, overwrite: bool = False) -> None:
        """Open or make the folder.

        Args:
            folder: is made if need be.
            config: everything that decides what is predicted, except the key of the run; JSON values.
            overwrite: delete the predictions of another configuration.

        Raises:
            ConfigMismatchError: the folder has predictions of another or unknown configuration, and `overwrite` is not
                set.
        """
        self.folder = folder
        claim_folder(folder, config, kept='*.npz', overwrite=overwrite)

    def has(self, key: RunKey) -> bool:
        return (self.folder / key.file_name).exists()

    def save(self, key: RunKey, track: Prediction) -> None:
        file = self.folder / key.file_name
        unfinished = file.with_suffix('.part')  # so that an interrupted run leaves no half-written file behind
        with unfinished.open('wb') as stream:
            np.savez_compressed(
                stream,
                masks=np.packbits(track.masks, axis=-1),
                width=track.masks.shape[-1],
                object_score=track.object_score,
            )
        unfinished.replace(file)

    def load(self, key: RunKey) -> Prediction:
        """The prediction of a run.

        Raises:
            FileNotFoundError: if the run was not saved.
        """
        with np.load(self.folder / key.file_name) as stored:
            masks = np.unpackbits(stored['masks'], axis=-1, count=int(stored['width'])).astype(bool)
            return Prediction(masks, stored['object_score'])


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
    """The configuration that a folder names for its predictions; None if it names none that can be read."""
    try:
        stored = json.loads((folder / CONFIG_FILE).read_text())
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None


def _mismatch(folder: Path, stored: dict[str, Any] | None, config: dict[str, Any]) -> str:
    if stored is None:
        return (
            f'{folder} holds predictions, but no {CONFIG_FILE} that tells what made them; choose another folder, '
            'or delete them with --overwrite'
        )
    differing = sorted(name for name in stored.keys() | config.keys() if stored.get(name) != config.get(name))
    changes = ', '.join(f'{name} {stored.get(name)!r} instead of {config.get(name)!r}' for name in differing)
    return f'{folder} holds predictions made with {changes}; choose another folder, or delete them with --overwrite'
