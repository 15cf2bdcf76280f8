"""Where work is done: in this process, or in several."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from typing import Protocol, TypeVar

import torch

from sam2_ros.interruption import end_with_parent

Item = TypeVar('Item')
Result = TypeVar('Result')


class Executor(Protocol):
    """Does a piece of work for each item."""

    def run(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Do the work.

        Args:
            work: where several processes work, a function of a module, whose argument and result can be pickled.
            items: any number.

        Yields:
            The index of an item and its result, as they are finished.

        Raises:
            RuntimeError: if a process was ended from outside, such as for want of memory. Also what `work` raises.
        """
        ...


@dataclass(frozen=True)
class Processes:
    """Processes of this machine, which share its processor cores.

    When the caller stops, by Ctrl-C or an error, they are ended in the middle of their work.

    Attributes:
        count: how many; 1 = this one.
    """

    count: int = 1

    def run(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """See `Executor`."""
        if self.count == 1:
            yield from ((index, work(item)) for index, item in enumerate(items))
            return
        threads = max(1, (os.cpu_count() or 1) // self.count)
        others = set(active_children())
        pool = ProcessPoolExecutor(self.count, get_context('spawn'), _begin, (threads,))
        try:
            futures = {pool.submit(work, item): index for index, item in enumerate(items)}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException as error:
            for process in set(active_children()) - others:  # the pool would wait for what they do
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                raise RuntimeError(
                    'a process was ended from outside, such as for want of memory; the same command goes on from what '
                    'is kept'
                ) from error
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the caller ends these
    torch.set_num_threads(threads)
    end_with_parent()
