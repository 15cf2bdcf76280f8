"""Runs a protocol on a data set: one piece of work for each video and memory, whose results are kept on disk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from sam2_ros.evaluation.datasets.dataset import AS_USUAL, ClipChoice, Dataset
from sam2_ros.evaluation.datasets.registry import open_dataset
from sam2_ros.evaluation.executors import Executor, Processes
from sam2_ros.evaluation.network import NetworkSource, code_digest, loaded
from sam2_ros.evaluation.protocols.protocol import EvaluationProtocol, SequenceScore
from sam2_ros.evaluation.results import ResultStore

# the sources that tracks depend on, and those that scores depend on beside them
_TRACKED_BY = (
    'model/*.py',
    'tracking/*.py',
    'session/*.py',
    'files/*.py',
    'masklets/*.py',
    'video/source.py',
    'synthetic/*.py',
    'evaluation/datasets/*.py',
    'evaluation/protocols/*.py',
)
_SCORED_BY = ('evaluation/measures/*.py', 'evaluation/protocols/*.py')


@dataclass(frozen=True)
class DatasetSource:
    """Which data set is read. Small enough to send to another process, which opens it once.

    Attributes:
        name: a key of `DATASETS`.
        root: its folder or video; None for one that is made here.
        split: one of its splits.
        choice: of its clips.
    """

    name: str
    root: Path | None
    split: str
    choice: ClipChoice = AS_USUAL

    @property
    def folder(self) -> str:
        """The name of its root, without the place."""
        return '' if self.root is None else self.root.resolve().name

    def open(self) -> Dataset:
        """The data set. Raises the errors of `open_dataset`."""
        return _opened(self)


@lru_cache(maxsize=1)
def _opened(source: DatasetSource) -> Dataset:
    return open_dataset(source.name, source.root, source.split, source.choice)


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated, how, and on what.

    Attributes:
        dataset: which data set.
        protocol: how its videos are tracked and scored.
        network: which network.
        memories: names of memory policies that are compared.

    Raises:
        ValueError: if the protocol has no such memory, or one is named twice.
    """

    dataset: DatasetSource
    protocol: EvaluationProtocol
    network: NetworkSource
    memories: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.memories)) < len(self.memories) or not self.memories:
            raise ValueError(f'memories must be named once each, not {" ".join(self.memories) or "none"}')
        for memory in self.memories:
            if memory not in self.protocol.memories:
                accepted = ', '.join(self.protocol.memories)
                raise ValueError(
                    f'the protocol {self.protocol.name} cannot run with the memory {memory!r}; accepted are {accepted}'
                )

    def open_store(self, folder: Path, *, overwrite: bool = False) -> ResultStore:
        """The results in a folder. Takes the arguments of `ResultStore.open` and raises its error."""
        scoring = code_digest(_SCORED_BY)
        return ResultStore.open(folder, self._config(), scoring=scoring, overwrite=overwrite)

    def _config(self) -> dict[str, Any]:
        """Everything that decides what is tracked, except memory and video."""
        return {
            'dataset': self.dataset.name,
            'folder': self.dataset.folder,
            'split': self.dataset.split,
            'frames': self.dataset.choice.frames,
            'protocol': self.protocol.name,
            'model': self.network.name,
            'weights_sha256': self.network.weights_digest,
            'image_size': self.network.image_size,
            'device': self.network.device,
            'torch': torch.__version__,
            'code_sha256': code_digest(_TRACKED_BY),
        }


@dataclass(frozen=True)
class Method:
    """One of those that are compared: a network with a memory.

    Attributes:
        label: what it is called on the page.
        evaluation: with the network.
        store: of the evaluation's results.
        memory: one of the evaluation's.
    """

    label: str
    evaluation: Evaluation
    store: ResultStore
    memory: str


@dataclass(frozen=True)
class WorkItem:
    """One video with one method."""

    method: Method
    name: str

    def __str__(self) -> str:
        return f'{self.name} with {self.method.label}'


@dataclass(frozen=True)
class Failure:
    """A video that could not be tracked or scored, and why."""

    method: str
    name: str
    reason: str


def evaluate(
    methods: Sequence[Method], names: Sequence[str], *, executor: Executor | None = None
) -> Iterator[Failure | None]:
    """Track and score the videos whose results are not there yet.

    A video that is damaged does not keep the others from being done.

    Args:
        methods: those of one network follow each other.
        names: of the videos.
        executor: where it is done; usually in this process.

    Yields:
        For each video and method, as they are finished, None or why it failed.
    """
    by_network = [list(own) for _, own in groupby(methods, key=lambda method: method.store)]
    items = [WorkItem(method, name) for own in by_network for name in names for method in own]
    for _, failure in (executor or Processes()).run(track_and_score, items):
        yield failure


def track_and_score(item: WorkItem) -> Failure | None:
    """Do one piece of work, as far as its results are not there yet."""
    method, name = item.method, item.name
    store, memory, protocol = method.store, method.memory, method.evaluation.protocol
    if store.has_score(memory, name) and store.has_tracks(memory, name):
        return None
    try:
        sequence = method.evaluation.dataset.open().sequence(name)
        if not store.has_tracks(memory, name):
            began = time.perf_counter()
            tracks = protocol.run(loaded(method.evaluation.network), memory, sequence)
            store.save_tracks(memory, name, tracks, seconds=time.perf_counter() - began)
        scores = tuple(protocol.score(sequence, store.tracks(memory, name)))
        store.save_score(memory, SequenceScore(name, sequence.size, len(sequence.frames), scores))
    except (ValueError, OSError, RuntimeError) as error:  # the last one also when a GPU's memory is full
        return Failure(method.label, name, str(error))
    return None
