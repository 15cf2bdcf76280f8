"""Settings of a training run, read from YAML; unknown keys are errors."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from .batches import BatchSettings
from .losses import LossWeights
from .rollout import RolloutSettings

DEFAULT_CONFIG = Path(__file__).resolve().parents[2] / 'config' / 'train.yaml'


@dataclass(frozen=True)
class StageSettings:
    """One part of the run: which clips, how they are run, for which share of the budget."""

    name: str
    share: float
    batch: BatchSettings = field(default_factory=BatchSettings)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)


@dataclass(frozen=True)
class TrainSettings:
    """The recipe.

    learning_rate: of AdamW. warmup: share of the budget in which it rises;
    then it falls with a cosine to `final_rate` of its height. clip: largest norm of a gradient. ema: weight of the
    past in the averaged weights, which are the result. autocast: bfloat16 matrix products.
    """

    model: str = 'sam2.1_hiera_micro'
    seed: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: float = 0.01
    final_rate: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    autocast: bool = False
    loss: LossWeights = field(default_factory=LossWeights)
    stages: tuple[StageSettings, ...] = ()

    def __post_init__(self) -> None:
        if not self.stages or abs(sum(stage.share for stage in self.stages) - 1) > 1e-6:
            raise ValueError(f'the shares of the stages must add up to 1, got {[stage.share for stage in self.stages]}')

    def stage_at(self, progress: float) -> int:
        """Index of the stage at a share of the budget in [0, 1]."""
        end = 0.0
        for index, stage in enumerate(self.stages):
            end += stage.share
            if progress < end - 1e-9:
                return index
        return len(self.stages) - 1


def _build(kind: type, values: dict[str, Any], where: str) -> Any:
    """A dataclass from plain YAML values; nested dataclasses and tuples are converted."""
    if not isinstance(values, dict):
        raise ValueError(f'{where} must be a mapping, got {values!r}')
    hints = get_type_hints(kind)
    unknown = set(values) - {item.name for item in fields(kind)}
    if unknown:
        raise ValueError(f'{where} has unknown keys {sorted(unknown)}; known: {", ".join(hints)}')
    converted = {}
    for key, value in values.items():
        if key == 'stages':
            value = tuple(_build(StageSettings, stage, f'{where}.stages') for stage in value)
        elif is_dataclass(hints[key]):
            value = _build(hints[key], value, f'{where}.{key}')                      # type: ignore[arg-type]
        elif isinstance(value, list):
            value = tuple(value)
        converted[key] = value
    return kind(**converted)


def load_settings(path: str | Path = DEFAULT_CONFIG) -> TrainSettings:
    """Reads a recipe. Raises ValueError with the place and the known keys for anything unknown."""
    with open(path, encoding='utf-8') as file:
        settings: TrainSettings = _build(TrainSettings, yaml.safe_load(file), str(path))
    return settings
