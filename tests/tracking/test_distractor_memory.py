"""The distractor-aware memory on images: anchors are written, and they matter."""

from dataclasses import replace

import numpy as np
import pytest
from torch import Tensor

from sam2_ros.model import Sam2Network
from sam2_ros.tracking import (
    DamSettings,
    MemoryEvent,
    MemoryPolicy,
    ObjectResult,
    Prompt,
    TrackerOptions,
    VideoTracker,
    make_policy,
    memory_writes,
)
from sam2_ros.tracking.postprocessing import masks_at
from tests.tracking.clips import Clip, distractor_clip
from tests.tracking.conftest import OFTEN, assert_same
from tests.tracking.test_memory_bank import never_forgetting

pytestmark = pytest.mark.slow

# the distractor test is the one that decides, and here it takes much to convince it
CAUTIOUS = DamSettings(min_predicted_iou=0.0, min_area_ratio=0.0, max_area_ratio=1000.0, max_box_iou=0.1)


def track(model: Sam2Network, policy: MemoryPolicy) -> list[ObjectResult]:
    images, target = distractor_clip(30)
    tracker = VideoTracker(model, policy)
    prompts = [[Prompt('disc', mask=target)], *[[]] * (len(images) - 1)]
    return [tracker.step(image, prompt)['disc'] for image, prompt in zip(images, prompts, strict=True)]


def anchor_frames(results: list[ObjectResult]) -> list[int]:
    return [one.frame_index for one in results if one.memory_event is MemoryEvent.ANCHOR]


@pytest.fixture(scope='module')
def runs(small: Sam2Network) -> dict[str, list[ObjectResult]]:
    return {name: track(small, make_policy(name, CAUTIOUS)) for name in ('sam2', 'interval', 'drm1', 'drm2', 'dam')}


@pytest.mark.parametrize('name', ['drm1', 'drm2', 'dam'])
def test_anchors_are_written_spaced_and_counted(runs: dict[str, list[ObjectResult]], name: str) -> None:
    anchors = anchor_frames(runs[name])
    assert anchors, 'no anchor was written'
    assert min(np.diff(anchors), default=6) >= 6
    for one in runs[name]:
        assert one.anchors == min(
            sum(frame <= one.frame_index for frame in anchors), 4 if one.frame_index in anchors else 3
        )
    assert not anchor_frames(runs['interval'])


def test_the_distractor_test_makes_the_difference_between_dam_and_drm1(runs: dict[str, list[ObjectResult]]) -> None:
    """DRM1 takes every frame it may, DAM only those in which there is something to be confused with."""
    assert anchor_frames(runs['drm1']) == list(range(2, 30, 6))
    assert len(anchor_frames(runs['dam'])) < len(anchor_frames(runs['drm1']))
    reasons = {one.memory_reason for one in runs['dam'] if one.memory_event is MemoryEvent.ANCHOR}
    assert reasons == {'tracked reliably, a distractor in view'}
    assert any('no distractor: box IoU' in one.memory_reason for one in runs['dam'])


def test_alternatives_are_resized_only_for_frames_that_pass_the_cheap_tests(
    small: Sam2Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full resolution is what is dear: one mask per frame otherwise, two more where the alternatives are looked at."""
    resized: list[int] = []

    def counting(logits: Tensor, size: tuple[int, int]) -> list[np.ndarray]:
        resized.append(len(logits))
        return masks_at(logits, size)

    monkeypatch.setattr(memory_writes, 'masks_at', counting)
    for settings, looked_at in ((replace(OFTEN, min_predicted_iou=2.0), False), (CAUTIOUS, True)):
        resized.clear()
        results = track(small, make_policy('dam', settings))
        objections = ('no distractor', 'no alternative', 'a distractor')
        looks = sum(any(words in one.memory_reason for words in objections) for one in results)
        assert bool(looks) == looked_at
        assert sum(resized) == len(results) + 2 * looks


@pytest.mark.parametrize('other', ['sam2', 'interval'])
def test_anchors_change_the_masks(runs: dict[str, list[ObjectResult]], other: str) -> None:
    """`interval` reads the same recent memory: what differs from it is the anchors' doing, and not before the first."""
    first = anchor_frames(runs['dam'])[0]
    assert any((one.mask != two.mask).any() for one, two in zip(runs['dam'], runs[other], strict=True))
    if other == 'interval':
        for one, two in zip(runs['dam'][: first + 1], runs['interval'][: first + 1], strict=True):
            assert np.array_equal(one.mask, two.mask)


def test_a_box_starts_as_a_mask_with_dam_and_as_a_box_with_sam2(micro128: Sam2Network) -> None:
    """DAM4SAM decodes a box into a mask and prompts with that, so its first score is that of a given mask. What the
    decoder thinks of that mask is reported all the same.
    """
    images, target = distractor_clip(2)
    prompt = Prompt('disc', box=(25, 44, 66, 85))
    sam2, dam = (VideoTracker(micro128, memory).step(images[0], [prompt])['disc'] for memory in ('sam2', 'dam'))
    assert dam.object_score_logit == 10.0
    assert dam.predicted_iou == pytest.approx(sam2.predicted_iou, abs=1e-6) and dam.predicted_iou < 0.99
    assert sam2.predicted_iou < 1.0
    overlap = (dam.mask & sam2.mask).sum() / (dam.mask | sam2.mask).sum()
    assert overlap > 0.8 and (dam.mask & target).any()


@pytest.mark.parametrize('name', ['sam2', 'pres', 'drm1'])
def test_bounded_memory_gives_the_same_masks_bit_for_bit(micro64: Sam2Network, clip: Clip, name: str) -> None:
    """With corrections, a prompt for a past frame, and frames that show nothing."""
    policy = make_policy(name, OFTEN)
    options = TrackerOptions(clear_on_correction=False)
    bounded, unbounded = (VideoTracker(micro64, one, options=options) for one in (policy, never_forgetting(policy)))
    script = {frame: [clip.prompt('a', 'points', frame)] for frame in (0, 9, 13, 24, 33)}
    events = set()
    for frame in range(45):
        image = np.full_like(clip.image(0), 90) if 25 < frame < 30 else clip.image(frame)
        one, two = (tracker.step(image, script.get(frame, ()))['a'] for tracker in (bounded, unbounded))
        assert_same(replace(one, anchors=0), replace(two, anchors=0))  # the other bank holds all there ever were
        events.add(one.memory_event)
        if frame == 35:
            late = Prompt('a', box=(20, 20, 60, 70))
            for one, two in zip(bounded.prompt(20, late), unbounded.prompt(20, late), strict=True):
                assert_same(replace(one, anchors=0), replace(two, anchors=0))
    assert {MemoryEvent.RECENT, MemoryEvent.PROMPT} <= events
    assert (MemoryEvent.ANCHOR in events) == (name == 'drm1')
