"""Objects come, go, are corrected and prompted in the past, in random order; none of it ever reaches another object."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from sam2_ros.model import Sam2Network
from sam2_ros.tracking import (
    CatchUp,
    FrameNotKeptError,
    FrameResult,
    ObjectState,
    Prompt,
    TrackerOptions,
    UnknownObjectError,
    VideoTracker,
    make_policy,
)
from tests.tracking.clips import Clip
from tests.tracking.conftest import OFTEN, assert_close

pytestmark = pytest.mark.slow

NAMES = st.sampled_from('abc')
PICTURES = st.integers(0, 23)
KINDS = st.sampled_from(['point', 'points', 'box', 'mask'])
RING = 10
TOLERANCE = 2e-4  # of the range of logits: what rounding makes of another batch size, with some room


@dataclass
class Visit:
    """An image in an object's own sequence, and what was said about the object there."""

    frame: int
    picture: int
    prompts: list[Prompt] = field(default_factory=list)
    inserted: bool = False


class TrackerMachine(RuleBasedStateMachine):
    """Drives a tracker at random and writes down what each object should have seen.

    In every frame each object is compared with one that is tracked alone. When an object has caught up, that one is a
    fresh tracker, which has gone through what was written down.
    """

    model: Sam2Network
    clip: Clip
    memory: str
    anchors: ClassVar[list[int]]  # of each object in the end, over all examples

    @initialize(name=NAMES, kind=KINDS)
    def start(self, name: str, kind: str) -> None:
        self.tracker = self.fresh()
        self.pictures: list[int] = []
        self.lives: dict[str, list[Visit]] = {}
        self.jobs: dict[str, CatchUp] = {}
        self.without: dict[str, list[Visit]] = {}  # what each object saw before it had to catch up
        self.begun_at: dict[str, int] = {}  # the newest frame then
        self.alone: dict[str, VideoTracker] = {}  # until a prompt has caught up, without it
        self.result: FrameResult
        self.step(0, {name: kind})

    def fresh(self) -> VideoTracker:
        return VideoTracker(self.model, make_policy(self.memory, OFTEN), options=TrackerOptions(ring_frames=RING))

    @rule(picture=PICTURES, prompted=st.dictionaries(NAMES, KINDS, max_size=2))
    def step(self, picture: int, prompted: dict[str, str]) -> None:
        prompts = [self.clip.prompt(name, kind, picture) for name, kind in prompted.items()]
        result = self.tracker.step(self.clip.image(picture), prompts)
        self.result = result
        self.pictures.append(picture)
        for name in prompted:
            self.lives.setdefault(name, [])
        for name, life in self.lives.items():
            own = [prompt for prompt in prompts if prompt.object_id == name]
            life.append(Visit(result.frame_index, picture, own))
            assert (result[name].state is ObjectState.CATCHING_UP) == (name in self.jobs)
            if name not in self.alone and name in self.jobs:
                assert not result[name].mask.any()  # it has not caught up with the prompt that starts it
                continue
            alone = self.alone.setdefault(name, self.fresh()).step(self.clip.image(picture), own)[name]
            shown = replace(result[name], state=alone.state) if name in self.jobs else result[name]
            assert_close(shown, alone, tolerance=TOLERANCE)
        assert set(result) == set(self.lives) == set(self.tracker.object_ids)

    @rule(name=NAMES, kind=KINDS, back=st.integers(0, RING + 2))
    def prompt_the_past(self, name: str, kind: str, back: int) -> None:
        frame = self.tracker.frame_index - back
        prompt = self.clip.prompt(name, kind, self.pictures[frame]) if frame >= 0 else self.clip.prompt(name, kind)
        if name in self.jobs:
            with pytest.raises(ValueError, match='still catching up'):
                self.tracker.begin_prompt(frame, prompt)
        elif frame < self.tracker.oldest_frame_index:
            with pytest.raises(FrameNotKeptError):
                self.tracker.begin_prompt(frame, prompt)
        else:
            self.begin(name, self.tracker.begin_prompt(frame, prompt))
            self.visit(name, frame).prompts.append(prompt)

    def begin(self, name: str, job: CatchUp) -> None:
        self.jobs[name] = job
        self.without[name] = [replace(one, prompts=list(one.prompts)) for one in self.lives.get(name, [])]
        self.begun_at[name] = self.tracker.frame_index

    def visit(self, name: str, frame: int) -> Visit:
        """The object's visit of a frame; if it began later, it begins there now."""
        life = self.lives.setdefault(name, [])
        begins = min((one.frame for one in life if not one.inserted), default=len(self.pictures))
        if frame < begins:
            life[:0] = [Visit(index, self.pictures[index]) for index in range(frame, begins)]
            life.sort(key=lambda one: (one.frame, one.inserted))
        return next(one for one in life if one.frame == frame and not one.inserted)

    @rule(name=NAMES, picture=PICTURES, kind=KINDS, back=st.integers(0, 3))
    def prompt_an_image_that_was_never_stepped(self, name: str, picture: int, kind: str, back: int) -> None:
        frame = self.tracker.frame_index - back
        if name in self.jobs or frame < self.tracker.oldest_frame_index:
            return
        prompt = self.clip.prompt(name, kind, picture)
        self.begin(name, self.tracker.begin_prompt(frame, prompt, image=self.clip.image(picture)))
        if frame + 1 < len(self.pictures):
            self.visit(name, frame + 1)  # if the object begins later, it sees the frames in between now
        life = self.lives.setdefault(name, [])
        position = sum(one.frame <= frame for one in life)
        life.insert(position, Visit(frame, picture, [prompt], inserted=True))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), times=st.integers(1, 2 * RING))
    def advance(self, data: st.DataObject, times: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.jobs)))
        for _ in range(times):
            if name in self.jobs:
                assert self.jobs[name].advance().object_id == name
                self.finish_if_done(name)

    def finish_if_done(self, name: str) -> None:
        if not self.jobs[name].done:
            return
        del self.jobs[name]
        self.alone[name] = self.fresh()
        for visit in self.lives[name]:
            self.alone[name].step(self.clip.image(visit.picture), visit.prompts)

    @rule(name=NAMES)
    def abandon(self, name: str) -> None:
        if name not in self.jobs:
            with pytest.raises(UnknownObjectError, match='is not catching up'):
                self.tracker.abandon(name)
            return
        self.tracker.abandon(name)
        del self.jobs[name]
        life, since = self.lives.pop(name), self.begun_at[name]
        if self.without[name]:  # it goes on with what it has seen since
            self.lives[name] = self.without[name] + [one for one in life if one.frame > since]
        assert name in self.lives or name not in self.tracker.object_ids

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if name not in self.lives:
            with pytest.raises(UnknownObjectError, match=name):
                self.tracker.remove(name)
            return
        self.tracker.remove(name)
        del self.lives[name]
        self.alone.pop(name, None)
        if self.jobs.pop(name, None) is not None:
            assert name not in self.tracker.object_ids

    @rule(unlikely=st.integers(0, 4))
    def reset(self, unlikely: int) -> None:
        if unlikely == 0:
            self.tracker.reset()
            self.pictures, self.lives, self.jobs, self.alone = [], {}, {}, {}
            self.step(1, {'a': 'mask'})

    @rule(name=NAMES)
    def misuse(self, name: str) -> None:
        with pytest.raises(ValueError, match='outside the image'):
            self.tracker.step(self.clip.image(0), [Prompt(name, points=[(999, 5)])])
        with pytest.raises(ValueError if name in self.jobs else FrameNotKeptError):
            self.tracker.prompt(self.tracker.frame_index + 1, self.clip.prompt(name, 'box'))

    def teardown(self) -> None:
        for name, job in list(self.jobs.items()):
            while not job.done:
                job.advance()
            self.finish_if_done(name)
        for picture in (12, 13):
            self.step(picture, {})
        self.anchors.extend(one.anchors for one in self.result.values())


@pytest.mark.parametrize('memory', ['sam2', 'dam', 'samurai', 'sam2long'])
def test_no_object_is_ever_corrupted(suited: Sam2Network, clip: Clip, memory: str) -> None:
    machine = type('Machine', (TrackerMachine,), {'model': suited, 'clip': clip, 'memory': memory, 'anchors': []})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=20,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
    assert (sum(map(bool, machine.anchors)) > 20) == (memory == 'dam'), 'hardly ever was there an anchor'


@pytest.mark.parametrize('memory', ['sam2', 'dam', 'samurai', 'sam2long'])
def test_a_picture_differs_enough_from_another_for_corruption_to_show(
    suited: Sam2Network, clip: Clip, memory: str
) -> None:
    """The comparison above would see a frame that an object should not have seen."""
    one, other = (VideoTracker(suited, memory) for _ in range(2))
    for tracker, extra in ((one, []), (other, [20])):
        tracker.step(clip.image(0), [clip.prompt('a', 'mask')])
        for picture in [1, *extra, 2]:
            tracker.step(clip.image(picture))
    with pytest.raises(AssertionError):
        assert_close(one.step(clip.image(3))['a'], other.step(clip.image(3))['a'], tolerance=TOLERANCE)
    assert np.isfinite(one.step(clip.image(4))['a'].mask_logits()).all()
