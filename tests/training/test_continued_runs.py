"""Training runs that go on: with the weights, the recipe and the log they began with, and nothing else.

They are of a narrow network, as none of this depends on its size.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file

from sam2_ros.model import VARIANTS
from sam2_ros.training.settings import TrainSettings
from sam2_ros.training.train import train
from sam2_ros.training.trainer import Trainer, export_weights
from tests.training.runs import CPU, NARROW, SHORT, rows, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def short() -> Iterator[TrainSettings]:
    with mock.patch.dict(VARIANTS, narrow=NARROW):
        yield replace(SHORT, model='narrow')


@pytest.fixture(scope='module')
def start(short: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that a finished run has left, beside its checkpoint."""
    return train(short, run(tmp_path_factory.mktemp('finished'), steps=2))


def test_a_run_begins_with_given_weights(short: TrainSettings, start: Path, tmp_path: Path) -> None:
    slow = replace(short, learning_rate=1e-9, weight_decay=0.0)
    weights = load_file(train(slow, run(tmp_path, steps=1, start=start)))
    for name, tensor in load_file(start).items():
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=1e-4, msg=name)


def test_a_share_of_the_weights_it_began_with_stays(short: TrainSettings, start: Path, tmp_path: Path) -> None:
    left, half = (tmp_path / 'left', tmp_path / 'half')
    begun, moved = load_file(start), load_file(train(short, run(left, steps=2, start=start)))
    kept = replace(short, keep_start=0.25)
    for _ in range(2):  # the second time the run is already finished
        mixed = load_file(train(kept, run(half, steps=2, start=start)))
        for name, tensor in mixed.items():
            expected = 0.25 * begun[name].float() + 0.75 * moved[name].float()
            torch.testing.assert_close(tensor.float(), expected, rtol=2e-3, atol=1e-5, msg=name)
    assert any(not torch.equal(mixed[name], moved[name]) for name in mixed)


def test_a_run_that_goes_on_remembers_what_it_began_with(short: TrainSettings, start: Path, tmp_path: Path) -> None:
    kept = replace(short, keep_start=0.5)
    train(kept, run(tmp_path, steps=1, start=start))
    mixed = load_file(train(kept, run(tmp_path, steps=2)))  # without --start
    average = torch.load(tmp_path / 'checkpoint.pt', weights_only=True)['average']
    for name, begun in load_file(start).items():
        torch.testing.assert_close(mixed[name].float(), (begun.float() + average[name]) / 2, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize('began_with_weights', [False, True])
def test_other_weights_to_begin_with_than_those_of_the_run_are_refused(
    short: TrainSettings, start: Path, tmp_path: Path, *, began_with_weights: bool
) -> None:
    train(short, run(tmp_path, steps=1, start=start if began_with_weights else None))
    export_weights(Trainer(replace(short, seed=9), CPU).model, tmp_path / 'other.safetensors')
    with pytest.raises(ValueError, match='did not begin with the weights given; go on without --start'):
        train(short, run(tmp_path, steps=2, start=tmp_path / 'other.safetensors'))


def test_a_checkpoint_of_something_else_is_refused(short: TrainSettings, tmp_path: Path) -> None:
    torch.save(
        {'model': {}, 'average': {}, 'optimizers': [], 'progress': {}, 'start': None}, tmp_path / 'checkpoint.pt'
    )
    with pytest.raises(ValueError, match='does not hold a run of narrow'):
        train(short, run(tmp_path, steps=8))


def test_a_run_of_another_recipe_is_refused(short: TrainSettings, tmp_path: Path) -> None:
    """Its weights would be exported as the result of the recipe that was given."""
    train(short, run(tmp_path, steps=1))
    images, clips = short.stages
    other = replace(short, seed=5, stages=(images, replace(clips, rollout=replace(clips.rollout, clicks=2))))
    with pytest.raises(ValueError, match=r'seed 1 instead of 5, stages\[1\].rollout.clicks 1 instead of 2; go on with'):
        train(other, run(tmp_path, steps=2))


@pytest.mark.parametrize('share', [0.0, 0.5])
def test_a_damaged_checkpoint_is_refused_with_what_to_do(
    short: TrainSettings, start: Path, tmp_path: Path, share: float
) -> None:
    whole = (start.parent / 'checkpoint.pt').read_bytes()
    (tmp_path / 'checkpoint.pt').write_bytes(whole[: int(share * len(whole))] or b'no checkpoint')
    with pytest.raises(ValueError, match=r'checkpoint\.pt is damaged; delete it to begin anew'):
        train(short, run(tmp_path, steps=8))


def test_a_finished_run_with_a_larger_budget_sees_no_batch_twice(short: TrainSettings, tmp_path: Path) -> None:
    batches = []
    for steps in (2, 8):  # back from the end to the first stage
        train(short, run(tmp_path, steps=steps))
        batches.append(torch.load(tmp_path / 'checkpoint.pt', weights_only=True)['progress']['batches'])
    assert batches == [[1, 1], [3, 5]]


def test_rows_after_the_checkpoint_are_forgotten_when_the_run_goes_on(short: TrainSettings, tmp_path: Path) -> None:
    train(short, run(tmp_path, steps=1))
    with open(tmp_path / 'log.csv', 'a', encoding='utf-8', newline='') as file:
        csv.writer(file).writerow(['5', *['0'] * 14])  # of steps that were lost with the process
        file.write('6,\0\n,\n\0\0')  # torn by a crash
    train(short, run(tmp_path, steps=2))
    assert [row['step'] for row in rows(tmp_path)] == ['1', '2']
