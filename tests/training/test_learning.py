"""A training run from random weights learns to follow objects."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sam2_ros.model import VARIANTS, ModelConfig
from sam2_ros.synthetic.scene import PRESETS
from sam2_ros.training.batches import BatchSettings
from sam2_ros.training.rollout import RolloutSettings
from sam2_ros.training.settings import StageSettings, TrainSettings
from sam2_ros.training.train import RunSettings, train
from sam2_ros.training.trainer import Trainer
from sam2_ros.training.validate import validate

pytestmark = pytest.mark.slow

# The parts of the micro network, fewer and narrower: it learns the same in a fifth of the time, of which the optimizer
# of the micro network takes most.
NARROW = ModelConfig(
    embed_dim=16,
    num_heads=1,
    stages=(1, 1, 1, 1),
    global_attention_blocks=(),
    window_spec=(8, 4, 4, 4),
    pos_embed_background=7,
    pointer_time=True,
    hidden_dim=64,
    memory_dim=16,
    memory_layers=1,
    memory_feedforward=64,
    image_size=64,
)


def test_a_short_run_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In half a minute of one slow core: large calm objects followed from a mask for one frame."""
    calm = replace(PRESETS['plain'], objects=(1, 2), radius=(0.25, 0.4), degrade=0.0, camera=0.0)
    monkeypatch.setitem(PRESETS, 'calm', calm)
    monkeypatch.setitem(VARIANTS, 'narrow', NARROW)
    clips = BatchSettings(
        size=64, clips=4, frames=2, objects=2, max_stride=1, prompt_shares=(1, 0, 0), presets=('calm',), photos=0.0
    )
    stage = StageSettings('clips', 1.0, clips, RolloutSettings(correction=0.0))
    recipe = TrainSettings(
        model='narrow', seed=2, learning_rate=3e-3, warmup=0.05, final_rate=1.0, ema=0.95, stages=(stage,)
    )
    cpu = torch.device('cpu')
    untrained = validate(Trainer(recipe, cpu).average, clips, device=cpu, batches=4)

    train(recipe, RunSettings(tmp_path, steps=170, workers=0, validation_batches=4))

    with open(tmp_path / 'log.csv', encoding='utf-8', newline='') as file:
        first, *_, last = csv.DictReader(file)
    assert float(last['loss']) < 0.6 * float(first['loss'])
    assert float(last['j_tracked']) > float(first['j_tracked']) + 0.1
    assert float(last['heldout_j_tracked']) > untrained.j_tracked + 0.1
