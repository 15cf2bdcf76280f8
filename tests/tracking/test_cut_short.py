"""An object that is taken to the newest frame at once, because there is no time to catch up."""

from dataclasses import replace

import pytest

from sam2_ros.model import Sam2Network
from sam2_ros.tracking import ObjectState, VideoTracker
from tests.tracking.clips import Clip
from tests.tracking.conftest import assert_close


@pytest.mark.parametrize('known', [False, True])
@pytest.mark.parametrize('advanced', [1, 3])
def test_it_goes_on_as_if_it_had_not_seen_the_images_between(
    micro64: Sam2Network, clip: Clip, known: bool, advanced: int
) -> None:
    late, in_time = VideoTracker(micro64, 'dam'), VideoTracker(micro64, 'dam')
    prompt = clip.prompt('a', 'box', 2)
    for frame in range(7):
        late.step(clip.image(frame), [clip.prompt('a', 'mask')] if known and frame == 0 else ())
    job = late.begin_prompt(2, prompt)
    job.cut_short()  # nothing to cut before the prompt is applied
    assert not job.done
    for _ in range(advanced):
        job.advance()
    job.cut_short()
    assert job.done and job.failure is None
    seen = [2, 3, 4][:advanced]
    for frame in seen:
        in_time.step(clip.image(frame), [prompt] if frame == 2 else ())
    for frame in (7, 8):
        one, other = (tracker.step(clip.image(frame))['a'] for tracker in (late, in_time))
        assert one.state is not ObjectState.CATCHING_UP
        assert_close(replace(one, frame_index=0), replace(other, frame_index=0))


def test_frames_between_can_be_prompted_later(micro64: Sam2Network, clip: Clip) -> None:
    """They know the object as it was after the prompt."""
    tracker = VideoTracker(micro64, 'sam2')
    for frame in range(7):
        tracker.step(clip.image(frame))
    job = tracker.begin_prompt(2, clip.prompt('a', 'box', 2))
    job.advance()
    job.cut_short()
    first, *rest = tracker.prompt(5, clip.prompt('a', 'point', 5))
    assert first.memory_reason == 'correction; recent memories dropped' and len(rest) == 1
