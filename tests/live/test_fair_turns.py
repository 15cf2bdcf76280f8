"""How cameras share the time of the network: by seconds and weight, whatever one of them does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from sam2_ros.live.account import LONG, Account
from sam2_ros.live.inference import InferenceThread
from sam2_ros.live.prompt_budget import PROMPT_SHARE
from sam2_ros.model import Sam2Network
from sam2_ros.tracking import FrameResult, VideoTracker
from tests.live.plain_camera import PlainCamera

pytestmark = pytest.mark.slow

TIMEOUT = 60.0
IMAGE = np.zeros((8, 8, 3), np.uint8)


class Work:
    """A camera that has its next image ready whenever one is done. The tracker only takes its time.

    Args:
        order: gets the name of the camera at the end of each turn.
    """

    def __init__(
        self, network: Sam2Network, name: str, seconds: float, *, order: list[str], weight: float = 1.0
    ) -> None:
        self.name, self.seconds, self.order = name, seconds, order
        self.floods, self.shown = False, 0
        self.had: list[float] = []  # seconds of the network before each of its turns
        self.camera = PlainCamera(VideoTracker(network))
        self.camera.stream.account = self.account = Account(lambda: weight)
        self.camera.tracker.step = self._step
        self.camera.publish = lambda *_: self._done()

    def show(self) -> None:
        self.shown += 1
        self.camera.show(IMAGE, self.shown)

    def _step(self, *_: Any, **__: Any) -> FrameResult:
        time.sleep(self.seconds)
        return FrameResult(self.shown, (8, 8), {})

    def _done(self) -> None:
        self.order.append(self.name)
        self.had.append(self.account.seconds)  # this turn is not on it yet
        if self.floods:
            self.show()


@pytest.fixture
def order() -> list[str]:
    """Names of the cameras, turn by turn."""
    return []


@pytest.fixture
def run(micro128: Sam2Network, order: list[str]) -> Iterator[Callable[..., Any]]:
    """Adds cameras to one thread: run(name=(seconds, weight), ...) returns all there are."""
    thread, works = InferenceThread(), []

    def make(**cameras: tuple[float, float]) -> list[Work]:
        for name, (seconds, weight) in cameras.items():
            works.append(work := Work(micro128, name, seconds, order=order, weight=weight))
            thread.add(work.camera.stream)
        return works

    yield make
    for work in works:
        assert thread.remove(work.camera.stream, TIMEOUT)


def flood(*works: Work, seconds: float) -> None:
    """Let the cameras flood the network for a while."""
    for work in works:
        work.floods = True
        work.show()
    time.sleep(seconds)
    for work in works:
        work.floods = False


def assert_turns_are_taken(order: list[str], one: Work, other: Work) -> None:
    """Neither of two cameras gets ahead of the other by more than two turns, as one with half a second saved up would.

    A turn that took longer, because the computer was busy elsewhere, counts for up to LONG.

    Args:
        order: the last turns, by the names of the cameras.
        one, other: the cameras, with equal weights and equally dear images.
    """
    assert {one.name, other.name} == set(order)
    charges = {
        work.name: np.diff([*work.had, work.account.seconds])[-order.count(work.name) :] for work in (one, other)
    }
    usual = np.median(np.concatenate(list(charges.values())))
    counted = {name: iter(np.minimum(charges[name], LONG * usual)) for name in charges}
    longest = max(np.minimum(seconds, LONG * usual).max() for seconds in charges.values())
    ahead = 0.0  # seconds by which `one` is
    for name in order:
        ahead += next(counted[name]) * (1 if name == one.name else -1)
        assert abs(ahead) <= 2 * longest, (ahead, longest, order)


def test_cameras_share_seconds_and_not_images(run: Callable, order: list[str]) -> None:
    cheap, dear = run(cheap=(0.005, 1.0), dear=(0.04, 1.0))
    flood(cheap, dear, seconds=1.5)
    assert cheap.account.seconds / dear.account.seconds == pytest.approx(1.0, abs=0.25)
    assert order.count('cheap') > 3 * order.count('dear')


def test_a_camera_of_three_times_the_weight_gets_three_times_the_seconds(run: Callable) -> None:
    light, heavy = run(light=(0.01, 1.0), heavy=(0.01, 3.0))
    flood(light, heavy, seconds=1.0)
    assert heavy.account.seconds / light.account.seconds == pytest.approx(3.0, rel=0.25)


def test_a_camera_that_was_idle_has_saved_nothing_up(run: Callable, order: list[str]) -> None:
    steady, sleeper = run(steady=(0.005, 1.0), sleeper=(0.005, 1.0))
    flood(steady, seconds=0.5)
    before = len(order)
    assert 'sleeper' not in order and sleeper.account.seconds == 0
    flood(steady, sleeper, seconds=0.3)
    assert_turns_are_taken(order[before:], steady, sleeper)


def test_a_camera_that_comes_later_has_saved_nothing_up_either(run: Callable, order: list[str]) -> None:
    (steady,) = run(steady=(0.005, 1.0))
    flood(steady, seconds=0.5)
    before = len(order)
    _, later = run(later=(0.005, 1.0))
    flood(steady, later, seconds=0.3)
    assert_turns_are_taken(order[before:], steady, later)


def test_a_camera_that_was_held_up_once_does_not_wait_for_it_again(run: Callable, order: list[str]) -> None:
    unlucky, other = run(unlucky=(0.01, 1.0), other=(0.01, 1.0))
    flood(unlucky, other, seconds=0.3)
    time.sleep(0.1)  # until the last ones are done
    unlucky.seconds = 0.5  # the computer is busy with something else
    unlucky.show()
    time.sleep(0.05)
    unlucky.seconds = 0.01
    before = len(order)
    flood(unlucky, other, seconds=1.0)
    first, *turns = [name[0] for name in order[before:]]
    assert first == 'u' and 1 <= ''.join(turns).index('u') <= 2 * LONG


def test_what_counts_of_an_image_that_took_long() -> None:
    account = Account(lambda: 2.0)
    for _ in range(3):
        account.charge(0.01, image=True)
    account.charge(1.0, image=True)
    account.charge(0.5, image=False)  # prompts count in full
    assert account.seconds == pytest.approx(1.53)
    assert account.counter == pytest.approx((0.03 + LONG * 0.01 + 0.5) / 2)


class SlowPrompts:
    """Prompts that are always ready once an image came, each a piece of work."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.served, self.cut, self.asked = seconds, 0, 0, False

    def ready(self) -> bool:
        return self.asked

    def turns_after_live_image(self) -> int:
        self.asked = True
        return 50

    def serve(self) -> None:
        self.served += 1
        time.sleep(self.seconds)

    def cut_short(self) -> None:
        self.cut += 1

    def refuse_waiting(self, reason: str) -> None:
        pass


def test_prompts_are_on_the_account_of_their_camera(run: Callable) -> None:
    prompted, other = run(prompted=(0.01, 1.0), other=(0.01, 1.0))
    prompted.camera.stream._jobs = jobs = SlowPrompts(0.02)
    flood(prompted, other, seconds=1.0)
    assert jobs.served > 5
    assert other.account.seconds / prompted.account.seconds == pytest.approx(1.0, abs=0.25)


def test_prompts_of_one_camera_leave_the_others_theirs(run: Callable) -> None:
    one, other = run(one=(0.005, 1.0), other=(0.005, 1.0))
    jobs = [SlowPrompts(0.02), SlowPrompts(0.02)]
    one.camera.stream._jobs, other.camera.stream._jobs = jobs
    assert [work.camera.stream.budget.share for work in (one, other)] == [PROMPT_SHARE / 2] * 2
    flood(one, seconds=1.5)
    assert jobs[0].cut > 0 and not one.camera.stream.budget.left  # it has spent all it had
    flood(one, other, seconds=0.3)
    assert jobs[1].served > 3 and jobs[1].cut == 0


def test_a_slow_camera_beside_a_flood_never_misses_two_images_in_a_row(run: Callable) -> None:
    fast, slow = run(fast=(0.03, 1.0), slow=(0.03, 1.0))
    skipped: list[int] = []
    slow.camera.publish = lambda image, *_: skipped.append(image.skipped_before)
    stop = threading.Event()
    feeder = threading.Thread(target=lambda: [slow.show() for _ in iter(lambda: stop.wait(0.1), True)])
    feeder.start()
    flood(fast, seconds=2.0)
    stop.set()
    feeder.join()
    assert len(skipped) > 8 and max(skipped) <= 1


def test_a_camera_that_always_fails_takes_no_more_than_its_share(run: Callable, order: list[str]) -> None:
    broken, whole = run(broken=(0.01, 1.0), whole=(0.01, 1.0))

    def fail(*_: object, **__: object) -> FrameResult:
        time.sleep(broken.seconds)
        broken.show()
        raise RuntimeError('out of memory')

    broken.camera.tracker.step = fail
    broken.show()
    flood(whole, seconds=1.0)
    broken.camera.tracker.step = broken._step
    assert len(broken.camera.failures) == 1 and not whole.camera.failures
    assert whole.account.seconds / broken.account.seconds == pytest.approx(1.0, abs=0.25)
