"""CUDA graphs for `GraphRunner`, shared by all trackers of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import torch

from sam2_ros.model import Network
from sam2_ros.tracking.graphs import GraphRunner, Tensors

WARM_UPS = 2  # runs before a capture, in which libraries choose their kernels and tables are made


class CudaCapture:
    """Captures functions on a device. All graphs share the memory of what they compute in between.

    Attributes:
        nbytes: by which the captures have made PyTorch's share of the memory of the device grow.
    """

    def __init__(self, device: torch.device) -> None:
        self.nbytes = 0
        self._device = device
        self._pool: Any = None
        # One for all: torch's own belongs to the device that was first, and libraries keep memory for each stream.
        self._stream: torch.cuda.Stream | None = None

    def __call__(self, compute: Callable[[], Tensors]) -> tuple[Callable[[], None], Tensors]:
        with torch.cuda.device(self._device):
            if self._stream is None:
                self._stream, self._pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()
            usual = torch.cuda.current_stream()
            self._stream.wait_stream(usual)
            with torch.cuda.stream(self._stream):
                for _ in range(WARM_UPS):
                    compute()
            usual.wait_stream(self._stream)
            torch.cuda.empty_cache()
            before = torch.cuda.memory_reserved()
            graph = torch.cuda.CUDAGraph()
            try:
                # what other threads do on the device meanwhile does not disturb the capture
                with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode='thread_local'):
                    results = compute()
            finally:
                torch.cuda.set_stream(usual)  # which a capture that fails does not restore
            self.nbytes += max(0, torch.cuda.memory_reserved() - before)
        return graph.replay, results


class NetworkGraphs(GraphRunner):
    """The graphs of one network."""

    def __init__(self, model: Network) -> None:
        super().__init__(CudaCapture(model.device))
        self.model = model  # its identity is what `graphs_of` finds this by


_shared: WeakValueDictionary[int, NetworkGraphs] = WeakValueDictionary()


def graphs_of(model: Network) -> NetworkGraphs:
    """The graphs of a network on a GPU. They are freed with the last tracker that has them."""
    graphs = _shared.get(id(model))
    if graphs is None:
        graphs = _shared[id(model)] = NetworkGraphs(model)
    return graphs
