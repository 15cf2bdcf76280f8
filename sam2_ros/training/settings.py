"""Settings of a training run, read from YAML. Unknown keys are errors."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from sam2_ros.model.config import DEFAULT_MODEL, VARIANTS
from sam2_ros.training.batches import BatchSettings
from sam2_ros.training.losses import LossWeights
from sam2_ros.training.rollout import RolloutSettings

_HERE = Path(__file__).resolve()
_PLACES = (_HERE.parents[2] / 'config', *(folder / 'share/sam2_ros/config' for folder in _HERE.parents))
# beside the sources, or in an installation
DEFAULT_CONFIG = next(
    (place / 'train.yaml' for place in _PLACES if (place / 'train.yaml').is_file()), _PLACES[0] / 'train.yaml'
)


_SEEDS = 2**32


@dataclass(frozen=True)
class StageSettings:
    """One part of the run.

    Attributes:
        name: for the log.
        share: of the budget, above 0 and at most 1.
        batch: how batches are drawn.
        rollout: how clips are run.

    Raises:
        ValueError: for other values.
    """

    name: str
    share: float
    batch: BatchSettings = field(default_factory=BatchSettings)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f'share of stage {self.name!r} must be above 0 and at most 1, got {self.share}')
        if self.batch.size % self.rollout.loss_stride:
            raise ValueError(
                f'loss_stride of stage {self.name!r} must divide its size of {self.batch.size} pixels, '
                f'got {self.rollout.loss_stride}'
            )


@dataclass(frozen=True)
class TrainSettings:
    """The recipe of a run.

    Attributes:
        model: name of a variant.
        seed: of all random numbers.
        learning_rate: of Muon and AdamW, at its highest.
        weight_decay: of Muon and AdamW.
        warmup: share of the budget in which the learning rate rises. Then it falls with a cosine.
        final_rate: learning rate at the end, as share of the highest.
        clip: largest norm of a gradient.
        ema: weight of the past in the averaged weights, which are the result.
        keep_start: share of the starting weights (`--start`) in the result, in [0, 1).
        autocast: matrix products in bfloat16.
        loss: weights of the loss terms.
        stages: parts of the run, in order; their shares add up to 1.

    Raises:
        ValueError: for what cannot be trained.
    """

    model: str = DEFAULT_MODEL
    seed: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: float = 0.01
    final_rate: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    keep_start: float = 0.0
    autocast: bool = False
    loss: LossWeights = field(default_factory=LossWeights)
    stages: tuple[StageSettings, ...] = ()

    def __post_init__(self) -> None:
        if self.model not in VARIANTS:
            raise ValueError(f'unknown model {self.model!r}; available: {", ".join(VARIANTS)}')
        if not 0 <= self.seed < _SEEDS:
            raise ValueError(f'seed must be at least 0 and below 2**32, got {self.seed}')
        if not (0 < self.learning_rate < math.inf and 0 < self.clip < math.inf and 0 <= self.weight_decay < math.inf):
            raise ValueError(
                'learning_rate and clip must be above 0, weight_decay not negative, and all of them '
                f'finite, got {self.learning_rate}, {self.clip}, {self.weight_decay}'
            )
        below_one = {'warmup': self.warmup, 'ema': self.ema, 'keep_start': self.keep_start}
        if not (all(0 <= share < 1 for share in below_one.values()) and 0 <= self.final_rate <= 1):
            raise ValueError(
                f'{", ".join(below_one)} are shares in 0..1, less than 1, final_rate at most 1, got '
                f'{", ".join(map(str, below_one.values()))}, {self.final_rate}'
            )
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


def differences(stored: object, wanted: object, name: str = '') -> list[str]:
    """The differences of two recipes, in words such as 'stages[0].share 0.5 instead of 0.4'.

    Args:
        stored, wanted: recipes as from `dataclasses.asdict`.
        name: of the compared part, before each difference.
    """
    if isinstance(stored, dict) and isinstance(wanted, dict):
        return [
            line
            for key in sorted(stored.keys() | wanted.keys())
            for line in differences(stored.get(key), wanted.get(key), f'{name}.{key}' if name else key)
        ]
    if isinstance(stored, tuple) and isinstance(wanted, tuple) and len(stored) == len(wanted):
        return [
            line
            for index, pair in enumerate(zip(stored, wanted, strict=True))
            for line in differences(*pair, f'{name}[{index}]')
        ]
    return [] if stored == wanted else [f'{name} {stored!r} instead of {wanted!r}']


def _build(kind: type, values: object, where: str) -> Any:
    """A dataclass from plain YAML values. Nested dataclasses and tuples are converted."""
    if not isinstance(values, dict):
        raise ValueError(f'{where} must be a mapping, got {values!r}')
    hints = get_type_hints(kind)
    unknown = set(values) - set(hints)
    if unknown:
        raise ValueError(f'{where} has unknown keys {sorted(map(str, unknown))}; known: {", ".join(hints)}')
    missing = [
        item.name
        for item in fields(kind)
        if item.name not in values and item.default is item.default_factory is MISSING
    ]
    if missing:
        raise ValueError(f'{where} lacks {", ".join(missing)}')
    try:
        return kind(**{key: _value(value, hints[key], f'{where}: {key}') for key, value in values.items()})
    except ValueError as error:
        raise error if str(error).startswith(where) else ValueError(f'{where}: {error}') from error


def _value(value: object, hint: Any, where: str) -> Any:
    """A YAML value as the type of a field. Raises ValueError for another type."""
    if is_dataclass(hint):
        return _build(hint, value, where)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ValueError(f'{where} must be a list, got {value!r}')
        of_items = get_args(hint)[0]
        return tuple(_value(item, of_items, f'{where}[{index}]') for index, item in enumerate(value))
    accepted = (int, float) if hint is float else (hint,)
    if type(value) not in accepted:
        remedy = '; numbers with an exponent need a point, as in 1.0e-3' if isinstance(value, str) else ''
        raise ValueError(f'{where} must be {hint.__name__}, got {value!r}{remedy}')
    return value


def load_settings(path: str | Path = DEFAULT_CONFIG) -> TrainSettings:
    """Read a recipe.

    Raises:
        ValueError: for anything unknown or of a wrong type. The message says where it is and what is accepted.
        OSError: if the file cannot be read.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is not YAML: {error}') from error
    settings: TrainSettings = _build(TrainSettings, values, str(path))
    return settings
