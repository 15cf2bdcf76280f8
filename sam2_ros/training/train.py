"""Trains the bundled network on synthetic videos: `python -m sam2_ros.training.train --minutes 90`."""

from __future__ import annotations

import argparse
import math
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.multiprocessing.spawn import ProcessException
from tqdm import tqdm

from sam2_ros.drawing.charts import save_picture
from sam2_ros.files.overwriting import check_inputs_stay
from sam2_ros.model.device import choose_device
from sam2_ros.synthetic.cutouts import Material, read_material
from sam2_ros.training.batches import ClipBatches, batch_loader
from sam2_ros.training.log import Log
from sam2_ros.training.settings import DEFAULT_CONFIG, TrainSettings, load_settings
from sam2_ros.training.trainer import Trainer, centre_memory, export_weights
from sam2_ros.training.validate import Validation, validate

_ROW_EVERY = 25  # steps
_STAGE_SEED = 1000  # difference of the seeds of two stages


@dataclass(frozen=True)
class RunSettings:
    """Where and how long a run goes. The budget is either `minutes` or `steps`.

    Attributes:
        folder: gets checkpoint.pt, log.csv, pictures and weights.safetensors, which is written with each checkpoint. A
            checkpoint found there is continued.
        minutes: length of the run.
        steps: length of the run in optimizer steps.
        start: file of the starting weights (any that `build_sam2` reads); None = random weights.
        cutouts, backgrounds: folders for clips of real cut-outs, see `read_material`; both or neither.
        device: auto, cpu or cuda.
        processes: copies of the network that share the work, with one thread each on a CPU, or one GPU each.
        workers: processes of each copy that make clips ahead of time.
        save_every: seconds between checkpoints.
        validate_every: seconds between validations.
        validation_batches: number of batches of a validation.

    Raises:
        ValueError: for other values.
    """

    folder: Path
    minutes: float | None = None
    steps: int | None = None
    start: Path | None = None
    cutouts: Path | None = None
    backgrounds: Path | None = None
    device: str = 'cpu'
    processes: int = 1
    workers: int = 1
    save_every: float = 120.0
    validate_every: float = 600.0
    validation_batches: int = 12

    def __post_init__(self) -> None:
        given = [budget for budget in (self.minutes, self.steps) if budget is not None]
        if len(given) != 1:
            raise ValueError('give a budget: either minutes or steps')
        if not 0 < given[0] < math.inf:
            raise ValueError(f'the budget must be a number above 0, got {given[0]}')
        if self.start is not None:
            check_inputs_stay([self.start], files=[self.folder / 'weights.safetensors', self.folder / 'checkpoint.pt'])
        if (self.cutouts is None) != (self.backgrounds is None):
            raise ValueError(
                'cut-outs need a folder of backgrounds, and backgrounds one of cut-outs: give both or neither'
            )
        device = choose_device(self.device)
        one_gpu = device != torch.device('cuda')
        if device.type == 'cuda' and self.processes > 1 and (one_gpu or self.processes > torch.cuda.device_count()):
            raise ValueError(
                f'each of {self.processes} processes takes a GPU of its own: the device must be cuda or '
                f'auto, and PyTorch sees {torch.cuda.device_count()}; got {self.device!r}'
            )
        if self.processes < 1 or self.workers < 0:
            raise ValueError(f'processes must be 1 or more and workers 0 or more, got {self.processes}, {self.workers}')

    def material(self) -> Material | None:
        """What clips of cut-outs are made of; None without folders.

        Raises:
            ValueError: for folders that cannot be used.
        """
        if self.cutouts is None or self.backgrounds is None:
            return None
        return read_material(self.cutouts, self.backgrounds)


def rollout_seed(seed: int, *, stage: int, batch: int) -> int:
    """The seed of everything random in a batch, from the seed of the run, the stage and the number of the batch."""
    return int(np.random.SeedSequence((seed, stage, batch)).generate_state(1)[0])


class _Run:
    """One process of a run. Process 0 keeps the time, the log, the checkpoint and the pictures."""

    def __init__(self, settings: TrainSettings, run: RunSettings, rank: int) -> None:
        self.settings, self.run, self.rank = settings, run, rank
        self.material = run.material()
        name = f'{run.device}:{rank}' if run.device == 'cuda' and run.processes > 1 else run.device
        self.device = torch.device(name)
        self.trainer = Trainer(settings, self.device, start=run.start)
        self.checkpoint = run.folder / 'checkpoint.pt'
        if self.checkpoint.exists():
            self.trainer.load(self.checkpoint)
        elif run.start is None:
            for model in (self.trainer.model, self.trainer.average):
                centre_memory(model, self._data(0)[0].to(self.device))
        self.log = Log(run.folder / 'log.csv', step=self.trainer.progress.step) if rank == 0 else None
        self.earlier = self.trainer.progress.seconds
        self.begin = self.saved = self.validated = time.monotonic()
        if self.checkpoint.exists():  # the budget may have changed
            self.trainer.progress.share = self._spent()

    def seconds(self) -> float:
        return self.earlier + time.monotonic() - self.begin

    def _spent(self, *, more: int = 0) -> float:
        """Share of the budget that is spent after `more` further steps."""
        if self.run.steps is not None:
            return min(1.0, (self.trainer.progress.step + more) / self.run.steps)
        assert self.run.minutes is not None
        return min(1.0, self.seconds() / (60 * self.run.minutes))

    def _data(self, index: int) -> ClipBatches:
        seed = self.settings.seed + _STAGE_SEED * (index + 1)
        return ClipBatches(self.settings.stages[index].batch, seed=seed, material=self.material)

    def go(self) -> None:
        progress = self.trainer.progress
        bar = tqdm(
            total=1.0,
            initial=round(progress.share, 4),
            disable=self.rank > 0,
            mininterval=5,
            bar_format='{percentage:3.0f}% |{bar:30}| {elapsed} {postfix}',
        )
        while progress.share < 1:
            index = self.settings.stage_at(progress.share)
            self._stage(index, bar.update if self.rank == 0 else lambda _: None, bar.set_postfix_str)
        if self.rank == 0:
            self._save()
            self.trainer.keep_start()
            result = self._validate(self.settings.stage_at(progress.share))
            bar.close()
            print(
                f'after {progress.step} steps: held-out J {result.j_prompted:.2f} where prompted, '
                f'{result.j_tracked:.2f} where tracked'
            )
            self._export()

    def _stage(self, index: int, advance: Callable[[float], object], tell: Callable[[str], object]) -> None:
        """Train until the budget enters another stage."""
        stage, progress, run = self.settings.stages[index], self.trainer.progress, self.run
        start = progress.batches[index] + self.rank
        loader = batch_loader(
            self._data(index), start=start, step=run.processes, workers=run.workers, pin=self.device.type == 'cuda'
        )
        idle_since = time.monotonic()
        for number, batch in enumerate(loader):
            waited, before = time.monotonic() - idle_since, progress.share
            seed = rollout_seed(self.settings.seed, stage=index, batch=start + number * run.processes)
            losses = self.trainer.step(batch, stage, seed=seed, share=self._spent(more=1))
            progress.batches[index] += run.processes
            progress.seconds = self.seconds()
            advance(progress.share - before)
            if self.log is not None:
                self.log.add(waited=waited)
                self.log.add_losses(losses, batch.kind.to(self.device))
                if progress.step % _ROW_EVERY == 0:
                    row = self._row(stage.name)
                    tracked = row.get('j_tracked', '-')
                    tell(f'{stage.name} step {progress.step} loss {row["loss"]:.3f} tracked J {tracked}')
                self._housekeeping(index)
            if progress.share >= 1 or self.settings.stage_at(progress.share) != index:
                return
            idle_since = time.monotonic()

    def _row(self, stage: str) -> dict[str, float | str]:
        assert self.log is not None
        return self.log.write(
            step=self.trainer.progress.step,
            seconds=round(self.seconds(), 1),
            stage=stage,
            rate=round(self.trainer.optimizers[0].param_groups[0]['lr'], 7),
        )

    def _housekeeping(self, index: int) -> None:
        now = time.monotonic()
        if now - self.validated > self.run.validate_every:
            self._validate(index)
            self.validated = time.monotonic()
        if now - self.saved > self.run.save_every:
            self._save()
            self.saved = time.monotonic()

    def _save(self) -> None:
        self.trainer.save(self.checkpoint)
        self._export()

    def _export(self) -> None:
        export_weights(self.trainer.average, self.run.folder / 'weights.safetensors')

    def _validate(self, index: int) -> Validation:
        """Put held-out figures into the next row of the log, and write the picture with the step in its name."""
        assert self.log is not None
        stage, step = self.settings.stages[index], self.trainer.progress.step
        result = validate(
            self.trainer.average,
            stage.batch,
            device=self.device,
            batches=self.run.validation_batches,
            material=self.material,
        )
        self.log.add(
            heldout_j_prompted=result.j_prompted,
            heldout_j_tracked=result.j_tracked,
            heldout_visibility=result.visibility,
        )
        save_picture(self.run.folder / f'heldout_{step:06d}.png', result.picture)
        self._row(stage.name)
        return result


def _process(rank: int, settings: TrainSettings, run: RunSettings, port: int) -> None:
    if run.processes > 1:
        # torch sends it when the main process died; a background job of a script would ignore it and train on
        signal.signal(signal.SIGINT, signal.default_int_handler)
        torch.set_num_threads(1)
        backend = 'nccl' if run.device == 'cuda' else 'gloo'
        dist.init_process_group(backend, init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=run.processes)
    try:
        _Run(settings, run, rank).go()
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return int(listener.getsockname()[1])


def train(settings: TrainSettings, run: RunSettings) -> Path:
    """Train until the budget is spent. An interrupted run goes on from the checkpoint in its folder.

    Args:
        settings: the recipe.
        run: where and how long.

    Returns:
        The file with the averaged weights (float16 safetensors).

    Raises:
        ValueError: if recipe and folders do not go together, or a checkpoint is of another run.
    """
    run = replace(run, device=str(choose_device(run.device)))
    wanted = any(stage.batch.cutouts for stage in settings.stages)
    if wanted != (run.cutouts is not None):
        raise ValueError(
            'the recipe takes cut-outs: give --cutouts and --backgrounds'
            if wanted
            else 'no stage of the recipe takes cut-outs: give one that does (cutouts in its batch), or no folders'
        )
    run.folder.mkdir(parents=True, exist_ok=True)
    if run.processes == 1:
        _process(0, settings, run, 0)
    else:
        mp.spawn(_process, args=(settings, run, _free_port()), nprocs=run.processes)
    return run.folder / 'weights.safetensors'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument('--minutes', type=float, help='length of the run in minutes')
    budget.add_argument('--steps', type=int, help='length of the run in optimizer steps')
    parser.add_argument('--config', type=Path, default=DEFAULT_CONFIG, help='recipe (default: %(default)s)')
    parser.add_argument(
        '--folder',
        type=Path,
        default=Path('training_run'),
        help='for checkpoint, log, pictures and weights; a run in this folder is continued (default: %(default)s)',
    )
    parser.add_argument(
        '--start',
        type=Path,
        help='starting weights; a share of them (keep_start in the recipe) stays in the result (default: random ones)',
    )
    parser.add_argument(
        '--cutouts', type=Path, metavar='FOLDER', help='RGBA cut-outs of real objects, for recipes that take them'
    )
    parser.add_argument('--backgrounds', type=Path, metavar='FOLDER', help='pictures behind the cut-outs')
    parser.add_argument('--device', default='cpu', help='auto, cpu or cuda (default: %(default)s)')
    parser.add_argument(
        '--processes',
        type=int,
        default=1,
        help='copies that share the work: about one per CPU core, or one per GPU (default: %(default)s)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=1,
        help='processes per copy that make clips; take more if the log has much time in its column waited, in seconds '
        'per step (default: %(default)s)',
    )
    return parser


def main(args: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    given = _parser().parse_args(args)
    try:
        run = RunSettings(
            folder=given.folder,
            minutes=given.minutes,
            steps=given.steps,
            start=given.start,
            cutouts=given.cutouts,
            backgrounds=given.backgrounds,
            device=given.device,
            processes=given.processes,
            workers=given.workers,
        )
        print(f'weights: {train(load_settings(given.config), run)}')
    except (ValueError, OSError, ImportError, FloatingPointError, torch.OutOfMemoryError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except ProcessException as error:  # the last line says why, the lines above it say where
        print(f'error: {str(error).strip().splitlines()[-1]}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
