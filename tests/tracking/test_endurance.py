"""Thousands of frames: what the process holds does not grow."""

import gc
from pathlib import Path

import torch

from sam2_ros.model import Sam2Network
from sam2_ros.tracking import MemoryEvent, TrackerOptions, VideoTracker, make_policy
from tests.tracking.clips import Clip
from tests.tracking.conftest import OFTEN

FRAMES = 3000
SETTLED = 100  # frames after which everything that is bounded is full
MEBIBYTE = 2**20


def resident_bytes() -> int:
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * 4096


def live_tensors() -> int:
    gc.collect()
    return sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())


def test_memory_is_flat_over_3000_frames(small: Sam2Network, clip: Clip) -> None:
    """With anchors, corrections, prompts for past frames, and objects that come and go."""
    tracker = VideoTracker(
        small, make_policy('dam', OFTEN), options=TrackerOptions(ring_frames=8, clear_on_correction=False)
    )
    tracker.step(clip.image(0), [clip.prompt('a', 'mask')])
    events, tensors, resident = [], 0, 0
    for frame in range(1, FRAMES):
        prompts = [clip.prompt('a', 'points', frame)] if frame % 61 == 0 else []
        if frame % 50 == 20:
            prompts.append(clip.prompt('b', 'box', frame))
        result = tracker.step(clip.image(frame), prompts)
        if frame % 50 == 30:
            tracker.remove('b')
        if frame % 50 == 40:
            tracker.prompt(frame - 5, clip.prompt('a', 'point', frame - 5), image=clip.image(3))
        events.append(result['a'].memory_event)
        if frame == SETTLED:
            tensors, resident = live_tensors(), resident_bytes()
    assert {MemoryEvent.RECENT, MemoryEvent.ANCHOR, MemoryEvent.PROMPT} <= set(events)
    assert abs(live_tensors() - tensors) <= 40  # a frame more or less in the ring
    assert resident_bytes() - resident < 8 * MEBIBYTE
