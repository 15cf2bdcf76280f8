"""`VideoSession` against the official video predictor: same weights, same images, 128 pixels, fp32."""

from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest
from sam2.sam2_video_predictor import SAM2VideoPredictor

from sam2_ros.model import Sam2Network
from sam2_ros.session import SessionOptions, VideoSession
from sam2_ros.tracking import Prompt
from tests.official_video import Logits, add_prompt, compare, official_state
from tests.tracking.clips import Clip, moving_clip

pytestmark = pytest.mark.slow

LIKE_THE_OFFICIAL = SessionOptions(max_conditioning=None, clear_on_correction=False)


@dataclass(frozen=True)
class Say:
    """Prompt an object on a frame."""

    frame: int
    prompt: Prompt


@dataclass(frozen=True)
class Go:
    """Propagate over `frames` frames, or up to the end."""

    start: int | None = None
    reverse: bool = False
    frames: int | None = None


@dataclass(frozen=True)
class Unsay:
    """Take back the prompts of an object on a frame."""

    frame: int
    object_id: str


@dataclass(frozen=True)
class Remove:
    """Forget an object."""

    object_id: str


Script = Sequence[Say | Go | Unsay | Remove]


@pytest.fixture(scope='module')
def clip() -> Clip:
    return moving_clip()


def images(clip: Clip) -> list[np.ndarray]:
    return [clip.image(frame) for frame in range(len(clip))]


def run_ours(model: Sam2Network, clip: Clip, script: Script, options: SessionOptions) -> list[Logits]:
    """What each step of the script shows."""
    shown: list[Logits] = []
    with VideoSession(model, images(clip), options=options) as session:
        for step in script:
            if isinstance(step, Say):
                result = session.prompt(step.frame, step.prompt)
                shown.append({(step.frame, step.prompt.object_id): result.mask_logits()})
            elif isinstance(step, Go):
                results = session.propagate(step.start, reverse=step.reverse, max_frames=step.frames)
                shown.append({(one.frame_index, name): one[name].mask_logits() for one in results for name in one})
            elif isinstance(step, Unsay):
                session.unprompt(step.frame, step.object_id)
            else:
                session.remove(step.object_id)
    return shown


def run_official(predictor: SAM2VideoPredictor, clip: Clip, script: Script) -> list[Logits]:
    shown: list[Logits] = []
    state = official_state(predictor, images(clip))
    for step in script:
        if isinstance(step, Say):
            shown.append({(step.frame, step.prompt.object_id): add_prompt(predictor, state, step.frame, step.prompt)})
        elif isinstance(step, Go):
            more = None if step.frames is None else step.frames - 1  # the start is not counted
            passed = predictor.propagate_in_video(state, step.start, more, step.reverse)
            shown.append(
                {(frame, name): one[row, 0].numpy() for frame, ids, one in passed for row, name in enumerate(ids)}
            )
        elif isinstance(step, Unsay):
            predictor.clear_all_prompts_in_frame(state, step.frame, step.object_id)
        else:
            predictor.remove_object(state, step.object_id)
    return shown


def assert_equal(
    model: Sam2Network,
    predictor: SAM2VideoPredictor,
    clip: Clip,
    script: Script,
    options: SessionOptions = LIKE_THE_OFFICIAL,
) -> None:
    ours, official = run_ours(model, clip, script, options), run_official(predictor, clip, script)
    assert len(ours) == len(official)
    for mine, theirs in zip(ours, official, strict=True):
        compare(mine, theirs)


@pytest.mark.parametrize('kind', ['point', 'points', 'box', 'mask'])
def test_three_objects_prompted_on_different_frames_forwards_then_backwards(
    remembering_micro128: Sam2Network, official_micro128: SAM2VideoPredictor, clip: Clip, kind: str
) -> None:
    script = [
        Say(8, clip.prompt('a', kind, 8)),
        Say(8, clip.prompt('b', kind, 8)),
        Say(14, clip.prompt('c', kind, 14)),
        Go(8),
        Go(14, reverse=True),
    ]
    assert_equal(remembering_micro128, official_micro128, clip, script)


def test_corrections_on_later_frames_and_a_prompt_after_propagation(
    remembering_micro128: Sam2Network, official_micro128: SAM2VideoPredictor, clip: Clip
) -> None:
    """Frames tracked backwards are corrected in that direction; a second prompt on a frame goes on top of the first."""
    script = [
        Say(10, clip.prompt('a', 'point', 10)),
        Say(10, clip.prompt('a', 'points', 10)),
        Say(10, clip.prompt('b', 'box', 10)),
        Go(10),
        Go(10, reverse=True),
        Say(4, clip.prompt('a', 'points', 4)),
        Say(18, clip.prompt('a', 'box', 18)),
        Say(18, clip.prompt('b', 'mask', 18)),
        Say(10, clip.prompt('b', 'point', 10)),
        Say(2, clip.prompt('c', 'point', 2)),
        Go(),
        Go(18, reverse=True, frames=9),
        Say(12, clip.prompt('c', 'points', 12)),
        Go(12, frames=6),
    ]
    assert_equal(remembering_micro128, official_micro128, clip, script)


def test_prompts_and_objects_are_removed_in_between(
    remembering_micro128: Sam2Network, official_micro128: SAM2VideoPredictor, clip: Clip
) -> None:
    script = [
        Say(0, clip.prompt('a', 'box')),
        Say(6, clip.prompt('a', 'mask', 6)),
        Say(0, clip.prompt('b', 'point')),
        Say(3, clip.prompt('c', 'box', 3)),
        Go(frames=12),
        Unsay(6, 'a'),
        Remove('b'),
        Go(5, frames=8),
        Say(6, clip.prompt('a', 'points', 6)),
        Say(9, clip.prompt('b', 'box', 9)),
        Say(9, clip.prompt('c', 'point', 9)),
        Unsay(9, 'c'),
        Go(),
    ]
    assert_equal(remembering_micro128, official_micro128, clip, script)


@pytest.mark.parametrize('most', [2, 3])
def test_the_closest_prompted_frames_are_read(
    remembering_micro128: Sam2Network, official_micro128: SAM2VideoPredictor, clip: Clip, most: int
) -> None:
    """Those not read as prompted frames are read as tracked ones where they are among the last."""
    prompted = [
        (frame, kind) for frame, kind in zip((1, 4, 9, 15, 20), ('box', 'point', 'mask', 'points', 'box'), strict=True)
    ]
    script = [*[Say(frame, clip.prompt('a', kind, frame)) for frame, kind in prompted], Go(), Go(22, reverse=True)]
    options = SessionOptions(max_conditioning=most, clear_on_correction=False)
    with mock.patch.object(official_micro128, 'max_cond_frames_in_attn', most):
        assert_equal(remembering_micro128, official_micro128, clip, script, options)


def test_corrections_that_are_not_kept(
    remembering_micro128: Sam2Network, official_micro128: SAM2VideoPredictor, clip: Clip
) -> None:
    """The default of the official predictor: clicks on tracked frames are shown, and lost with the next propagation."""
    script = [
        Say(5, clip.prompt('a', 'point', 5)),
        Go(5),
        Say(12, clip.prompt('a', 'points', 12)),
        Say(5, clip.prompt('a', 'box', 5)),
        Go(13, frames=4),
        Go(),
    ]
    options = SessionOptions(max_conditioning=None, clear_on_correction=False, keep_corrections=False)
    with mock.patch.object(official_micro128, 'add_all_frames_to_correct_as_cond', False):
        assert_equal(remembering_micro128, official_micro128, clip, script, options)


def test_a_video_of_less_than_16_frames(
    remembering_micro128: Sam2Network, official_micro128: SAM2VideoPredictor, clip: Clip
) -> None:
    short = Clip(clip.scenes[:9])
    assert_equal(
        remembering_micro128, official_micro128, short, [Say(4, short.prompt('a', 'box', 4)), Go(), Go(4, reverse=True)]
    )
