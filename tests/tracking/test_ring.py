"""The ring of recent images: what prompts for past images reach, and what it costs."""

import gc
from dataclasses import replace

import pytest

from sam2_ros.model import Sam2Network
from sam2_ros.tracking import (
    FrameNotKeptError,
    TrackerOptions,
    VideoTracker,
)
from sam2_ros.tracking.ring import RecentImage
from tests.tracking.clips import Clip, play
from tests.tracking.conftest import assert_same

pytestmark = pytest.mark.slow


def images_in_memory() -> int:
    gc.collect()
    return sum(type(one) is RecentImage for one in gc.get_objects())


def test_frames_older_than_the_ring_are_refused_with_its_length(micro64: Sam2Network, clip: Clip) -> None:
    tracker = VideoTracker(micro64, options=TrackerOptions(ring_frames=4))
    play(tracker, clip, {0: [clip.prompt('a', 'mask')]}, range(10))
    assert tracker.oldest_frame_index == 6
    with pytest.raises(FrameNotKeptError, match=r'frame 5 is 4 frames old; .* reaches back 3 frames, to frame 6'):
        tracker.prompt(5, clip.prompt('a', 'box', 5))
    assert len(tracker.prompt(6, clip.prompt('a', 'box', 6))) == 4


def test_the_ring_is_bounded_in_bytes(micro64: Sam2Network, clip: Clip) -> None:
    image_bytes = 3 * 64 * 64
    tracker = VideoTracker(micro64, options=TrackerOptions(ring_frames=8, ring_bytes=3 * image_bytes))
    play(tracker, clip, {}, range(10))
    assert tracker.oldest_frame_index == 7
    tracker = VideoTracker(micro64, options=TrackerOptions(ring_bytes=0))
    play(tracker, clip, {}, range(3))
    assert tracker.oldest_frame_index == 2  # the newest one always stays


def test_an_image_that_was_never_stepped_is_one_image_however_often_it_is_prompted(
    micro64: Sam2Network, clip: Clip
) -> None:
    """The second prompt is applied on top of the first; at another time, the same pixels are another image."""
    unseen, first, second = clip.image(20), clip.prompt('a', 'box', 20), clip.prompt('a', 'points', 20)
    twice, once, apart = (VideoTracker(micro64) for _ in range(3))
    for tracker in (twice, apart):
        play(tracker, clip, {0: [clip.prompt('a', 'mask')]}, range(5))
    twice.prompt(2, first, image=unseen, time=2.5)
    caught_up = twice.prompt(2, second, image=unseen.copy(), time=2.5)
    play(once, clip, {0: [clip.prompt('a', 'mask')]}, range(3))
    expected = [once.step(unseen, [first, second])['a'], *play(once, clip, {}, range(3, 5))]
    for one, other in zip(caught_up, expected, strict=True):
        assert_same(one, other)
    assert_same(twice.step(clip.image(5))['a'], once.step(clip.image(5))['a'])
    apart.prompt(2, first, image=unseen, time=2.5)
    assert len(apart.prompt(2, second, image=unseen, time=2.4)) == len(caught_up) + 1


def test_images_that_were_never_stepped_are_in_order_of_time(micro64: Sam2Network, clip: Clip) -> None:
    """Not of the calls: the one that is prompted last came first."""
    late, in_time = VideoTracker(micro64), VideoTracker(micro64)
    prompts = {picture: clip.prompt('a', 'box', picture) for picture in (12, 16, 20)}
    play(late, clip, {0: [clip.prompt('a', 'mask')]}, range(4))
    for picture in (16, 20, 12):
        late.prompt(1, prompts[picture], image=clip.image(picture), time=picture)
    play(in_time, clip, {0: [clip.prompt('a', 'mask')]}, range(2))
    for picture in (12, 16, 20):
        in_time.step(clip.image(picture), [prompts[picture]])
    play(in_time, clip, {}, range(2, 4))
    assert_same(late.step(clip.image(4))['a'], in_time.step(clip.image(4))['a'])


@pytest.mark.parametrize('ring_frames', [1, 2])
def test_the_newest_frame_is_never_dropped(micro64: Sam2Network, clip: Clip, ring_frames: int) -> None:
    tracker = VideoTracker(micro64, options=TrackerOptions(ring_frames=ring_frames))
    play(tracker, clip, {0: [clip.prompt('a', 'mask')]}, range(2))
    for picture in (9, 10, 11):
        tracker.prompt(1, clip.prompt('a', 'box', picture), image=clip.image(picture))
        assert tracker.oldest_frame_index == 1
    with pytest.raises(FrameNotKeptError, match='reaches back to frame 1'):
        tracker.begin_prompt(-1, clip.prompt('b', 'box', 9), image=clip.image(9))
    assert tracker.prompt(1, clip.prompt('b', 'mask', 1))[0].frame_index == 1


def test_a_picture_inserted_for_several_objects_counts_once_in_the_ring(micro64: Sam2Network, clip: Clip) -> None:
    for limits in ({'ring_frames': 6}, {'ring_bytes': 6 * 64 * 64 * 3}):
        tracker = VideoTracker(micro64, options=TrackerOptions(**limits))
        play(tracker, clip, {0: [clip.prompt('a', 'box')]}, range(5))
        for name in 'abc':
            prompt = replace(clip.prompt('b', 'box', 20), object_id=name)
            tracker.prompt(2, prompt, image=clip.image(20), time=2.5)
        assert tracker.oldest_frame_index == 0
        tracker.step(clip.image(5))
        assert tracker.oldest_frame_index == 1


def test_masks_in_prompts_count_as_bytes_of_the_ring(micro64: Sam2Network, clip: Clip) -> None:
    """Images are 64 x 64 x 3 bytes here, masks 96 x 120."""
    for kind, oldest in (('box', 2), ('mask', 4)):
        tracker = VideoTracker(micro64, options=TrackerOptions(ring_bytes=4 * 64 * 64 * 3))
        play(tracker, clip, {frame: [clip.prompt('a', kind, frame)] for frame in range(6)}, range(6))
        assert tracker.oldest_frame_index == oldest
    tracker = VideoTracker(micro64, options=TrackerOptions(ring_bytes=4 * 64 * 64 * 3))
    play(tracker, clip, {}, range(6))
    tracker.prompt(3, clip.prompt('a', 'mask', 3))
    assert tracker.oldest_frame_index == 3


def test_a_catch_up_that_never_gets_ahead_keeps_no_more_images_than_the_ring(small: Sam2Network, clip: Clip) -> None:
    """One image is worked off per new frame, for ever; once it may go faster, the object is where it should be."""
    others = images_in_memory()
    late, in_time = (VideoTracker(small, options=TrackerOptions(ring_frames=4)) for _ in range(2))
    play(late, clip, {}, range(4))
    job = late.begin_prompt(0, clip.prompt('a', 'mask'))
    for frame in range(4, 40):
        late.step(clip.image(frame))
        job.advance()
    assert (
        images_in_memory() - others <= 4 + 4 + 5 + 1
    )  # the ring, what is behind it, what was visited, the prompted image
    while not job.done:
        job.advance()
    play(in_time, clip, {0: [clip.prompt('a', 'mask')]}, range(40))
    for frame in (36, 39):
        correction = clip.prompt('a', 'box', frame)
        for one, other in zip(late.prompt(frame, correction), in_time.prompt(frame, correction), strict=True):
            assert_same(one, other)
