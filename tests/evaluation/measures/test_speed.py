"""Times of trackers that take turns."""

from functools import partial
from pathlib import Path

import pytest

from sam2_ros.evaluation.datasets.registry import open_dataset
from sam2_ros.evaluation.measures import speed
from sam2_ros.evaluation.measures.speed import time_trackers
from sam2_ros.model import Sam2Network
from sam2_ros.tracking import VideoTracker
from tests.evaluation.filmed import draw_labels, write_clip


@pytest.mark.slow
def test_times_are_relative_to_the_first_tracker(
    micro128: Sam2Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in 'ab':
        write_clip(tmp_path / name, draw_labels({1: range(1, 5)}, frames=5))
    clips = list(map(open_dataset('folder', tmp_path).sequence, 'ab'))
    trackers = {memory: partial(VideoTracker, micro128, memory=memory) for memory in ('sam2', 'dam')}
    with pytest.raises(ValueError, match='an object needs more than 16 frames, and that of a has 4'):
        time_trackers(trackers, clips)
    monkeypatch.setattr(speed, 'WARM_UP_FRAMES', 2)
    times = time_trackers(trackers, clips)
    assert [time.name for time in times] == ['sam2', 'dam']
    assert (times[0].ratio, times[0].ratio_error) == (1, 0)
    assert all(time.median > 0 and time.ratio > 0 for time in times)
