"""Where work is done: in this process, or in several."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

import torch

from sam2_ros.interruption import end_with_parent

Item = TypeVar('Item')
Result = TypeVar('Result')


def run_items(work: Callable[[Item], Result], items: Sequence[Item], *, processes: int) -> Iterator[tuple[int, Result]]:
    """Do a piece of work for each item.

    Args:
        work: with several processes a function of a module, whose argument and result can be pickled.
        items: any number.
        processes: how many; 1 = this one. Several share the processor cores.

    Yields:
        The index of an item and its result, as they are finished.

    Raises:
        RuntimeError: if a process was ended from outside, such as for want of memory. Also what `work` raises.
    """
    if processes == 1:
        yield from ((index, work(item)) for index, item in enumerate(items))
        return
    threads = max(1, (os.cpu_count() or 1) // processes)
    pool = ProcessPoolExecutor(processes, get_context('spawn'), _begin, (threads,))
    try:
        futures = {pool.submit(work, item): index for index, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    torch.set_num_threads(threads)
    end_with_parent()
