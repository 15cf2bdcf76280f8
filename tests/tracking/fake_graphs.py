"""Graphs on the CPU: a function runs on fixed buffers, and what it left there is spoilt after every frame."""

from collections.abc import Callable

import numpy as np
import torch

from sam2_ros.tracking import FrameResult, Prompt, VideoTracker
from sam2_ros.tracking.graphs import GraphRunner, Tensors


class FakeCapture:
    """Takes the place of `CudaCapture`.

    Attributes:
        replays: how often graphs have run.
    """

    def __init__(self) -> None:
        self.replays = 0
        self._results: list[Tensors] = []

    @property
    def nbytes(self) -> int:
        return sum(one.nbytes for results in self._results for one in results)

    def __call__(self, compute: Callable[[], Tensors]) -> tuple[Callable[[], None], Tensors]:
        results = tuple(one.clone() for one in compute())
        self._results.append(results)

        def replay() -> None:
            self.replays += 1
            for result, new in zip(results, compute(), strict=True):
                result.copy_(new)

        return replay, results

    @torch.inference_mode()
    def spoil(self) -> None:
        """Overwrite the results of all graphs, as the next frame does on a GPU."""
        for results in self._results:
            for one in results:
                one.fill_(float('nan') if one.is_floating_point() else 1)


class GraphTracker(VideoTracker):
    """A tracker whose frames run on such graphs."""

    def __init__(self, *given: object, **options: object) -> None:
        self.capture = FakeCapture()
        super().__init__(*given, graphs=GraphRunner(self.capture), **options)  # type: ignore[arg-type, misc]

    def step(self, rgb: np.ndarray, prompts: list[Prompt] | tuple[Prompt, ...] = (), **given: object) -> FrameResult:
        result = super().step(rgb, prompts, **given)  # type: ignore[arg-type]
        self.capture.spoil()
        return result
