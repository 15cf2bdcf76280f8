"""Recipes: the bundled one is whole, anything wrong in one is said in a sentence before training starts."""

import math
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from sam2_ros.training.batches import BatchSettings
from sam2_ros.training.settings import StageSettings, TrainSettings, load_settings
from sam2_ros.training.train import RunSettings, main
from tests.common import REPOSITORY

STAGE = 'stages: [{name: images, share: 1.0}]\n'


def test_the_bundled_recipe_goes_from_images_to_long_clips() -> None:
    recipe = load_settings()
    assert [stage.name for stage in recipe.stages] == ['images', 'short', 'large_images', 'large']
    small, large = recipe.stages[:2], recipe.stages[2:]
    for images, clips in (small, large):
        assert images.batch.frames == 1 < clips.batch.frames
        assert images.batch.size == clips.batch.size
    assert small[0].batch.size < large[0].batch.size == 320
    assert large[0].batch.presets == large[1].batch.presets


def test_values_are_read_and_the_rest_is_default(tmp_path: Path) -> None:
    file = tmp_path / 'recipe.yaml'
    file.write_text(
        'learning_rate: 2\nloss: {dice: 3.0}\nstages:\n'
        '- {name: a, share: 0.25, batch: {size: 64, presets: [small, crowd], prompt_shares: [0, 1, 0]}}\n'
        '- {name: b, share: 0.75, rollout: {correction: 1.0}}\n'
    )
    recipe = load_settings(file)
    assert recipe.learning_rate == 2 and recipe.loss.dice == 3 and recipe.loss.focal == 20
    assert recipe.stages[0].batch == BatchSettings(size=64, presets=('small', 'crowd'), prompt_shares=(0, 1, 0))
    assert recipe.stages[1].rollout.correction == 1 and recipe.stages[1].batch == BatchSettings()


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'recipe.yaml must be a mapping, got None'),
        ('stages: [', 'recipe.yaml is not YAML'),
        (STAGE + 'learning_rat: 1', r"has unknown keys \['learning_rat'\]; known: model, seed"),
        (STAGE + 'loss: {focl: 1.0}', r"loss has unknown keys \['focl'\]; known: focal"),
        (STAGE + 'learning_rate: 1e-3', "learning_rate must be float, got '1e-3'; .* need a point, as in 1.0e-3"),
        (STAGE + 'seed: 1.5', 'seed must be int, got 1.5'),
        (STAGE + 'autocast: 1', 'autocast must be bool, got 1'),
        (STAGE + 'ema: true', 'ema must be float, got True'),
        (STAGE + 'model: sam2.1_hiera_nano', "unknown model 'sam2.1_hiera_nano'; available: sam2.1_hiera_micro"),
        (STAGE + 'learning_rate: 0.0', 'learning_rate and clip must be above 0'),
        (STAGE + 'learning_rate: .nan', 'learning_rate and clip must be above 0'),
        (STAGE + '1: 2\nseeds: 3', r"has unknown keys \['1', 'seeds'\]"),
        (STAGE + 'ema: 1.0', 'warmup, ema, keep_start are shares'),
        ('seed: 3', r'shares of the stages must add up to 1, got \[\]'),
        ('stages: {name: a}', 'stages must be a list'),
        ('stages: [{name: a}]', r'stages\[0\] lacks share'),
        ('stages: [{name: a, share: 0.5}]', r'must add up to 1, got \[0.5\]'),
        ('stages: [{name: a, share: 1.5}, {name: b, share: -0.5}]', r"stages\[0\]: share of stage 'a' must be above 0"),
        (
            'stages: [{name: a, share: 1.0, batch: {presets: [rain]}}]',
            r'batch: unknown scene presets .* available: mixed',
        ),
        ('stages: [{name: a, share: 1.0, batch: {presets: mixed}}]', "presets must be a list, got 'mixed'"),
        (STAGE + 'loss: {focal: .nan}', 'weights of the loss are numbers of 0 or more'),
        (STAGE + 'learning_rate: .inf', 'learning_rate and clip must be above 0'),
        (STAGE + 'weight_decay: .inf', 'weight_decay not negative, and all of them finite, got 0.001, 1.0, inf'),
        (STAGE + 'seed: -1', 'seed must be at least 0 and below 2[*][*]32, got -1'),
        (STAGE + 'seed: 4294967296', 'seed must be at least 0'),
        (STAGE + 'loss: {dice: -1.0}', 'weights of the loss are numbers of 0 or more'),
        ('stages: [{name: a, share: 1.0, batch: {prompt_shares: [.nan, 0.5, 0.5]}}]', 'three probabilities'),
        (
            'stages: [{name: a, share: 1.0, rollout: {loss_stride: 3}}]',
            "loss_stride of stage 'a' must divide its size of",
        ),
        ('stages: [{name: a, share: 1.0, batch: {size: 100}}]', r'stages\[0\]: batch: size must be a multiple of 32'),
    ],
)
def test_wrong_recipes_are_refused_by_the_command_line(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'recipe.yaml'
    file.write_text(text)
    with pytest.raises(ValueError, match=words) as raised:
        load_settings(file)
    assert str(raised.value).count(str(file)) == 1
    assert main(['--steps', '1', '--config', str(file), '--folder', str(tmp_path / 'run')]) == 1
    assert capsys.readouterr().err == f'error: {raised.value}\n'
    assert not (tmp_path / 'run').exists()


@pytest.mark.slow
def test_one_sentence_tells_what_a_process_of_a_shared_run_failed_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'checkpoint.pt').write_bytes(b'no checkpoint')
    assert main(['--steps', '1', '--processes', '2', '--folder', str(tmp_path)]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith('error: ') and 'checkpoint.pt is damaged' in last


def test_weights_to_begin_with_are_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = tmp_path / 'weights.safetensors'
    weights.write_bytes(b'weights')
    link = tmp_path / 'link.safetensors'
    link.symlink_to(weights)
    for start in (weights, link):
        assert main(['--steps', '1', '--folder', str(tmp_path), '--start', str(start)]) == 1
        assert f'{start} is an input and would be overwritten' in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == [link, weights]


def test_recipe_and_folders_of_cutouts_belong_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    takes = str(REPOSITORY / 'config/train_gpu.yaml')
    folders = ['--cutouts', str(tmp_path / 'sprites'), '--backgrounds', str(tmp_path / 'backgrounds')]
    run = ['--steps', '1', '--folder', str(tmp_path / 'run')]
    assert main([*run, '--config', takes]) == 1
    assert 'the recipe takes cut-outs: give --cutouts and --backgrounds' in capsys.readouterr().err
    assert main([*run, *folders]) == 1
    assert 'no stage of the recipe takes cut-outs' in capsys.readouterr().err
    assert main([*run, '--config', takes, *folders[:2]]) == 1
    assert 'give both or neither' in capsys.readouterr().err
    assert main([*run, '--config', takes, *folders]) == 1
    assert f'{tmp_path / "sprites"} is no folder with' in capsys.readouterr().err


def test_a_missing_recipe_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--steps', '1', '--config', str(tmp_path / 'none.yaml')]) == 1
    assert 'none.yaml' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({}, 'give a budget: either minutes or steps'),
        ({'minutes': 1.0, 'steps': 5}, 'give a budget: either minutes or steps'),
        ({'steps': 0}, 'the budget must be a number above 0, got 0'),
        ({'minutes': -2.0}, 'the budget must be a number above 0, got -2.0'),
        ({'minutes': math.nan}, 'the budget must be a number above 0, got nan'),
        ({'minutes': math.inf}, 'the budget must be a number above 0, got inf'),
        ({'steps': 1, 'processes': 0}, 'processes must be 1 or more'),
        ({'steps': 1, 'device': 'gpu'}, "the device 'gpu' cannot be used"),
    ],
)
def test_runs_that_cannot_be_are_refused(changes: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        RunSettings(folder=tmp_path, **changes)


@pytest.mark.parametrize(
    ('device', 'processes', 'words'),
    [
        ('cuda:0', 2, "the device must be cuda or auto, and PyTorch sees 2; got 'cuda:0'"),
        ('cuda', 3, 'each of 3 processes takes a GPU of its own'),
        ('cuda', 2, None),
        ('cuda:0', 1, None),
    ],
)
def test_every_process_of_a_run_needs_a_gpu(
    device: str, processes: int, words: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('sam2_ros.training.train.choose_device', torch.device)  # as where there are GPUs
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    with nullcontext() if words is None else pytest.raises(ValueError, match=words):
        RunSettings(folder=tmp_path, steps=1, device=device, processes=processes)


@pytest.mark.parametrize(('progress', 'stage'), [(0, 0), (0.24, 0), (0.25, 1), (0.99, 1), (1, 1)])
def test_stages_follow_each_other(progress: float, stage: int) -> None:
    recipe = TrainSettings(stages=(StageSettings('a', 0.25), StageSettings('b', 0.75)))
    assert recipe.stage_at(progress) == stage
