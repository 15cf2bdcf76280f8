"""Predictions on disk, with the configuration that made them beside them: track once, score as often as needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CONFIG_FILE = 'config.json'


class ConfigMismatchError(ValueError):
    """A folder holds predictions that another configuration made."""


@dataclass(frozen=True)
class RunKey:
    """One run of the tracker: which clip of a subset, with which memory policy, from which kind of prompt."""

    policy: str
    prompt: str
    clip: int

    @property
    def file_name(self) -> str:
        return f'{self.policy}_{self.prompt}_{self.clip:03}.npz'


@dataclass(frozen=True, eq=False)
class Track:
    """What was predicted for the target in the T frames of a clip.

    Attributes:
        masks: (T, H, W) bool.
        object_score: (T,) float32 logits; > 0 where the tracker sees the target.
    """

    masks: np.ndarray
    object_score: np.ndarray


class PredictionStore:
    """A folder of predictions made with one configuration."""

    def __init__(self, folder: Path, config: dict[str, Any], *, overwrite: bool = False) -> None:
        """Open or make the folder.

        Args:
            folder: is created if need be.
            config: everything that decides what is predicted, besides the run's key; JSON values.
            overwrite: delete the predictions of another configuration.

        Raises:
            ConfigMismatchError: the folder has another configuration, and `overwrite` is not given.
        """
        self.folder = folder
        file = folder / CONFIG_FILE
        if file.exists():
            stored = json.loads(file.read_text())
            if stored != config:
                if not overwrite:
                    raise ConfigMismatchError(_mismatch(folder, stored, config))
                for prediction in folder.glob('*.npz'):
                    prediction.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(config, indent=2) + '\n')

    def has(self, key: RunKey) -> bool:
        return (self.folder / key.file_name).exists()

    def save(self, key: RunKey, track: Track) -> None:
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

    def load(self, key: RunKey) -> Track:
        """Raises FileNotFoundError if the run was not saved."""
        with np.load(self.folder / key.file_name) as stored:
            masks = np.unpackbits(stored['masks'], axis=-1, count=int(stored['width'])).astype(bool)
            return Track(masks, stored['object_score'])


def _mismatch(folder: Path, stored: dict[str, Any], config: dict[str, Any]) -> str:
    differing = sorted(name for name in stored.keys() | config.keys() if stored.get(name) != config.get(name))
    changes = ', '.join(f'{name} {stored.get(name)!r} instead of {config.get(name)!r}' for name in differing)
    return f'{folder} holds predictions made with {changes}; choose another folder, or delete them with --overwrite'
