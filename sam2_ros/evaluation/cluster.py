"""Work on a Ray cluster: processes that stay, so that each loads the network once, with one item at a time."""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from sam2_ros.evaluation.executors import Item, Result
from sam2_ros.evaluation.network import code_digest

LOCAL = 'local'
TRIES = 3  # of an item whose process ends
PATIENCE = 10.0  # seconds until an address counts as silent
OBJECT_STORE = 80 * 2**20  # bytes, the least that Ray takes: only names and paths are sent


@dataclass(frozen=True)
class RayCluster:
    """Processes (actors) of a Ray cluster. One that ends, or whose machine is lost, is replaced, and its item is done
    again.

    Every machine needs the same code, and the files of the items under the same paths.

    Attributes:
        address: host:port of a running cluster, 'auto' for the one of this machine, or 'local': a cluster of this
            machine alone, which ends with the work.
        processes: how many.
        gpus: for each process; a share such as 0.25 lets four have one together.

    Raises:
        ImportError: if Ray is not installed.
    """

    address: str
    processes: int
    gpus: float = 0.0

    def __post_init__(self) -> None:
        _ray()

    def run(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """See `Executor`.

        Raises:
            OSError: if nothing answers at the address.
            ValueError: if the cluster is too small, or a machine has other code.
            RuntimeError: after all else is done, if processes ended again and again over an item.
        """
        ray = _ray()
        self._connect()
        try:
            shares = shares_of(ray.cluster_resources(), processes=self.processes, gpus=self.gpus)
            actor = ray.remote(_Worker).options(max_restarts=-1, max_task_retries=TRIES - 1, **shares)
            free = [actor.remote(int(shares['num_cpus'])) for _ in range(min(self.processes, len(items)))]
            yield from _share_out(work, items, free)
        finally:
            ray.shutdown()

    def _connect(self) -> None:
        os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # else Ray reports to its makers
        settings: dict[str, Any] = {'address': self.address, 'log_to_driver': False, 'logging_level': logging.ERROR}
        if self.address == LOCAL:
            cores = max(os.cpu_count() or 1, self.processes)
            settings |= {'num_cpus': cores, 'include_dashboard': False, 'object_store_memory': OBJECT_STORE}
        elif self.address != 'auto':
            _check_answers(self.address)
        _ray().init(**settings)


def shares_of(resources: Mapping[str, float], *, processes: int, gpus: float) -> dict[str, float]:
    """What each process gets: its GPUs and one core, or without GPUs its part of the cores.

    Args:
        resources: 'CPU' and 'GPU' of the whole cluster.
        processes: how many.
        gpus: of each one.

    Returns:
        num_cpus and num_gpus.

    Raises:
        ValueError: if there is not enough for all.
    """
    cores = int(resources.get('CPU', 0))
    for kind, needed, there in (('GPUs', gpus * processes, resources.get('GPU', 0.0)), ('cores', processes, cores)):
        if needed > there:
            raise ValueError(f'{processes} processes need {needed:g} {kind}, and the cluster has {there:g}')
    return {'num_cpus': 1 if gpus else cores // processes, 'num_gpus': gpus}


class _Worker:
    """What runs in each process. Its functions may keep what they loaded, such as the network."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def do(self, work: Callable[[Item], Result], item: Item, digest: str) -> Result:
        if digest != _digest():
            raise ValueError(f'the sam2_ros of {socket.gethostname()} is another; install the same on all machines')
        return work(item)


def _share_out(work: Callable[[Item], Result], items: Sequence[Item], free: list[Any]) -> Iterator[tuple[int, Result]]:
    """Give each free actor an item, until none is left."""
    ray = _ray()
    waiting = deque(enumerate(items))
    running: dict[Any, tuple[int, Any]] = {}
    lost: list[str] = []
    while waiting or running:
        while free and waiting:
            index, item = waiting.popleft()
            actor = free.pop()
            running[actor.do.remote(work, item, _digest())] = (index, actor)
        (finished,), _ = ray.wait(list(running), num_returns=1)
        index, actor = running.pop(finished)
        free.append(actor)
        try:
            yield index, ray.get(finished)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayActorError:
            lost.append(str(items[index]))
    if lost:
        raise RuntimeError(
            f'processes ended {TRIES} times, such as for want of memory, over each of: {", ".join(lost)}'
        )


@cache
def _digest() -> str:
    return code_digest(['**/*.py'])


def _check_answers(address: str) -> None:
    """Ray itself would try for minutes, and then end this process."""
    host, _, port = address.rpartition(':')
    if not host or not port.isdecimal():
        raise ValueError(f"the address of a Ray cluster is host:port, 'auto' or '{LOCAL}', not {address!r}")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f'nothing answers at {address}, where a Ray cluster should be: {error}') from error


@cache
def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ImportError(f"a Ray cluster needs the Python package ray: pip install '.[cluster]' ({error})") from error
    return ray
