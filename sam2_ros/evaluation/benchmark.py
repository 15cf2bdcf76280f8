"""Runs a benchmark of a network on clips: keeps predictions on disk, and scores what is there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from sam2_ros.evaluation.datasets.clips import ClipSet
from sam2_ros.evaluation.measures.scores import RunScore, score_run
from sam2_ros.evaluation.predictions import PredictionStore, RunKey
from sam2_ros.evaluation.protocols.first_frame import track_clip
from sam2_ros.interruption import end_with_parent
from sam2_ros.model import Sam2Network, build_sam2

# the sources that predictions depend on
_SOURCES = (
    'model/*.py',
    'tracking/*.py',
    'evaluation/datasets/*.py',
    'evaluation/protocols/first_frame.py',
    'evaluation/protocols/simulated_prompts.py',
    'synthetic/*.py',
    'files/*.py',
    'video/source.py',
)


@dataclass(frozen=True)
class NetworkSource:
    """Which network to load. Small enough to send to another process, which loads the same weights or fails.

    Attributes:
        name: variant, a key of `VARIANTS`.
        checkpoint: file of the weights.
        image_size: side of the network input in pixels.
        device: of the network.
    """

    name: str
    checkpoint: Path
    image_size: int
    device: str = 'cpu'

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 of the checkpoint, computed when first asked for."""
        return self._digest()

    def load(self) -> Sam2Network:
        """Build the network.

        Raises:
            ValueError: if the checkpoint has changed since `weights_digest` was computed.
        """
        model = build_sam2(self.name, self.checkpoint, device=self.device, image_size=self.image_size)
        if self.weights_digest != self._digest():
            raise ValueError(f'{self.checkpoint} has changed since this run began; copy it and start again')
        return model

    def _digest(self) -> str:
        return hashlib.sha256(self.checkpoint.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Benchmark:
    """A network, and what it is tested on.

    Attributes:
        network: the network.
        subsets: the clips, by name of the subset. Their targets are tracked together.
        policies, prompts: every clip is tracked with each of these memory policies from each of these kinds of prompts.

    Raises:
        ValueError: if a policy or a kind of prompt is named twice.
    """

    network: NetworkSource
    subsets: Mapping[str, ClipSet]
    policies: tuple[str, ...]
    prompts: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ('policies', 'prompts'):
            wanted = getattr(self, name)
            if len(set(wanted)) < len(wanted):
                raise ValueError(f'{name} must be named once each, not {" ".join(wanted)}')

    def open_stores(self, folder: Path, *, overwrite: bool = False) -> dict[str, PredictionStore]:
        """One store of predictions for each subset.

        Args:
            folder: of all stores.
            overwrite: delete predictions that were made with another configuration.

        Raises:
            ConfigMismatchError: if a store holds predictions of another configuration, and `overwrite` is not set.
        """
        size = f'{self.network.name}_{self.network.image_size}'
        return {
            name: PredictionStore(
                folder / size / f'{name}_{subset.variant}',
                self._config(subset),
                overwrite=overwrite,
            )
            for name, subset in self.subsets.items()
        }

    def run(self, stores: Mapping[str, PredictionStore], *, workers: int = 1) -> list[RunScore]:
        """Predict what the stores lack, and score everything. Shows a progress bar.

        Args:
            stores: from `open_stores`.
            workers: number of processes.
        """
        jobs = [(self, name, number, store) for name, store in stores.items() for number in self.subsets[name].numbers]
        if workers == 1:
            return [score for job in tqdm(jobs, unit='clip') for score in _run_clip(*job)]
        threads = max(1, (os.cpu_count() or 1) // workers)
        with ProcessPoolExecutor(workers, get_context('spawn'), _begin_worker, (threads,)) as pool:
            results = pool.map(_run_clip, *zip(*jobs, strict=True))
            return [score for scores in tqdm(results, total=len(jobs), unit='clip') for score in scores]

    def _config(self, subset: ClipSet) -> dict[str, Any]:
        """Everything that decides what is predicted for a subset."""
        return {
            'model': self.network.name,
            'weights_sha256': self.network.weights_digest,
            'code_sha256': code_digest(),
            'torch': torch.__version__,
            'device': self.network.device,
            'image_size': self.network.image_size,
            **subset.config(),
        }


def _begin_worker(threads: int) -> None:
    torch.set_num_threads(threads)
    end_with_parent()


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 of the sources of the network, the tracker, the clips and the prompts."""
    package = Path(__file__).resolve().parent.parent
    files = [file for pattern in _SOURCES for file in sorted(package.glob(pattern))]
    return hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()


def _run_clip(benchmark: Benchmark, subset_name: str, number: int, store: PredictionStore) -> list[RunScore]:
    targets = benchmark.subsets[subset_name].targets(number)
    runs = {
        RunKey(policy, prompt, number, label): target
        for policy in benchmark.policies
        for prompt in benchmark.prompts
        for label, target in targets.items()
    }
    missing = {run: target for run, target in runs.items() if not store.has(run)}
    if missing:
        model = _loaded(benchmark.network, benchmark.network.weights_digest)
        for run, track in track_clip(model, missing).items():
            store.save(run, track)
    return [score_run(subset_name, run, predicted=store.load(run), truth=target.truth) for run, target in runs.items()]


@lru_cache(maxsize=1)
def _loaded(source: NetworkSource, _digest: str) -> Sam2Network:
    """The network, built once in every process for the same weights."""
    return source.load()
