"""Runs a benchmark of a network on clips: keeps predictions on disk, and scores what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from sam2_ros.evaluation.datasets.clips import ClipSet
from sam2_ros.evaluation.executors import Processes
from sam2_ros.evaluation.measures.scores import RunScore, score_run
from sam2_ros.evaluation.network import NetworkSource, code_digest, loaded
from sam2_ros.evaluation.predictions import PredictionStore, RunKey
from sam2_ros.evaluation.protocols.first_frame import track_clip

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
        jobs = [
            _Job(self, name, number, store) for name, store in stores.items() for number in self.subsets[name].numbers
        ]
        finished = dict(tqdm(Processes(workers).run(_run_clip, jobs), total=len(jobs), unit='clip'))
        return [score for number in range(len(jobs)) for score in finished[number]]

    def _config(self, subset: ClipSet) -> dict[str, Any]:
        """Everything that decides what is predicted for a subset."""
        return {
            'model': self.network.name,
            'weights_sha256': self.network.weights_digest,
            'code_sha256': code_digest(_SOURCES),
            'torch': torch.__version__,
            'device': self.network.device,
            'image_size': self.network.image_size,
            **subset.config(),
        }


@dataclass(frozen=True)
class _Job:
    benchmark: Benchmark
    subset: str
    number: int
    store: PredictionStore


def _run_clip(job: _Job) -> list[RunScore]:
    benchmark, store = job.benchmark, job.store
    targets = benchmark.subsets[job.subset].targets(job.number)
    runs = {
        RunKey(policy, prompt, job.number, label): target
        for policy in benchmark.policies
        for prompt in benchmark.prompts
        for label, target in targets.items()
    }
    missing = {run: target for run, target in runs.items() if not store.has(run)}
    if missing:
        for run, track in track_clip(loaded(benchmark.network), missing).items():
            store.save(run, track)
    return [score_run(job.subset, run, predicted=store.load(run), truth=target.truth) for run, target in runs.items()]
