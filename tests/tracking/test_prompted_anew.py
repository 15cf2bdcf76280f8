"""A prompt for a tracked object: a box or a mask says anew what the object is, clicks refine what it was."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sam2_ros.model import Sam2Network
from sam2_ros.tracking import ObjectState, Prompt, TrackerOptions, VideoTracker
from tests.tracking.clips import Clip
from tests.tracking.conftest import assert_same

pytestmark = pytest.mark.slow

CORRECTED = 4  # the frame on which the object is prompted again


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


def follow(tracker: VideoTracker, clip: Clip, prompts: dict[int, list[Prompt]], first: int, last: int) -> list[Any]:
    return [tracker.step(clip.image(frame), prompts.get(frame, ()))['it'] for frame in range(first, last + 1)]


@pytest.mark.parametrize('memory', ['sam2', 'dam'])
@pytest.mark.parametrize('kind', ['box', 'mask'])
def test_a_box_or_mask_on_another_thing_moves_the_object_there(
    micro128: Sam2Network, clip: Clip, memory: str, kind: str
) -> None:
    """As if it had been removed and prompted for the first time, then and in all frames after it."""
    first, again = (replace(clip.prompt(name, kind, frame), object_id='it') for name, frame in (('a', 0), ('b', 4)))
    moved = follow(VideoTracker(micro128, memory), clip, {0: [first], CORRECTED: [again]}, 0, 8)
    fresh = follow(VideoTracker(micro128, memory), clip, {CORRECTED: [again]}, CORRECTED, 8)
    for frame, (one, other) in enumerate(zip(moved[CORRECTED:], fresh, strict=True), start=CORRECTED):
        assert_same(one, other)
        assert iou(one.mask, clip.mask('b', frame)) > 0.6 and not (one.mask & clip.mask('a', frame)).any()
    assert moved[CORRECTED].memory_reason == 'prompted anew' and fresh[0].memory_reason == 'first prompt'


def test_a_box_with_clicks_says_anew_too_and_more_clicks_refine_it(micro128: Sam2Network, clip: Clip) -> None:
    box = clip.prompt('b', 'box', CORRECTED).box
    (x, y), outside = clip.scenes[CORRECTED].centres()[1], clip.scenes[CORRECTED].centres()[0]
    steps = [
        Prompt('it', box=box),
        Prompt('it', box=box, points=[(x, y)]),
        Prompt('it', box=box, points=[(x, y), outside], labels=[1, 0]),
    ]
    start = replace(clip.prompt('a', 'box'), object_id='it')
    moved = follow(VideoTracker(micro128, 'sam2'), clip, {0: [start], CORRECTED: steps}, 0, CORRECTED)[-1]
    official = VideoTracker(micro128, 'sam2', options=TrackerOptions(clear_on_correction=False))
    refined = follow(official, clip, {CORRECTED: steps}, CORRECTED, CORRECTED)[-1]
    assert_same(moved, refined)  # the same box again does not throw away what the clicks have refined
    assert iou(moved.mask, clip.mask('b', CORRECTED)) > 0.6


def test_clicks_refine_what_the_object_was(micro128: Sam2Network, clip: Clip) -> None:
    start, more = (replace(clip.prompt('a', kind, frame), object_id='it') for kind, frame in (('box', 0), ('point', 4)))
    refined = follow(VideoTracker(micro128, 'sam2'), clip, {0: [start], CORRECTED: [more]}, 0, CORRECTED)[-1]
    alone = follow(VideoTracker(micro128, 'sam2'), clip, {CORRECTED: [more]}, CORRECTED, CORRECTED)[-1]
    assert refined.memory_reason == 'correction; recent memories dropped'
    assert np.abs(refined.mask_logits() - alone.mask_logits()).max() > 0.1
    assert iou(refined.mask, clip.mask('a', CORRECTED)) > 0.6


def test_an_empty_mask_says_hidden_and_the_object_is_remembered(micro128: Sam2Network, clip: Clip) -> None:
    hidden = Prompt('it', mask=np.zeros((96, 120), bool))
    start = replace(clip.prompt('a', 'mask'), object_id='it')
    results = follow(VideoTracker(micro128, 'sam2'), clip, {0: [start], CORRECTED: [hidden]}, 0, 7)
    assert results[CORRECTED].state is ObjectState.OCCLUDED and results[CORRECTED].predicted_iou == 0.0
    assert iou(results[-1].mask, clip.mask('a', 7)) > 0.6


def test_a_prompt_on_a_past_frame_says_anew_too(micro128: Sam2Network, clip: Clip) -> None:
    first, again = (replace(clip.prompt(name, 'box', frame), object_id='it') for name, frame in (('a', 0), ('b', 4)))
    late = VideoTracker(micro128, 'dam')
    follow(late, clip, {0: [first]}, 0, 7)
    results = late.prompt(CORRECTED, again)
    fresh = follow(VideoTracker(micro128, 'dam'), clip, {CORRECTED: [again]}, CORRECTED, 7)
    for one, other in zip(results, fresh, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize('memory', ['sam2', 'dam'])
def test_a_mask_too_small_for_the_network_is_no_good_mask(micro128: Sam2Network, clip: Clip, memory: str) -> None:
    speck = np.zeros((96, 120), bool)
    speck[48, 60] = True
    results = VideoTracker(micro128, memory).step(clip.image(0), [Prompt('it', mask=speck), clip.prompt('a', 'mask')])
    assert (results['it'].area, results['it'].predicted_iou, results['a'].predicted_iou) == (0, 0.0, 1.0)
