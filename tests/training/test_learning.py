"""A training run from random weights learns to follow objects."""

from dataclasses import replace
from pathlib import Path

import pytest

from sam2_ros.model import VARIANTS
from sam2_ros.synthetic.scene import PRESETS
from sam2_ros.training.batches import BatchSettings
from sam2_ros.training.rollout import RolloutSettings
from sam2_ros.training.settings import StageSettings, TrainSettings
from sam2_ros.training.train import train
from sam2_ros.training.trainer import Trainer
from sam2_ros.training.validate import validate
from tests.training.runs import CPU, NARROW, rows, run

pytestmark = pytest.mark.slow


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
    untrained = validate(Trainer(recipe, CPU).average, clips, device=CPU, batches=4)

    train(recipe, run(tmp_path, steps=170, validation_batches=4))

    first, *_, last = rows(tmp_path)
    assert float(last['loss']) < 0.6 * float(first['loss'])
    assert float(last['j_tracked']) > float(first['j_tracked']) + 0.1
    assert float(last['heldout_j_tracked']) > untrained.j_tracked + 0.1
