"""How far two runs agree: known answers."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sam2_ros.tools.agreement import Agreement
from sam2_ros.tracking import MemoryEvent


def result(pixels: int, event: MemoryEvent = MemoryEvent.RECENT) -> Any:
    return SimpleNamespace(mask=np.arange(8).reshape(2, 4) < pixels, area=pixels, memory_event=event)


def test_known_runs() -> None:
    ours = [{'a': result(4), 'b': result(0)}, {'a': result(3, MemoryEvent.ANCHOR), 'b': result(0)}]
    theirs = [{'a': result(4), 'b': result(0)}, {'a': result(6), 'b': result(2)}]
    found = Agreement.of(ours, theirs)
    assert found.overlaps.tolist() == [1.0, 1.0, 0.5, 0.0]
    assert (found.other_presence, found.other_event) == (0.25, 0.25)


def test_runs_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match='shorter'):
        Agreement.of([{'a': result(1)}], [])
