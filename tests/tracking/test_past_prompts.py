"""Prompts for past images: the object must end up as if the prompt had been given in time."""

from dataclasses import replace

import numpy as np
import pytest
from torch import Tensor

from sam2_ros.model import ImageFeatures, Sam2Network
from sam2_ros.tracking import (
    FrameNotKeptError,
    MemoryEvent,
    ObjectState,
    Prompt,
    TrackerOptions,
    UnknownObjectError,
    VideoTracker,
    advance_together,
    make_policy,
)
from tests.tracking.clips import Clip, play
from tests.tracking.conftest import OFTEN, assert_close, assert_same

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('memory', ['sam2', 'dam', 'samurai', 'sam2long'])
@pytest.mark.parametrize('kind', ['point', 'box', 'mask'])
def test_a_late_correction_equals_one_in_time(suited: Sam2Network, clip: Clip, memory: str, kind: str) -> None:
    """Bit for bit, later corrections of the same object and anchors on both sides of it included."""
    correction = clip.prompt('a', kind, 5)
    script = {0: [clip.prompt('a', 'mask')], 8: [clip.prompt('a', 'points', 8)]}
    late, in_time = (VideoTracker(suited, make_policy(memory, OFTEN)) for _ in range(2))
    before = play(late, clip, script, range(11))
    caught_up = late.prompt(5, correction)
    expected = play(in_time, clip, {**script, 5: [correction]}, range(14))
    for one, other in zip([*caught_up, *play(late, clip, {}, range(11, 14))], expected[5:], strict=True):
        assert_same(one, other)
    assert [one.frame_index for one in caught_up] == [5, 6, 7, 8, 9, 10]
    if memory == 'dam':
        for results in (before[:5], caught_up):
            assert MemoryEvent.ANCHOR in [one.memory_event for one in results]


def test_two_late_corrections_equal_two_in_time(small: Sam2Network, clip: Clip) -> None:
    """The second starts from what the first has made of the past; it may be earlier or later than the first."""
    first = {0: [clip.prompt('a', 'mask')]}
    corrections = {3: clip.prompt('a', 'box', 3), 5: clip.prompt('a', 'points', 5)}
    in_time = VideoTracker(small, make_policy('dam', OFTEN))
    expected = play(in_time, clip, {**first, **{frame: [one] for frame, one in corrections.items()}}, range(9))
    for order in ((3, 5), (5, 3)):
        late = VideoTracker(small, make_policy('dam', OFTEN))
        play(late, clip, first, range(7))
        for frame in order:
            caught_up = late.prompt(frame, corrections[frame])
        for one, other in zip([*caught_up, *play(late, clip, {}, range(7, 9))], expected[order[-1] :], strict=True):
            assert_same(one, other)
    assert sum(one.memory_event is MemoryEvent.ANCHOR for one in expected) == 2


def test_a_removed_object_leaves_no_trace_in_the_past(micro64: Sam2Network, clip: Clip) -> None:
    """An object of the same name that starts in the past is a new one: the old track and its prompts are gone."""
    late, in_time = VideoTracker(micro64), VideoTracker(micro64)
    old = {0: [clip.prompt('a', 'mask')], 4: [clip.prompt('a', 'points', 4)]}
    play(late, clip, old, range(6))
    late.prompt(3, clip.prompt('a', 'mask', 20), image=clip.image(20))
    late.remove('a')
    play(in_time, clip, {}, range(2))
    caught_up = late.prompt(2, clip.prompt('a', 'box', 2))
    expected = play(in_time, clip, {2: [clip.prompt('a', 'box', 2)]}, range(2, 6))
    for one, other in zip(caught_up, expected, strict=True):
        assert_same(one, other)


def test_a_correction_of_the_newest_frame_equals_one_given_with_it(micro64: Sam2Network, clip: Clip) -> None:
    late, in_time = VideoTracker(micro64), VideoTracker(micro64)
    correction = clip.prompt('a', 'points', 4)
    play(late, clip, {0: [clip.prompt('a', 'mask')]}, range(5))
    [result] = late.prompt(4, correction)
    expected = play(in_time, clip, {0: [clip.prompt('a', 'mask')], 4: [correction]}, range(7))
    for one, other in zip([result, *play(late, clip, {}, range(5, 7))], expected[4:], strict=True):
        assert_same(one, other)


def test_refining_the_first_frame_later(micro64: Sam2Network, clip: Clip) -> None:
    first, second = clip.prompt('a', 'point'), clip.prompt('a', 'points')
    late, in_time = VideoTracker(micro64), VideoTracker(micro64)
    play(late, clip, {0: [first]}, range(4))
    caught_up = late.prompt(0, second)
    for one, other in zip(caught_up, play(in_time, clip, {0: [first, second]}, range(4)), strict=True):
        assert_same(one, other)


def test_an_object_that_starts_in_the_past(micro64: Sam2Network, clip: Clip) -> None:
    late, in_time = VideoTracker(micro64), VideoTracker(micro64)
    play(late, clip, {0: [clip.prompt('b', 'mask')]}, range(6))
    play(in_time, clip, {}, range(2))
    caught_up = late.prompt(2, clip.prompt('a', 'box', 2))
    for one, other in zip(caught_up, play(in_time, clip, {2: [clip.prompt('a', 'box', 2)]}, range(2, 6)), strict=True):
        assert_same(one, other)
    assert late.object_ids == ('b', 'a')
    result = late.step(clip.image(6))
    assert_close(result['a'], in_time.step(clip.image(6))['a'])


def test_a_prompt_before_an_object_began_moves_its_beginning(micro64: Sam2Network, clip: Clip) -> None:
    """What was its first prompt becomes a correction."""
    early, first = clip.prompt('a', 'box', 1), clip.prompt('a', 'mask', 4)
    late, in_time = VideoTracker(micro64), VideoTracker(micro64)
    play(late, clip, {4: [first]}, range(7))
    caught_up = late.prompt(1, early)
    expected = play(in_time, clip, {1: [early], 4: [first]}, range(7))
    for one, other in zip(caught_up, expected[1:], strict=True):
        assert_same(one, other)


def test_an_image_that_was_never_stepped_becomes_part_of_the_objects_own_sequence(
    small: Sam2Network, clip: Clip
) -> None:
    """The other object never sees it; a later prompt for an earlier frame does see it again."""
    unseen, prompt, earlier = clip.image(20), clip.prompt('a', 'mask', 20), clip.prompt('a', 'point', 2)
    script = {0: [clip.prompt('a', 'mask'), clip.prompt('b', 'box')]}
    tracker, for_a, for_b = (VideoTracker(small, make_policy('dam', OFTEN)) for _ in range(3))
    play(tracker, clip, script, range(6))
    tracker.prompt(3, prompt, image=unseen)
    tracker.prompt(2, earlier)

    play(for_a, clip, {0: script[0][:1], 2: [earlier]}, range(4))
    for_a.step(unseen, [prompt])
    play(for_a, clip, {}, range(4, 6))
    play(for_b, clip, {0: script[0][1:]}, range(6))
    for frame in range(6, 9):
        result = tracker.step(clip.image(frame))
        assert_close(result['a'], for_a.step(clip.image(frame))['a'])
        assert_close(result['b'], for_b.step(clip.image(frame))['b'])
    assert result['a'].anchors and result['b'].anchors


def test_the_newest_image_may_be_one_that_was_never_stepped(micro64: Sam2Network, clip: Clip) -> None:
    tracker, for_a = VideoTracker(micro64), VideoTracker(micro64)
    play(tracker, clip, {}, range(3))
    [result] = tracker.prompt(2, clip.prompt('a', 'mask', 9), image=clip.image(9))
    assert_same(result, for_a.step(clip.image(9), [clip.prompt('a', 'mask', 9)])['a'])
    assert_same(tracker.step(clip.image(3))['a'], for_a.step(clip.image(3))['a'])
    first = VideoTracker(micro64)
    first.prompt(-1, clip.prompt('a', 'mask', 9), image=clip.image(9))
    for_a.reset()
    for_a.step(clip.image(9), [clip.prompt('a', 'mask', 9)])
    assert_same(first.step(clip.image(0))['a'], for_a.step(clip.image(0))['a'])


@pytest.mark.parametrize('object_id', ['a', 'c'])
def test_catching_up_piece_by_piece_stalls_nobody(small: Sam2Network, clip: Clip, object_id: str) -> None:
    """Frames go on, with 'a' on its old track or 'c' (new) absent; then the object is where it should be."""
    script = {0: [clip.prompt('a', 'mask'), clip.prompt('b', 'mask')]}
    prompt, correction = clip.prompt(object_id, 'points', 3), clip.prompt(object_id, 'box', 7)
    tracker, untouched, in_time = (VideoTracker(small, make_policy('dam', OFTEN)) for _ in range(3))
    for one in (tracker, untouched):
        play(one, clip, script, range(6))
    job = tracker.begin_prompt(3, prompt)
    seen = []
    for frame in range(6, 30):
        result = tracker.step(clip.image(frame), [correction] if frame == 7 else ())
        expected = untouched.step(clip.image(frame))
        assert_close(result['b'], expected['b'])
        assert result[object_id].state is ObjectState.CATCHING_UP
        if object_id == 'c':
            assert (result['c'].area, result['c'].box, result['c'].occlusion_probability) == (0, None, 1)
        elif frame == 6:
            assert_close(replace(result['a'], state=ObjectState.VISIBLE), expected['a'])
        seen += [job.advance() for _ in range(min(2, job.remaining))]
        if job.done:
            break
    assert [one.frame_index for one in seen] == list(range(3, frame + 1))
    scripts = {0: script[0][:1]} if object_id == 'a' else {}
    for later in range(frame + 3):
        prompts = {**scripts, 3: [prompt], 7: [correction]}.get(later, ())
        expected = in_time.step(clip.image(later), prompts)
        if later > frame:
            result = tracker.step(clip.image(later))
            assert result[object_id].state is not ObjectState.CATCHING_UP
            assert_close(result[object_id], expected[object_id])
            assert result[object_id].anchors


def test_an_object_catches_up_from_one_prompt_at_a_time(micro64: Sam2Network, clip: Clip) -> None:
    tracker = VideoTracker(micro64)
    play(tracker, clip, {0: [clip.prompt('a', 'mask'), clip.prompt('b', 'mask')]}, range(5))
    job = tracker.begin_prompt(3, clip.prompt('a', 'box', 3))
    with pytest.raises(ValueError, match="'a' is still catching up"):
        tracker.begin_prompt(4, clip.prompt('a', 'box', 4))
    other = tracker.begin_prompt(4, clip.prompt('b', 'box', 4))  # another object may, at the same time
    while not (job.done and other.done):
        for one in (job, other):
            if not one.done:
                one.advance()
    with pytest.raises(RuntimeError, match='has caught up'):
        job.advance()
    tracker.begin_prompt(4, clip.prompt('a', 'box', 4))


@pytest.mark.parametrize('options', [TrackerOptions(), TrackerOptions(non_overlap=True)])
def test_a_batch_that_catches_up_equals_objects_alone(small: Sam2Network, clip: Clip, options: TrackerOptions) -> None:
    """A new object and a correction, from different images on; anchors are written on the way."""
    script = {0: [clip.prompt('a', 'mask'), clip.prompt('b', 'mask')]}
    prompts = {'c': (2, clip.prompt('c', 'mask', 2)), 'a': (4, clip.prompt('a', 'points', 4))}
    together, alone = (VideoTracker(small, make_policy('dam', OFTEN), options=options) for _ in range(2))
    for tracker in (together, alone):
        play(tracker, clip, script, range(9))
    jobs = {name: together.begin_prompt(*prompt) for name, prompt in prompts.items()}
    with pytest.raises(ValueError, match='one next image'):
        advance_together(list(jobs.values()))
    found = {'c': [jobs['c'].advance() for _ in range(2)], 'a': []}
    while not jobs['a'].done:
        for name, result in zip(jobs, advance_together(list(jobs.values())), strict=True):
            found[name].append(result)
    expected = {name: alone.prompt(*prompt) for name, prompt in prompts.items()}
    for name, results in found.items():
        for one, other in zip(results, expected[name], strict=True):
            assert_close(one, other)
        assert MemoryEvent.ANCHOR in [one.memory_event for one in results]
    ours, theirs = (tracker.step(clip.image(9)) for tracker in (together, alone))
    for name in 'abc':
        assert_close(ours[name], theirs[name])


def test_what_cannot_catch_up_together(micro64: Sam2Network, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = VideoTracker(micro64), VideoTracker(micro64)
    for tracker in (one, other):
        play(tracker, clip, {0: [clip.prompt('b', 'mask')]}, range(4))
    jobs = [one.begin_prompt(1, clip.prompt(name, 'box', 1)) for name in 'ac']
    stranger = other.begin_prompt(1, clip.prompt('a', 'box', 1))
    assert advance_together([]) == []
    for wrong in ([jobs[0], stranger], [jobs[0], jobs[0]]):
        with pytest.raises(ValueError, match='one tracker and one next image'):
            advance_together(wrong)
    assert [job.remaining for job in (*jobs, stranger)] == [3, 3, 3]
    with monkeypatch.context() as patch:
        patch.setattr(micro64, 'encode_image', fail)
        with pytest.raises(RuntimeError, match='out of memory'):
            advance_together(jobs)
    assert one.object_ids == ('b',)
    with pytest.raises(FrameNotKeptError, match="'c' failed: out of memory"):
        advance_together(jobs[1:])


def fail(*_: object) -> None:
    raise RuntimeError('out of memory')


@pytest.mark.parametrize('ending', ['removed', 'reset', r'fell \d+ images behind'])
def test_work_that_is_called_off(micro64: Sam2Network, clip: Clip, ending: str) -> None:
    tracker = VideoTracker(micro64, options=TrackerOptions(ring_frames=3))
    untouched = VideoTracker(micro64)
    for one in (tracker, untouched):
        play(one, clip, {0: [clip.prompt('a', 'mask')]}, range(3))
    job = tracker.begin_prompt(1, clip.prompt('a', 'box', 1))
    job.advance()
    if ending == 'removed':
        tracker.remove('a')
        assert tracker.object_ids == ()
    elif ending == 'reset':
        tracker.reset()
    else:
        for frame in range(3, 12):
            result, expected = tracker.step(clip.image(frame)), untouched.step(clip.image(frame))
        assert_same(result['a'], expected['a'])  # the old track goes on, and says so
        assert result['a'].state is not ObjectState.CATCHING_UP
    assert job.done
    with pytest.raises(FrameNotKeptError, match=ending):
        job.advance()


@pytest.mark.parametrize('unseen', [False, True])
@pytest.mark.parametrize('object_id', ['a', 'c'])
def test_an_abandoned_prompt_has_never_come(micro64: Sam2Network, clip: Clip, object_id: str, unseen: bool) -> None:
    """Nor, for an object that it started, have later prompts; an object of that name may start in the past again."""
    tracker, untouched = VideoTracker(micro64), VideoTracker(micro64)
    for one in (tracker, untouched):
        play(one, clip, {0: [clip.prompt('a', 'mask')]}, range(4))
    image = clip.image(20) if unseen else None
    job = tracker.begin_prompt(1, clip.prompt(object_id, 'box', 20 if unseen else 1), image=image)
    job.advance()
    later = [clip.prompt('c', 'points', 4)] if object_id == 'c' else []
    tracker.step(clip.image(4), later)
    untouched.step(clip.image(4))
    tracker.abandon(object_id)
    assert job.done
    assert tracker.object_ids == ('a',)
    with pytest.raises(FrameNotKeptError, match='was abandoned'):
        job.advance()
    assert_same(tracker.step(clip.image(5))['a'], untouched.step(clip.image(5))['a'])
    again = clip.prompt(object_id, 'point', 2)
    for one, other in zip(tracker.prompt(2, again), untouched.prompt(2, again), strict=True):
        assert_same(one, other)


def test_only_what_catches_up_can_be_abandoned(micro64: Sam2Network, clip: Clip) -> None:
    tracker = VideoTracker(micro64)
    play(tracker, clip, {0: [clip.prompt('a', 'mask')]}, range(3))
    tracker.begin_prompt(1, clip.prompt('b', 'mask', 1))
    with pytest.raises(UnknownObjectError, match="'a' is not catching up; objects that are: 'b'"):
        tracker.abandon('a')
    assert tracker.object_ids == ('a', 'b')


@pytest.mark.parametrize('backlog', ['abandoned', 'too long'])
def test_a_new_object_that_was_called_off_leaves_no_prompts_behind(
    micro64: Sam2Network, clip: Clip, backlog: str
) -> None:
    tracker, in_time = (VideoTracker(micro64, options=TrackerOptions(ring_frames=3)) for _ in range(2))
    play(tracker, clip, {}, range(3))
    tracker.begin_prompt(1, clip.prompt('a', 'mask', 1))
    frames = 5 if backlog == 'abandoned' else 8
    play(tracker, clip, {frame: [clip.prompt('a', 'points', frame)] for frame in range(3, 7)}, range(3, frames))
    if backlog == 'abandoned':
        tracker.abandon('a')
    assert tracker.object_ids == ()
    start = clip.prompt('a', 'box', frames - 3)
    caught_up = tracker.prompt(frames - 3, start)
    expected = play(in_time, clip, {frames - 3: [start]}, range(frames - 3, frames))
    for one, other in zip(caught_up, expected, strict=True):
        assert np.array_equal(one.mask_logits(), other.mask_logits())


class FailingNetwork(Sam2Network):
    """Cannot encode one image, as when the memory of the device is full."""

    fails = False

    def encode_image(self, images: Tensor) -> ImageFeatures:
        if self.fails:
            self.fails = False
            raise RuntimeError('out of memory')
        return super().encode_image(images)


@pytest.mark.parametrize('object_id', ['a', 'c'])
def test_an_error_of_the_network_ends_the_catch_up_and_nothing_else(
    small: Sam2Network, clip: Clip, object_id: str
) -> None:
    network = FailingNetwork(small.config).eval().requires_grad_(False)
    network.load_state_dict(small.state_dict())
    tracker, untouched = VideoTracker(network), VideoTracker(network)
    for one in (tracker, untouched):
        play(one, clip, {0: [clip.prompt('a', 'mask')]}, range(4))
    job = tracker.begin_prompt(1, clip.prompt(object_id, 'box', 1))
    job.advance()
    network.fails = True
    with pytest.raises(RuntimeError, match='out of memory'):
        job.advance()
    assert job.done
    with pytest.raises(FrameNotKeptError, match='out of memory'):
        job.advance()
    assert tracker.object_ids == ('a',)
    result = tracker.step(clip.image(4))
    assert result['a'].state is not ObjectState.CATCHING_UP
    assert_same(result['a'], untouched.step(clip.image(4))['a'])
    again = clip.prompt(object_id, 'box', 1)  # it may be tried again
    for one, other in zip(tracker.prompt(1, again), untouched.prompt(1, again), strict=True):
        assert_same(one, other)


def test_results_handed_out_do_not_change(micro64: Sam2Network, clip: Clip) -> None:
    tracker = VideoTracker(micro64)
    results = play(tracker, clip, {0: [clip.prompt('a', 'mask')]}, range(5))
    masks, logits = [one.mask.copy() for one in results], [one.mask_logits() for one in results]
    tracker.prompt(1, clip.prompt('b', 'mask', 1))
    tracker.prompt(2, Prompt('a', mask=clip.mask('c', 2)))
    play(tracker, clip, {}, range(5, 9))
    for one, mask, logit in zip(results, masks, logits, strict=True):
        assert np.array_equal(one.mask, mask)
        assert np.array_equal(one.mask_logits(), logit)
