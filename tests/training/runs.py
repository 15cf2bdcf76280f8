"""Short training runs: a recipe, a network that is trained in no time, and what they leave behind."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import torch

from sam2_ros.model import HieraConfig, ModelConfig
from sam2_ros.training.batches import BatchSettings
from sam2_ros.training.rollout import RolloutSettings
from sam2_ros.training.settings import StageSettings, TrainSettings
from sam2_ros.training.train import RunSettings

CPU = torch.device('cpu')
TINY = BatchSettings(size=64, clips=1, frames=1, objects=1, photos=0.0)
SHORT = TrainSettings(
    stages=(
        StageSettings('images', 0.5, TINY),
        StageSettings('clips', 0.5, replace(TINY, frames=3), RolloutSettings(gradient_frames=1, correction=0.5)),
    )
)
# The parts of the micro network, fewer and narrower: it learns the same in a fifth of the time, of which the optimizer
# of the micro network takes most.
NARROW = ModelConfig(
    HieraConfig(
        embed_dim=16,
        num_heads=1,
        stages=(1, 1, 1, 1),
        global_attention_blocks=(),
        window_spec=(8, 4, 4, 4),
        pos_embed_background=7,
    ),
    pointer_time=True,
    hidden_dim=64,
    memory_dim=16,
    memory_layers=1,
    memory_feedforward=64,
    image_size=64,
)


def run(folder: Path, **changes: object) -> RunSettings:
    once = {'validation_batches': 1, 'validate_every': math.inf}  # at the end alone
    return RunSettings(folder=folder, workers=0, **once | changes)  # type: ignore[arg-type]


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / 'log.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))
