"""Functions of tensors as graphs: one launch for hundreds of kernels, on buffers whose addresses never change.

How a graph is captured is given from outside (`cuda_graphs`), so that all of this is tested without a GPU.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
# Computes tensors from tensors; functions that are equal compute the same. For a graph, what runs must depend on
# shapes alone, not on values: nothing is read on the host.
TensorFunction = Callable[..., Tensors]

MOST_GRAPHS = 64  # of cameras of other sizes and numbers of objects that are long gone
TOLERANCE = 0.02  # of the range of a result, where a graph and the plain function may round differently
_log = logging.getLogger(__name__)


class Capture(Protocol):
    """Makes graphs."""

    @property
    def nbytes(self) -> int:
        """Memory that the graphs have on the device for what they compute."""

    def __call__(self, compute: Callable[[], Tensors]) -> tuple[Callable[[], None], Tensors]:
        """A function without arguments -> what runs it again, and the tensors in which its results are then found."""


class Runner(Protocol):
    """Runs functions, plainly or as graphs."""

    def run(self, function: TensorFunction, *arguments: Tensor) -> Tensors:
        """What the function computes, in tensors that nobody else has."""

    def rows(self, count: int, *, most: int) -> int:
        """How many rows a batch should have that has `count` now, and at other times up to `most`.

        What is in the others does not matter.
        """


class PlainRunner:
    """Calls functions as they are, with exact batches."""

    def run(self, function: TensorFunction, *arguments: Tensor) -> Tensors:
        return function(*arguments)

    def rows(self, count: int, *, most: int) -> int:
        return count


PLAIN = PlainRunner()


@dataclass(frozen=True, eq=False)
class _Graph:
    replay: Callable[[], None]
    buffers: Tensors
    results: Tensors


class GraphRunner:
    """Captures a function when it is first called with arguments of these shapes, and from then on replays it.

    Each new graph is checked: it must give what the function gives. If one does not, or cannot be captured, functions
    are called plainly from then on. One thread uses a runner, and no tensor of a graph ever leaves it.

    Attributes:
        trouble: why functions are called plainly, as a sentence; empty while all is well.
    """

    def __init__(self, capture: Capture) -> None:
        self.trouble = ''
        self._capture = capture
        self._graphs: OrderedDict[Hashable, _Graph] = OrderedDict()

    @property
    def count(self) -> int:
        """Number of graphs that are kept."""
        return len(self._graphs)

    @property
    def nbytes(self) -> int:
        """Memory of the device that graphs have for what they compute, in bytes."""
        return self._capture.nbytes

    def rows(self, count: int, *, most: int) -> int:
        """`most` or up to a quarter more, so that few graphs serve many numbers of objects."""
        step = 1 << max(0, (most - 1).bit_length() - 3)
        return -(-most // step) * step

    @torch.inference_mode()
    def run(self, function: TensorFunction, *arguments: Tensor) -> Tensors:
        key = function, *((one.shape, one.dtype) for one in arguments)
        if not self.trouble and key not in self._graphs:
            self._add(key, function, arguments)
        if self.trouble:
            return function(*arguments)
        self._graphs.move_to_end(key)
        return _replayed(self._graphs[key], arguments)

    def forget(self) -> None:
        """Free all graphs; they are captured again when they are needed."""
        self._graphs.clear()

    def _add(self, key: Hashable, function: TensorFunction, arguments: Tensors) -> None:
        name, started = _described(function, arguments), time.monotonic()
        try:
            buffers = tuple(one.clone() for one in arguments)
            graph = _Graph(*_ordered(buffers, self._capture(lambda: function(*buffers))))
            for result in graph.results:
                result.zero_()  # or what the capture left there would pass, if the graph did nothing
            difference = _difference(_replayed(graph, arguments), function(*arguments))
        except Exception as error:  # whatever it is: frames can do without
            self._give_up(f'{name} could not be captured: {_cause(error)}')
            return
        if difference:
            self._give_up(f'{name} differs from what it should compute: {difference}')
            return
        self._graphs[key] = graph
        if len(self._graphs) > MOST_GRAPHS:
            self._graphs.popitem(last=False)
        _log.info('captured %s in %.1f s', name, time.monotonic() - started)

    def _give_up(self, reason: str) -> None:
        self.trouble = f'frames run without graphs, which is slower: {reason}'
        self._graphs.clear()
        _log.warning('%s', self.trouble)


def _cause(error: BaseException) -> str:
    """The first of several errors, by its first line: where a capture fails, its end mostly fails, too."""
    while error.__context__ is not None:
        error = error.__context__
    return f'{type(error).__name__}: {str(error).partition(chr(10))[0]}'


def _ordered(
    buffers: Tensors, captured: tuple[Callable[[], None], Tensors]
) -> tuple[Callable[[], None], Tensors, Tensors]:
    replay, results = captured
    return replay, buffers, results


def _replayed(graph: _Graph, arguments: Tensors) -> Tensors:
    for buffer, argument in zip(graph.buffers, arguments, strict=True):
        buffer.copy_(argument, non_blocking=True)
    graph.replay()
    return tuple(one.clone() for one in graph.results)


def _described(function: TensorFunction, arguments: Sequence[Tensor]) -> str:
    shapes = ', '.join('x'.join(map(str, one.shape)) or '1' for one in arguments)
    return f'{type(function).__name__} ({shapes})'


def _difference(ours: Tensors, theirs: Tensors) -> str:
    """Where results differ by more than rounding, in words; empty if they do not."""
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        span = max(1.0, float(other.abs().max())) if other.numel() and other.is_floating_point() else 0.5
        wrong = (one.double() - other.double()).abs() > TOLERANCE * span
        if not torch.equal(one.isfinite(), other.isfinite()) or bool(wrong.any()):
            return f'{int(wrong.sum())} of {one.numel()} values of result {number}, the largest of which is {span:.3g}'
    return ''
