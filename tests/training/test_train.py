"""Whole training runs through the public interface: they go on after a crash, and leave weights that load."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from sam2_ros.model import Sam2Network, build_sam2
from sam2_ros.training.batches import ClipBatches
from sam2_ros.training.log import Log
from sam2_ros.training.rollout import Rollout, RolloutSettings
from sam2_ros.training.settings import StageSettings, TrainSettings
from sam2_ros.training.train import rollout_seed, train
from sam2_ros.training.trainer import Trainer, export_weights, rate_scale
from tests.common import MICRO, REPOSITORY
from tests.processes import assert_all_end, children_of
from tests.training.runs import CPU, SHORT, TINY, rows, run

pytestmark = pytest.mark.slow

FIRST_MOMENTS = {'momentum_buffer': 0.05, 'exp_avg': 0.1}  # of Muon and AdamW: shares of the gradient after one step
MOST_BYTES = 16_000_000  # of the bundled weights
# Trains the short recipe until it is killed; every step is saved.
TRAIN_UNTIL_KILLED = """
import sys
from pathlib import Path
from sam2_ros.training.train import RunSettings, train
from tests.training.runs import SHORT
if __name__ == '__main__':
    train(SHORT, RunSettings(folder=Path(sys.argv[1]), steps=int(sys.argv[2]), processes=int(sys.argv[3]), workers=0,
                             save_every=0.0))
"""


def train_until_saved(folder: Path, *, steps: int, processes: int, **how: object) -> subprocess.Popen:
    """The script above in a process of its own, which has saved at least once and may be killed."""
    script = folder / 'train_until_killed.py'  # a file, which the processes that it starts import
    script.write_text(TRAIN_UNTIL_KILLED)
    process = subprocess.Popen(  # type: ignore[call-overload]
        [sys.executable, str(script), str(folder), str(steps), str(processes)],
        cwd=REPOSITORY,
        env=os.environ | {'PYTHONPATH': f'{REPOSITORY}:{os.environ.get("PYTHONPATH", "")}'},
        stderr=subprocess.DEVNULL,
        **how,
    )
    while not (folder / 'checkpoint.pt').exists() and process.poll() is None:
        time.sleep(0.02)
    return process


@pytest.fixture(scope='module')
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an uninterrupted run of eight steps."""
    folder = tmp_path_factory.mktemp('uninterrupted')
    train(SHORT, run(folder, steps=8))
    return folder


def test_a_run_leaves_weights_a_log_and_a_picture(finished: Path) -> None:
    last = rows(finished)[-1]
    assert last['step'] == '8' and last['stage'] == 'clips'
    assert 0 <= float(last['heldout_j_tracked']) <= 1 and float(last['loss']) > 0
    assert (finished / 'heldout_000008.png').stat().st_size > 1000


def test_the_weights_load_and_fit_into_the_package(finished: Path) -> None:
    file = finished / 'weights.safetensors'
    assert file.stat().st_size <= MOST_BYTES
    tensors = load_file(file)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    model = build_sam2(MICRO, checkpoint=file)
    state = torch.load(finished / 'checkpoint.pt', weights_only=True)
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, state['average'][name].half().float(), rtol=0, atol=0)


def test_a_killed_run_goes_on_to_the_same_weights(finished: Path, tmp_path: Path) -> None:
    process = train_until_saved(tmp_path, steps=8, processes=1)
    process.kill()
    process.wait()
    killed_at = torch.load(tmp_path / 'checkpoint.pt', weights_only=True)['progress']['step']
    assert 1 <= killed_at < 8
    weights = load_file(train(SHORT, run(tmp_path, steps=8)))
    for name, tensor in load_file(finished / 'weights.safetensors').items():
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=0, msg=name)


@pytest.mark.skipif(sys.platform != 'linux', reason='Linux alone tells processes that the one that started them died')
def test_a_killed_run_leaves_no_process_behind(tmp_path: Path) -> None:
    """It would go on writing into the folder, beside the run that is started next."""
    process = train_until_saved(  # as a background job of a script is started
        tmp_path, steps=100_000, processes=2, preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    )
    children = children_of(process.pid)
    assert len(children) >= 2
    process.kill()
    process.wait()
    assert_all_end(children)


def test_a_finished_run_stays_as_it_is_and_tells_again_what_came_of_it(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_file(finished / 'weights.safetensors')
    after = load_file(train(SHORT, run(finished, steps=8)))
    assert all(torch.equal(before[name], after[name]) for name in before)
    last = rows(finished)[-1]
    told = capsys.readouterr().out.split()
    assert told[:3] == ['after', '8', 'steps:'] and float(told[5]) == pytest.approx(
        float(last['heldout_j_prompted']), abs=0.006
    )


def test_a_step_in_bfloat16_is_like_one_in_float32() -> None:
    stage = SHORT.stages[1]  # frames with gradients and without
    batch, seed = ClipBatches(stage.batch, seed=1)[0], 4
    assert Rollout(Trainer(SHORT, CPU).model, batch, stage.rollout, SHORT.loss, seed).window == 2
    losses, gradients = [], []
    for autocast in (True, False):
        trainer = Trainer(replace(SHORT, autocast=autocast), CPU)
        losses.append([loss.total.item() for loss in trainer.step(batch, stage, seed=seed, share=0.5)])
        moments = [
            state[name].flatten()
            for name, optimizer in zip(FIRST_MOMENTS, trainer.optimizers, strict=True)
            for state in optimizer.state.values()
        ]
        gradients.append(torch.cat(moments))
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98


def test_a_log_with_other_columns_is_kept_as_far_as_they_are_known(tmp_path: Path) -> None:
    (tmp_path / 'log.csv').write_text('step,unknown,loss\n1,7,0.5\n')
    Log(tmp_path / 'log.csv', step=1).write(step=2, loss=0.25)
    assert [(row['step'], row['loss']) for row in rows(tmp_path)] == [('1', '0.5'), ('2', '0.25')]


def test_what_rollouts_draw_depends_on_the_seed_of_the_run_the_stage_and_the_batch() -> None:
    seeds = {rollout_seed(seed, stage=stage, batch=batch) for seed in (0, 5) for stage in (0, 1) for batch in (0, 1)}
    assert len(seeds) == 8


def test_only_what_was_decoded_without_a_prompt_counts_as_tracked(tmp_path: Path) -> None:
    always = RolloutSettings(correction=1.0)
    train(TrainSettings(stages=(StageSettings('images', 1.0, TINY, always),)), run(tmp_path, steps=1))
    assert rows(tmp_path)[-1]['j_tracked'] == ''
    clips = ClipBatches(replace(TINY, frames=2), seed=1)[0]
    rollout = Rollout(Trainer(SHORT, CPU).model, clips, always, SHORT.loss, 0)
    rollout.run()
    assert [loss.tracked for loss in rollout.losses] == [False, False, True, False]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    """This process as the only one of a shared run."""
    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/meeting', rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_what_does_not_learn_stays_where_it_is() -> None:
    """Muon steps at full size however small a gradient is: on zeros it would follow its old momentum."""
    trainer = Trainer(SHORT, CPU)
    images, clips = SHORT.stages
    for number in range(2):
        trainer.step(ClipBatches(clips.batch, seed=1)[number], clips, seed=number, share=0.1)
    silent = [
        trainer.model.memory_attention.layers[0].linear1.weight,
        trainer.model.sam_mask_decoder.pred_obj_score_head.layers[0].weight,
    ]  # has a gradient, of zeros
    encoder = trainer.model.image_encoder.trunk.blocks[0].attn.qkv.weight
    before = [weight.clone() for weight in (*silent, encoder)]
    trainer.step(ClipBatches(images.batch, seed=1)[0], images, seed=2, share=0.2)
    assert all(map(torch.equal, silent, before)) and not torch.equal(encoder, before[-1])


@pytest.mark.usefixtures('alone')
def test_what_does_not_learn_stays_where_it_is_when_processes_share_a_run() -> None:
    test_what_does_not_learn_stays_where_it_is()


def test_processes_share_a_run(tmp_path: Path) -> None:
    """Two copies see the batches 0 and 1 and step with the mean of their gradients."""
    one_stage = TrainSettings(final_rate=1.0, stages=(StageSettings('images', 1.0, TINY),))
    train(one_stage, run(tmp_path, steps=1, processes=2))
    state = torch.load(tmp_path / 'checkpoint.pt', weights_only=True)['optimizers']

    alone = Trainer(one_stage, CPU)
    data = ClipBatches(TINY, seed=one_stage.seed + 1000)
    seeds = [rollout_seed(one_stage.seed, stage=0, batch=index) for index in range(3)]
    losses = [
        Rollout(alone.model, data[index], RolloutSettings(), one_stage.loss, seeds[index]).run() for index in range(2)
    ]
    torch.stack(losses).mean().backward()
    torch.nn.utils.clip_grad_norm_(alone.model.parameters(), one_stage.clip)
    for optimizer, saved, (name, share) in zip(alone.optimizers, state, FIRST_MOMENTS.items(), strict=True):
        for index, weight in enumerate(optimizer.param_groups[0]['params']):
            learns = weight.grad is not None and bool(weight.grad.any())
            assert (index in saved['state']) == learns
            if learns:
                torch.testing.assert_close(saved['state'][index][name], share * weight.grad, rtol=1e-3, atol=1e-7)

    alone.model.zero_grad()
    alone.load(tmp_path / 'checkpoint.pt')  # one process goes on with batch 2
    alone.step(data[2], one_stage.stages[0], seed=seeds[2], share=1.0)
    train(one_stage, run(tmp_path, steps=2))
    state = torch.load(tmp_path / 'checkpoint.pt', weights_only=True)['optimizers']
    for optimizer, saved, name in zip(alone.optimizers, state, FIRST_MOMENTS, strict=True):
        for index, moments in optimizer.state_dict()['state'].items():
            torch.testing.assert_close(saved['state'][index][name], moments[name], rtol=1e-3, atol=1e-6)


def test_exported_weights_track_like_the_network(tmp_path: Path, micro128: Sam2Network) -> None:
    export_weights(micro128, tmp_path / 'new' / 'weights.safetensors')
    loaded = build_sam2(MICRO, checkpoint=tmp_path / 'new' / 'weights.safetensors', image_size=128)
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    ours, theirs = loaded.encode_image(image).stride16, micro128.encode_image(image).stride16
    assert (ours - theirs).abs().max() < 0.01 * theirs.abs().max()


def test_the_rate_rises_then_falls_to_its_end() -> None:
    settings = TrainSettings(warmup=0.1, final_rate=0.05, stages=(StageSettings('all', 1.0),))
    scales = [rate_scale(settings, share / 100) for share in range(101)]
    assert scales[0] < 0.02 and scales[10] == pytest.approx(1) and scales[100] == pytest.approx(0.05)
    assert scales[:11] == sorted(scales[:11]) and scales[10:] == sorted(scales[10:], reverse=True)
    assert scales[55] == pytest.approx((1 + 0.05) / 2)
