"""A long stream: what the process holds does not grow."""

import gc
from collections import Counter
from pathlib import Path

import pytest
import torch

from sam2_ros.model import Sam2Network
from sam2_ros.tracking import MemoryEvent, TrackerOptions, VideoTracker, make_policy
from tests.tracking.clips import Clip
from tests.tracking.conftest import OFTEN

pytestmark = pytest.mark.slow

FRAMES = 550
SETTLED = 100  # frames after which everything that is bounded is full
PERIOD = 50  # frames after which an object joins, leaves, and another is prompted in the past again
MEBIBYTE = 2**20
# Looked at only where a period ends, most tensors of a tracker that loses nothing are the same in both halves, and its
# bytes stay within 0.3 MiB. So these limits find one tensor lost in 90 frames, or 2.4 kB a frame.
MORE_TENSORS = 1
MORE_BYTES = 1 * MEBIBYTE


def resident_bytes() -> int:
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * 4096


def live_tensors() -> int:
    gc.collect()
    kinds = Counter(map(type, gc.get_objects()))
    return sum(count for kind, count in kinds.items() if issubclass(kind, torch.Tensor))


@pytest.mark.parametrize('memory', ['dam', 'samurai', 'sam2long'])
def test_memory_is_flat_over_hundreds_of_frames(suited: Sam2Network, clip: Clip, memory: str) -> None:
    """With anchors, corrections, prompts for past frames, and objects that come and go."""
    tracker = VideoTracker(
        suited, make_policy(memory, OFTEN), options=TrackerOptions(ring_frames=8, clear_on_correction=False)
    )
    tracker.step(clip.image(0), [clip.prompt('a', 'mask')])
    events, tensors, resident = [], [], []
    for frame in range(1, FRAMES + 1):
        prompts = [clip.prompt('a', 'points', frame)] if frame % 61 == 0 else []
        if frame % PERIOD == 20:
            prompts.append(clip.prompt('b', 'box', frame))
        result = tracker.step(clip.image(frame), prompts)
        if frame % PERIOD == 30:
            tracker.remove('b')
        if frame % PERIOD == 40:
            tracker.prompt(frame - 5, clip.prompt('a', 'point', frame - 5), image=clip.image(3))
        events.append(result['a'].memory_event)
        if frame >= SETTLED and frame % PERIOD == 0:
            tensors.append(live_tensors())
            resident.append(resident_bytes())
    anchors = {MemoryEvent.ANCHOR} if memory == 'dam' else set()
    assert {MemoryEvent.RECENT, MemoryEvent.PROMPT} | anchors <= set(events)
    half = len(tensors) // 2
    assert max(tensors[half:]) - max(tensors[:half]) <= MORE_TENSORS, tensors
    assert resident[-1] - resident[0] < MORE_BYTES, resident
