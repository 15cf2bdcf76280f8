"""The tracker that the settings ask for has run before its first image."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sam2_ros.live import network
from sam2_ros.model import Sam2Network
from sam2_ros.tracking import Prompt, VideoTracker
from tests.tracking.fake_graphs import GraphTracker

SETTINGS: dict[str, Any] = {
    'memory': 'dam',
    'clear_on_correction': True,
    'graphs': 'auto',
    'lost_after': 5.0,
    'max_hole_area': 0,
    'max_speck_area': 0,
    'non_overlap': False,
    'ring_images': 5,
    'ring_megabytes': 10.0,
    'max_objects': 5,
}


@pytest.mark.parametrize(('kind', 'steps', 'kinds_of_graphs'), [(VideoTracker, 3, 0), (GraphTracker, 9, 13)])
def test_a_tracker_runs_before_its_first_image(
    micro128: Sam2Network, monkeypatch: pytest.MonkeyPatch, kind: type[VideoTracker], steps: int, kinds_of_graphs: int
) -> None:
    """Where frames run as graphs, those of 1 to 4 objects exist before any object does."""
    monkeypatch.setattr(network, 'VideoTracker', kind)
    done: list[int] = []

    def run(work: Callable[[], object]) -> object:
        done.append(1)
        return work()

    tracker = network.make_tracker(micro128, SETTINGS, run=run)
    assert (len(done), tracker.object_ids, tracker.frame_index) == (steps, (), -1)
    assert (tracker.graphs.count if tracker.graphs else 0) == kinds_of_graphs
    for frame in range(3):
        prompts = [Prompt(f'{number}', box=(8 * number, 8, 8 * number + 60, 80)) for number in range(3)]
        tracker.step(np.full((128, 128, 3), 90, np.uint8), () if frame else prompts)
    assert (tracker.graphs.count if tracker.graphs else 0) == kinds_of_graphs


@pytest.mark.parametrize('graphs', ['auto', 'off'])
def test_graphs_can_be_forbidden(micro128: Sam2Network, graphs: str) -> None:
    tracker = network.make_tracker(micro128, SETTINGS | {'graphs': graphs})
    assert tracker._options.graphs is (graphs == 'auto')
    assert tracker.graphs is None  # on the CPU there are none
