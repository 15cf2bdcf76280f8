"""Several cameras in one inference thread, without ROS: each has the results that it would have alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from sam2_ros.live.arrived_images import ImageStatus
from sam2_ros.live.inference import InferenceThread
from sam2_ros.live.requests import Answer, PromptRequest
from sam2_ros.model import Sam2Network
from sam2_ros.tracking import FrameResult, Prompt, VideoTracker
from tests.live.plain_camera import PlainCamera
from tests.nodes import tracker_scene as scene

TIMEOUT = 60.0
NAMES = ('red', 'blue')


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def cameras(micro128: Sam2Network) -> dict[str, PlainCamera]:
    return {name: PlainCamera(VideoTracker(micro128)) for name in NAMES}


@pytest.fixture
def both(micro128: Sam2Network) -> Iterator[dict[str, PlainCamera]]:
    """Two cameras in one thread."""
    made, thread = cameras(micro128), InferenceThread()
    for camera in made.values():
        camera.thread = thread
        thread.add(camera.stream)
    yield made
    for camera in made.values():
        assert thread.remove(camera.stream, TIMEOUT)
    wait_until(lambda: not any(thread.name == 'inference' for thread in threading.enumerate()))


def prompt(camera: PlainCamera, name: str, index: int) -> Answer:
    """Prompt the disc of this name on image `index`, which has been tracked, and wait for the answer."""
    answers: list[Answer] = []
    image = camera.ring.images()[index]
    camera.stream.submit(image, PromptRequest(Prompt(name, box=scene.box(name, index)), name, answers.append))
    wait_until(lambda: answers)
    return answers[0]


def alone(micro128: Sam2Network, name: str, images: int) -> list[FrameResult]:
    """What a tracker of its own makes of the same."""
    tracker = VideoTracker(micro128)
    first = tracker.step(scene.picture(0), time=1.0)
    tracker.prompt(0, Prompt(name, box=scene.box(name, 0)))
    return [first, *(tracker.step(scene.picture(index), time=index + 1.0) for index in range(1, images))]


def test_each_camera_has_the_results_that_it_would_have_alone(
    both: dict[str, PlainCamera], micro128: Sam2Network
) -> None:
    for index in range(8):
        for name, camera in both.items():
            camera.show(scene.picture(index), index + 1)
            wait_until(lambda camera=camera, index=index: len(camera.results) == index + 1)
            if index == 0:
                assert prompt(camera, name, 0).success
    for name, camera in both.items():
        for ours, expected in zip(camera.results, alone(micro128, name, 8), strict=True):
            assert list(ours) == list(expected)
            assert all(np.array_equal(ours[one].mask, expected[one].mask) for one in ours)
        assert camera.results[-1][name].mask.any() and not camera.lines


def held(camera: PlainCamera) -> tuple[threading.Event, threading.Event]:
    """Hold the camera's tracker up at its next image: the first event says that it is there, the second lets it go."""
    there, go_on, step = threading.Event(), threading.Event(), camera.tracker.step

    def wait_first(*arguments: Any, **options: Any) -> FrameResult:
        there.set()
        assert go_on.wait(TIMEOUT)
        return step(*arguments, **options)

    camera.tracker.step = wait_first
    return there, go_on


def test_a_camera_that_floods_takes_turns_with_the_other(both: dict[str, PlainCamera]) -> None:
    fast, slow = both['red'], both['blue']
    there, go_on = held(fast)
    order: list[str] = []
    for name, camera in both.items():
        camera.publish = lambda *_, name=name: order.append(name)
    fast.show(scene.picture(0), 1)
    assert there.wait(TIMEOUT)
    waiting = slow.show(scene.picture(0), 1)
    shown = [fast.show(scene.picture(index), index + 1) for index in range(1, 6)]
    go_on.set()
    wait_until(lambda: len(order) == 3)
    assert order == ['red', 'blue', 'red']  # the newest of the fast one comes after the one that waited longer
    assert waiting.status is ImageStatus.TRACKED
    assert [image.status for image in shown] == [ImageStatus.SKIPPED] * 4 + [ImageStatus.TRACKED]


def test_a_camera_that_fails_leaves_the_other_as_it_was(both: dict[str, PlainCamera]) -> None:
    broken, whole = both['red'], both['blue']

    def fail(*_: object, **__: object) -> FrameResult:
        raise RuntimeError('out of memory')

    broken.tracker.step = fail
    for index in range(12):
        image = broken.show(scene.picture(index), index + 1)
        wait_until(lambda image=image: image.status is ImageStatus.FAILED)
        whole.show(scene.picture(index), index + 1)
        wait_until(lambda index=index: len(whole.results) == index + 1)
    assert broken.failures == ['the tracker failed 10 times in a row, last with out of memory']
    assert not whole.failures and not whole.lines


def test_a_camera_that_leaves_is_answered_and_the_other_goes_on(micro128: Sam2Network) -> None:
    made, thread = cameras(micro128), InferenceThread()
    for camera in made.values():
        thread.add(camera.stream)
    leaving, staying = made['red'], made['blue']
    leaving.show(scene.picture(0), 1)
    wait_until(lambda: leaving.results)
    there, go_on = held(staying)
    staying.show(scene.picture(0), 1)
    assert there.wait(TIMEOUT)
    answers: list[Answer] = []
    image = leaving.ring.images()[0]
    leaving.stream.submit(image, PromptRequest(Prompt('red', box=scene.box('red', 0)), 'red', answers.append))
    assert not thread.remove(leaving.stream, 0.0)  # the network is busy with the other camera
    go_on.set()
    assert thread.remove(leaving.stream, TIMEOUT)
    assert [answer.reason for answer in answers] == ['the node was deactivated']
    staying.show(scene.picture(1), 2)
    wait_until(lambda: len(staying.results) == 2)
    thread.add(again := PlainCamera(leaving.tracker).stream)
    assert thread.remove(again, TIMEOUT) and thread.remove(staying.stream, TIMEOUT)


def test_a_command_that_fails_is_refused_and_the_thread_goes_on(
    both: dict[str, PlainCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = both['red']
    camera.show(scene.picture(0), 1)
    wait_until(lambda: camera.results)
    assert prompt(camera, 'red', 0).success

    def remove() -> Answer:
        answers: list[Answer] = []
        camera.stream.remove('red', answers.append)
        wait_until(lambda: answers)
        return answers[0]

    def fail(_: str) -> None:
        raise RuntimeError('out of memory')

    with monkeypatch.context() as patch:
        patch.setattr(camera.tracker, 'remove', fail)
        assert remove().reason == 'the tracker failed: out of memory'
    assert camera.lines == ['the tracker failed: RuntimeError: out of memory']
    assert remove().success


class EndlessJobs:
    """Prompts that are never done; the first step waits."""

    def __init__(self) -> None:
        self.served, self.asked = 0, False
        self.at_work, self.go_on = threading.Event(), threading.Event()

    def ready(self) -> bool:
        return self.asked  # not before the image

    def turns_after_live_image(self) -> int:
        self.asked = True
        return 200

    def serve(self) -> None:
        self.served += 1
        self.at_work.set()
        assert self.go_on.wait(TIMEOUT)

    def refuse_waiting(self, reason: str) -> None:
        pass


def test_many_prompts_do_not_hold_up_the_end(micro128: Sam2Network) -> None:
    jobs, thread = EndlessJobs(), InferenceThread()
    camera = PlainCamera(VideoTracker(micro128), jobs=jobs)
    thread.add(camera.stream)
    image = camera.show(scene.picture(0), 1)
    assert jobs.at_work.wait(TIMEOUT)
    assert not thread.remove(camera.stream, 0.0)
    jobs.go_on.set()
    assert thread.remove(camera.stream, TIMEOUT)
    assert jobs.served == 1 and image.status is ImageStatus.TRACKED


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_nobody_waits_for_a_thread_that_has_died(micro128: Sam2Network, monkeypatch: pytest.MonkeyPatch) -> None:
    camera, thread = PlainCamera(VideoTracker(micro128)), InferenceThread()
    monkeypatch.setattr(camera.stream, 'work_off', lambda: 1 // 0)
    thread.add(camera.stream)
    camera.show(scene.picture(0), 1)
    assert thread.remove(camera.stream, TIMEOUT)
    monkeypatch.undo()
    thread.add(again := PlainCamera(camera.tracker).stream)  # it begins anew
    assert thread.remove(again, TIMEOUT)


def test_a_call_is_carried_out_in_the_thread_between_two_images(
    both: dict[str, PlainCamera], micro128: Sam2Network
) -> None:
    there, go_on = held(both['red'])
    both['red'].show(scene.picture(0), 1)
    assert there.wait(TIMEOUT)
    names: list[str] = []
    thread = both['red'].thread
    caller = threading.Thread(target=lambda: thread.call(lambda: names.append(threading.current_thread().name)))
    caller.start()
    both['blue'].show(scene.picture(0), 1)
    time.sleep(0.1)
    assert not names and not both['blue'].results
    go_on.set()
    caller.join(TIMEOUT)
    assert names == ['inference']
    wait_until(lambda: both['blue'].results)


def test_a_call_returns_and_raises_what_its_work_does() -> None:
    thread = InferenceThread()  # it runs for the call only
    assert thread.call(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda: 1 // 0)
    wait_until(lambda: not any(thread.name == 'inference' for thread in threading.enumerate()))


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_a_call_does_not_wait_for_a_thread_that_dies(micro128: Sam2Network, monkeypatch: pytest.MonkeyPatch) -> None:
    camera, thread = PlainCamera(VideoTracker(micro128)), InferenceThread()
    at_work, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(camera.stream, 'work_off', lambda: (at_work.set(), go_on.wait(TIMEOUT), 1 // 0))
    thread.add(camera.stream)
    camera.show(scene.picture(0), 1)
    assert at_work.wait(TIMEOUT)
    errors: list[BaseException] = []

    def call() -> None:
        try:
            thread.call(lambda: None)
        except RuntimeError as error:
            errors.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: thread._calls)
    go_on.set()
    caller.join(TIMEOUT)
    assert 'the inference thread has died' in str(errors[0])
    wait_until(lambda: not any(thread.name == 'inference' for thread in threading.enumerate()))
