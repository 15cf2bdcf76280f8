"""The tracker through its public interface: objects, states, results, errors."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from sam2_ros.model import Sam2Network
from sam2_ros.tracking import (
    POLICY_NAMES,
    FrameResult,
    MemoryEvent,
    ObjectState,
    Prompt,
    TrackerOptions,
    UnknownObjectError,
    VideoTracker,
    advance_together,
    make_policy,
)
from sam2_ros.tracking.policies import Sam2Memory
from tests.tracking.clips import Clip
from tests.tracking.conftest import OFTEN, assert_close, assert_same


def track(tracker: VideoTracker, clip: Clip, prompts: dict[int, list[Prompt]], *, frames: int) -> list[FrameResult]:
    return [tracker.step(clip.image(frame), prompts.get(frame, ())) for frame in range(frames)]


@pytest.mark.parametrize('memory', POLICY_NAMES)
def test_every_policy_tracks_a_point_a_box_and_a_mask_at_once(micro64: Sam2Network, clip: Clip, memory: str) -> None:
    prompts = {0: [clip.prompt('a', 'point'), clip.prompt('b', 'box'), clip.prompt('c', 'mask')]}
    results = track(VideoTracker(micro64, memory), clip, prompts, frames=3)
    for frame, result in enumerate(results):
        assert (result.frame_index, result.image_size, list(result)) == (frame, (96, 120), ['a', 'b', 'c'])
    overlap = results[0]['c'].mask & clip.mask('c')
    assert overlap.sum() / (results[0]['c'].mask | clip.mask('c')).sum() > 0.7  # through masks of 16 x 16
    assert {result.memory_event for result in results[0].values()} == {MemoryEvent.PROMPT}


def test_what_a_result_says_agrees(micro64: Sam2Network, clip: Clip) -> None:
    prompts = {0: [clip.prompt('a', 'point'), clip.prompt('b', 'mask')], 3: [Prompt('b', mask=np.zeros((96, 120)))]}
    for result in track(VideoTracker(micro64), clip, prompts, frames=5):
        for one in result.values():
            assert one.mask.shape == result.image_size
            assert (one.mask == (one.mask_logits() > 0)).all()
            assert one.occlusion_probability == pytest.approx(1 - 1 / (1 + np.exp(-one.object_score_logit)))
            assert 0 <= one.predicted_iou <= 1
            if one.box is None:
                assert one.area == one.mask.sum() == 0
            else:
                x0, y0, x1, y1 = one.box
                assert one.mask[y0:y1, x0:x1].sum() == one.area
                assert one.mask[y0].any() and one.mask[y1 - 1].any()
                assert one.mask[:, x0].any() and one.mask[:, x1 - 1].any()
        labels = result.label_map({'a': 7, 'b': 9}, np.uint16)
        assert set(np.unique(labels)) <= {0, 7, 9}
        assert ((labels > 0) == (result['a'].mask | result['b'].mask)).all()
        alone = result['a'].mask & ~result['b'].mask
        assert (labels[alone] == 7).all()


@pytest.mark.parametrize('memory', ['sam2', 'dam', 'samurai', 'sam2long'])
def test_a_batch_equals_separate_trackers_also_for_objects_that_join_late(
    suited: Sam2Network, clip: Clip, memory: str
) -> None:
    """Anchors included, with those of other objects in other frames."""
    policy = make_policy(memory, OFTEN)
    joins = {'a': 0, 'b': 0, 'c': 5}
    prompts = {
        0: [clip.prompt('a', 'mask'), clip.prompt('b', 'box')],
        5: [clip.prompt('c', 'points', 5)],
        9: [clip.prompt('a', 'point', 9)],
    }
    together = track(VideoTracker(suited, policy), clip, prompts, frames=14)
    for object_id, start in joins.items():
        assert together[-1][object_id].anchors == (2 if memory == 'dam' else 0)
        alone = VideoTracker(suited, policy)
        for frame in range(start, 14):
            own = [prompt for prompt in prompts.get(frame, []) if prompt.object_id == object_id]
            assert_close(together[frame][object_id], alone.step(clip.image(frame), own)[object_id])


def test_an_object_that_leaves_does_not_touch_the_others(micro64: Sam2Network, clip: Clip) -> None:
    tracker, alone = VideoTracker(micro64), VideoTracker(micro64)
    tracker.step(clip.image(0), [clip.prompt('a', 'mask'), clip.prompt('b', 'mask')])
    alone.step(clip.image(0), [clip.prompt('b', 'mask')])
    for frame in range(1, 8):
        if frame == 4:
            tracker.remove('a')
        result = tracker.step(clip.image(frame))
        assert_close(result['b'], alone.step(clip.image(frame))['b'])
    assert list(result) == ['b'] == list(tracker.object_ids)
    tracker.step(clip.image(8), [clip.prompt('a', 'box', 8)])  # the name is free again
    assert tracker.object_ids == ('b', 'a')


def test_reset_starts_anew(micro64: Sam2Network, clip: Clip) -> None:
    tracker = VideoTracker(micro64)
    first = track(tracker, clip, {0: [clip.prompt('a', 'mask')]}, frames=6)
    tracker.reset()
    assert (tracker.frame_index, tracker.oldest_frame_index, tracker.object_ids) == (-1, -1, ())
    assert tracker.step(np.zeros((50, 70, 3), np.uint8)).image_size == (50, 70)
    tracker.reset()
    again = track(tracker, clip, {0: [clip.prompt('a', 'mask')]}, frames=6)
    for one, other in zip(first, again, strict=True):
        assert_same(one['a'], other['a'])


def test_a_stream_without_objects_is_counted(micro64: Sam2Network, clip: Clip) -> None:
    tracker = VideoTracker(micro64)
    result = track(tracker, clip, {}, frames=3)[-1]
    assert (result.frame_index, len(result), tracker.frame_index) == (2, 0, 2)
    assert (result.label_map({}) == 0).all()


def test_the_image_size_may_change(micro64: Sam2Network, clip: Clip) -> None:
    """What is remembered does not depend on it; a prompt for a past frame refers to that frame's own size."""
    tracker, steady = VideoTracker(micro64, 'sam2'), VideoTracker(micro64, 'sam2')
    larger = clip.image(2).repeat(2, axis=0).repeat(2, axis=1)
    for one in (tracker, steady):
        track(one, clip, {0: [clip.prompt('a', 'mask')]}, frames=2)
    result, expected = tracker.step(larger)['a'], steady.step(clip.image(2))['a']
    assert result.mask.shape == (192, 240)
    assert_close(replace(result, mask=expected.mask, box=expected.box, area=expected.area), expected, tolerance=0.05)
    with pytest.raises(ValueError, match='240x192 pixels'):
        tracker.prompt(2, clip.prompt('a', 'mask', 2))
    assert [one.mask.shape for one in tracker.prompt(1, clip.prompt('a', 'mask', 1))] == [(96, 120), (192, 240)]


def states(micro64: Sam2Network, clip: Clip, options: TrackerOptions, times: list[float | None]) -> list[ObjectState]:
    """States of an object that a user says is hidden, from the second frame on, then shows again."""
    tracker, found = VideoTracker(micro64, options=options), []
    hidden = Prompt('a', mask=np.zeros((96, 120), dtype=bool))
    for frame, time in enumerate(times):
        prompt = hidden if 0 < frame < len(times) - 1 else clip.prompt('a', 'mask', frame)
        result = tracker.step(clip.image(frame), [prompt], time=time)['a']
        assert (result.box is None) == (result.area == 0) == (result.state is not ObjectState.VISIBLE)
        found.append(result.state)
    return found


V, O, L = ObjectState.VISIBLE, ObjectState.OCCLUDED, ObjectState.LOST  # noqa: E741


@pytest.mark.parametrize(
    ('options', 'times', 'expected'),
    [
        (TrackerOptions(lost_after_frames=2), [None] * 6, [V, O, O, L, L, V]),
        (TrackerOptions(lost_after_frames=0), [None] * 3, [V, L, V]),
        (TrackerOptions(lost_after_seconds=1.0), [0, 0.5, 1.5, 1.6, 9, 10], [V, O, O, L, L, V]),
        (TrackerOptions(lost_after_seconds=1.0), [10, 10.5, 12, 3, 3.5, 5, 6], [V, O, L, O, O, L, V]),  # clock set back
        (TrackerOptions(lost_after_seconds=1.0, lost_after_frames=1), [None] * 4, [V, O, L, V]),
    ],
)
def test_states(
    micro64: Sam2Network, clip: Clip, options: TrackerOptions, times: list, expected: list[ObjectState]
) -> None:
    assert states(micro64, clip, options, times) == expected


def test_an_object_that_loses_all_its_pixels_to_another_is_hidden(small: Sam2Network, clip: Clip) -> None:
    """Absent means no box, an empty mask and not VISIBLE; what is remembered is as without `non_overlap`."""
    options = TrackerOptions(non_overlap=True, lost_after_frames=1)
    apart, plain = VideoTracker(small, 'sam2', options=options), VideoTracker(small, 'sam2')
    everywhere = np.ones((96, 120), dtype=bool)
    prompts = [Prompt('first', mask=everywhere), Prompt('second', mask=everywhere)]  # equal logits: the first has it
    hidden = []
    for frame in range(4):
        step = prompts if frame < 3 else []
        results, overlapping = (tracker.step(clip.image(frame), step) for tracker in (apart, plain))
        for one, other in zip(results.values(), overlapping.values(), strict=True):
            assert np.array_equal(one.mask_logits(), other.mask_logits())
            assert (one.box is None) == (one.area == 0) == (not one.mask.any()) == (one.state is not V)
            assert other.state is V
        hidden.append(results['second'].state)
    assert hidden[:3] == [O, L, L]
    assert apart.prompt(2, Prompt('second', mask=everywhere))[0].area == 96 * 120  # on its own it keeps them


def test_a_correction_stays_and_recent_memory_is_dropped_unless_told_otherwise(
    micro64: Sam2Network, clip: Clip
) -> None:
    prompts = {0: [clip.prompt('a', 'mask')], 6: [clip.prompt('a', 'points', 6)]}
    uncorrected = track(VideoTracker(micro64, 'sam2'), clip, {0: prompts[0]}, frames=9)
    cleared = track(VideoTracker(micro64, 'sam2'), clip, prompts, frames=9)
    kept = track(
        VideoTracker(micro64, 'sam2', options=TrackerOptions(clear_on_correction=False)), clip, prompts, frames=9
    )
    assert cleared[6]['a'].memory_reason == 'correction; recent memories dropped'
    assert kept[6]['a'].memory_reason == 'correction'
    assert_same(cleared[6]['a'], kept[6]['a'])
    runs = [run[8]['a'].mask_logits() for run in (uncorrected, cleared, kept)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(runs[one] - runs[other]).max() > 1e-2


def test_an_image_is_encoded_once_and_its_objects_are_one_batch(
    micro64: Sam2Network, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: dict[str, list[int]] = {}

    def count(name: str) -> None:
        method, rows[name] = getattr(micro64, name), []

        def call(first: torch.Tensor, *rest: Any) -> Any:
            result = method(first, *rest)
            rows[name].append(len(result if isinstance(result, torch.Tensor) else result.stride16))
            return result

        monkeypatch.setattr(micro64, name, call)

    for name in ('encode_image', 'condition_on_memory', 'encode_memory'):
        count(name)
    tracker = VideoTracker(micro64, 'sam2')
    tracker.step(clip.image(0), [clip.prompt(name, 'mask') for name in 'abc'])
    tracker.step(clip.image(1))
    tracker.step(clip.image(2), [clip.prompt('a', 'mask', 2), clip.prompt('b', 'point', 2)])
    assert rows == {'encode_image': [1, 1, 1], 'condition_on_memory': [3, 2], 'encode_memory': [3, 3, 3]}
    jobs = [tracker.begin_prompt(1, clip.prompt(name, 'mask', 1)) for name in 'ab']
    advance_together(jobs)
    assert rows == {'encode_image': [1] * 4, 'condition_on_memory': [3, 2], 'encode_memory': [3, 3, 3, 2]}


def test_a_prompt_in_whose_mask_nothing_is_left_says_so(micro64: Sam2Network, clip: Clip) -> None:
    """A single pixel of the image is less than one of the network's grid."""
    speck = np.zeros((96, 120), dtype=bool)
    speck[48, 60] = True
    tracker = VideoTracker(micro64, 'sam2')
    first = tracker.step(clip.image(0), [Prompt('a', mask=speck), clip.prompt('b', 'mask')])
    assert (first['a'].memory_reason, first['a'].state, first['a'].box) == ('first prompt; the mask is empty', O, None)
    assert first['b'].memory_reason == 'first prompt'
    second = tracker.step(clip.image(1), [Prompt('b', mask=speck)])
    assert second['b'].memory_reason == 'prompted anew; the mask is empty'


def test_memory_events_and_reasons(micro64: Sam2Network, clip: Clip) -> None:
    hidden = Prompt('a', mask=np.zeros((96, 120), dtype=bool))
    grey = np.full((96, 120, 3), 127, np.uint8)
    prompts = {0: [clip.prompt('a', 'mask')], 2: [hidden]}
    sam2 = track(VideoTracker(micro64, 'sam2'), clip, prompts, frames=3)
    assert [one['a'].memory_event.value for one in sam2] == ['prompt', 'recent', 'prompt']
    dam = VideoTracker(micro64, 'dam')
    track(dam, clip, prompts, frames=3)
    for result in (dam.step(grey)['a'] for _ in range(4)):
        absent = result.area == 0
        assert result.memory_event is (MemoryEvent.NONE if absent else MemoryEvent.RECENT)
        assert ('absent' in result.memory_reason) == absent or result.memory_reason.startswith('no anchor: ')


def test_large_holes_and_specks_limits_leave_one_solid_region(micro64: Sam2Network, clip: Clip) -> None:
    """With limits as large as the mask every hole is filled; nothing else changes on the first frame."""
    plain = VideoTracker(micro64, 'sam2').step(clip.image(0), [clip.prompt('a', 'point')])['a']
    options = TrackerOptions(max_hole_area=16 * 16)
    filled = VideoTracker(micro64, 'sam2', options=options).step(clip.image(0), [clip.prompt('a', 'point')])['a']
    assert (filled.low_res_logits > 0).all()  # the surroundings of the object are smaller than the limit, too
    assert plain.area > 0
    options = TrackerOptions(max_speck_area=16 * 16)
    emptied = VideoTracker(micro64, 'sam2', options=options).step(clip.image(0), [clip.prompt('a', 'point')])['a']
    assert emptied.area == 0


def test_specks_stay_in_the_mask_and_out_of_box_and_area(micro64: Sam2Network, clip: Clip) -> None:
    said = np.zeros((96, 120), bool)
    said[12:60, 15:75] = said[84:, 105:] = True  # the speck is two cells of the low-resolution mask wide
    result = VideoTracker(micro64).step(clip.image(0), [Prompt('a', mask=said)])['a']
    assert result.mask[90, 112] and result.mask[30, 40]
    assert result.box == pytest.approx((15, 12, 75, 60), abs=4)
    assert result.area == result.mask[:72, :90].sum() < result.mask.sum()


MISUSES: list[tuple[Callable[[VideoTracker, Clip], Any], type[Exception], str]] = [
    (lambda t, c: t.step(c.image(5).astype(float)), TypeError, 'uint8'),
    (lambda t, c: t.step(c.image(5)[:50], [c.prompt('a', 'mask')]), ValueError, 'the image is 120x50 pixels'),
    (lambda t, c: t.step(c.image(5), c.prompt('a', 'box')), TypeError, 'must be a list of Prompt'),
    (lambda t, c: t.step(c.image(5), ['a']), TypeError, 'must be a Prompt, not str'),
    (lambda t, c: t.step(c.image(5), [Prompt('new', points=[(1, 1)], labels=[0])]), ValueError, 'positive point'),
    (lambda t, c: t.step(c.image(5), [Prompt('new', mask=np.zeros((96, 120)))]), ValueError, 'empty mask'),
    (lambda t, c: t.step(c.image(5), [Prompt('a', points=[(500, 1)])]), ValueError, 'outside the image'),
    (
        lambda t, c: t.step(c.image(5), [c.prompt('c', 'box'), Prompt('a', mask=np.ones((9, 9)))]),
        ValueError,
        'be equal',
    ),
    (lambda t, c: t.prompt(9, c.prompt('a', 'box')), LookupError, 'there is no frame 9: the newest frame is 4'),
    (lambda t, c: t.prompt(-1, c.prompt('a', 'box')), LookupError, 'there is no frame -1'),
    (lambda t, c: t.prompt(3, Prompt('new', points=[(1, 1)], labels=[0])), ValueError, 'positive point'),
    (lambda t, c: t.prompt(3, Prompt('a', points=[(500, 1)])), ValueError, 'outside the image'),
    (lambda t, c: t.prompt(3, 'a'), TypeError, 'must be a Prompt'),
    (lambda t, c: t.prompt(3, c.prompt('a', 'box'), image=c.image(0)[:, :, 0]), ValueError, r'shape \(96, 120\)'),
    (lambda t, c: t.prompt(7, c.prompt('a', 'box'), image=c.image(0)), LookupError, 'no frame 7'),
    (
        lambda t, c: t.prompt(-1, Prompt('a', points=[(1, 1)], labels=[0]), image=c.image(9)),
        ValueError,
        "'a' is a new object and needs a positive point",  # in that image: it starts in frame 0
    ),
    (lambda t, c: t.prompt(-1, Prompt('a', mask=np.zeros((96, 120))), image=c.image(9)), ValueError, 'empty mask'),
    (lambda t, c: t.step(c.image(5), None), TypeError, 'must be a list of Prompt, not a single NoneType'),
    (lambda t, c: t.step(c.image(5), time='now'), TypeError, "time, in seconds, must be a number, not 'now'"),
    (lambda t, c: t.step(c.image(5), time=float('nan')), ValueError, 'time, in seconds, must be finite'),
    (lambda t, c: t.prompt(None, c.prompt('a', 'box')), TypeError, 'frame_index must be a whole number, not None'),
    (lambda t, c: t.prompt(2.0, c.prompt('a', 'box')), TypeError, 'frame_index must be a whole number, not 2.0'),
    (lambda t, c: t.prompt(3, c.prompt('a', 'box'), image=c.image(0), time='now'), TypeError, 'time, in seconds'),
    (lambda t, c: t.abandon('a'), UnknownObjectError, "'a' is not catching up; objects that are: none"),
    (lambda t, c: t.remove('nobody'), UnknownObjectError, "there is no object 'nobody'; tracked objects: 'a', 'b'"),
]


@pytest.mark.parametrize('number', range(len(MISUSES)))
def test_every_misuse_is_explained_and_changes_nothing(micro64: Sam2Network, clip: Clip, number: int) -> None:
    misuse, error, sentence = MISUSES[number]
    prompts = {0: [clip.prompt('a', 'mask'), clip.prompt('b', 'box')]}
    tracker, untouched = VideoTracker(micro64), VideoTracker(micro64)
    for one in (tracker, untouched):
        track(one, clip, prompts, frames=5)
    with pytest.raises(error, match=sentence):
        misuse(tracker, clip)
    assert (tracker.frame_index, tracker.object_ids) == (untouched.frame_index, untouched.object_ids)
    for frame in (5, 6):
        result, expected = tracker.step(clip.image(frame)), untouched.step(clip.image(frame))
        for object_id in expected:
            assert_same(result[object_id], expected[object_id])


@pytest.mark.parametrize(
    ('options', 'error', 'sentence'),
    [
        ({'resize': 'nearest'}, ValueError, "resize must be one of .'bicubic', 'bilinear', 'pillow'., not 'nearest'"),
        ({'ring_frames': 0}, ValueError, 'ring_frames must be at least 1, not 0'),
        ({'ring_frames': 2.5}, TypeError, 'ring_frames must be a whole number, not 2.5'),
        ({'max_hole_area': -1}, ValueError, 'max_hole_area must be at least 0'),
        ({'lost_after_frames': None}, TypeError, 'lost_after_frames must be a whole number, not None'),
        ({'video_length': 1}, ValueError, 'video_length, in frames, must be at least 2'),
        ({'lost_after_seconds': -1.0}, ValueError, 'lost_after_seconds must be at least 0'),
        ({'lost_after_seconds': '1'}, TypeError, "lost_after_seconds must be a number, not '1'"),
        ({'non_overlap': 'no'}, TypeError, "non_overlap must be True or False, not 'no'"),
    ],
)
def test_unsuitable_options(options: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        TrackerOptions(**options)


@pytest.mark.parametrize(
    ('arguments', 'error', 'sentence'),
    [
        ({'memory': None}, TypeError, 'memory must be the name of a policy .sam2, .* or a MemoryPolicy, not NoneType'),
        ({'memory': 'sam3'}, ValueError, 'memory must be one of sam2'),
        ({'memory': Sam2Memory}, TypeError, 'or a MemoryPolicy, not type'),
        ({'options': {'ring_frames': 3}}, TypeError, 'options must be a TrackerOptions, not dict'),
    ],
)
def test_unsuitable_trackers(
    micro64: Sam2Network, arguments: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        VideoTracker(micro64, **arguments)


def test_settings_of_a_policy_are_checked() -> None:
    with pytest.raises(TypeError, match='settings must be a DamSettings, not dict'):
        make_policy('dam', {'ram_interval': 5})  # type: ignore[arg-type]
