"""Many calls and prompts at once: every call is answered, images go on, and nothing long comes back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from rclpy.qos import HistoryPolicy, QoSProfile
from sam2_ros.msg import Prompt, TrackedObject
from sam2_ros.srv import RemoveObject, SetPrompt
from std_srvs.srv import Trigger

from sam2_ros.tracking import CatchUp, ObjectResult
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import TIMEOUT, Client, graph, make_prompt

pytestmark = pytest.mark.slow

CALLS = 300
ENCODING = 0.05  # seconds that a slow network takes for an image
IMAGES = 30  # of a camera that is faster
DETECTED = 6  # images later than it was taken
SHARE, CREDIT = 0.1, 0.5  # of the time that prompts may hold up images for, and seconds of it that may be saved up
PATIENT = QoSProfile(history=HistoryPolicy.KEEP_ALL)  # a client that loses no answer either


def answers(client: Client, type_: type, name: str, requests: list) -> list:
    """The answers to calls that are all sent at once."""
    service = client.create_client(type_, f'{client.tracker}/{name}', qos_profile=PATIENT)
    assert service.wait_for_service(TIMEOUT)
    futures = [service.call_async(request) for request in requests]

    def all_answered() -> bool:
        # From the last to the first: an answer that is seen must not be ahead of one that is looked at after it.
        done = [future.done() for future in reversed(futures)][::-1]
        assert done == sorted(done, reverse=True), 'answers overtake each other'
        return all(done)

    client.wait_for(all_answered, f'{len(futures)} answers of {name}')
    client.destroy_client(service)
    return [future.result() for future in futures]


def test_every_one_of_many_calls_at_once_is_answered_in_order(tracker: Client) -> None:
    tracker.step(0)
    removals = answers(
        tracker,
        RemoveObject,
        'remove_object',
        [RemoveObject.Request(object_id=f'cup {number}') for number in range(CALLS)],
    )
    assert [f"'cup {number}'" in removal.reason for number, removal in enumerate(removals)] == [True] * CALLS
    assert all(reset.success for reset in answers(tracker, Trigger, 'reset', [Trigger.Request()] * CALLS))
    box = scene.box('red', 0)
    stamps = [tracker.stamp(0), tracker.stamp(-100)]  # the second one is refused at once
    calls = [SetPrompt.Request(prompt=make_prompt('red', stamp=stamps[number % 2], box=box)) for number in range(64)]
    service = tracker.create_client(SetPrompt, f'{tracker.tracker}/set_prompt', qos_profile=PATIENT)
    assert service.wait_for_service(TIMEOUT)
    futures = [service.call_async(call) for call in calls]
    tracker.wait_for(lambda: all(future.done() for future in futures), '64 answers of set_prompt')
    valid, refused = [future.result() for future in futures[::2]], [future.result() for future in futures[1::2]]
    assert all('too old' in answer.reason and not answer.success for answer in refused)
    assert valid[-1].success and all(answer.success or 'superseded' in answer.reason for answer in valid)


def test_a_newer_prompt_replaces_one_that_was_not_begun(tracker: Client) -> None:
    tracker.step(0)
    assert tracker.set_prompt('another', stamp=tracker.stamp(0), box=scene.box('red', 0)).success
    with tracker.busy_network() as at_work:
        tracker.publish(1)
        assert at_work.wait(TIMEOUT)
        first = tracker.ask_for_prompt('it', stamp=tracker.stamp(0), box=scene.box('red', 0))
        other = tracker.ask_for_prompt('other', stamp=tracker.stamp(0), box=scene.box('red', 0))
        second = tracker.ask_for_prompt('it', stamp=tracker.stamp(0), box=scene.box('blue', 0))
        time.sleep(0.3)
    tracker.wait_for(lambda: first.done() and second.done() and other.done(), 'three answers')
    assert not first.result().success and first.result().reason.startswith("superseded: a newer prompt for 'it'")
    assert other.result().success and second.result().success
    assert np.allclose(second.result().object.box, scene.box('blue', 0), atol=4)
    tracker.diagnosed('prompts', lambda _, values: values['superseded by newer ones'] != '0', 'one superseded')


@dataclass
class Flood:
    """A camera that is always ahead of the network, and a slow detector that names its object on every image.

    Whenever the network begins to encode an image, the next one is published and a prompt on one before; only when that
    image has arrived does the network go on, slowly. So an image waits while prompts are worked on.
    """

    client: Client
    index: int
    held_up: list[float] = field(default_factory=list)  # seconds that each piece of work on prompts took

    def next_image(self) -> None:
        self.index += 1
        stamp, on = self.client.stamp(self.index), self.index - DETECTED
        self.client.publish(self.index, pixels=scene.picture(self.index % 10))
        self.client.prompts.publish(make_prompt('red', stamp=self.client.stamp(on), box=scene.box('red', on % 10)))
        deadline = time.monotonic() + TIMEOUT
        while self.client.tracker_node._ring.newest().header.stamp != stamp and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(ENCODING)

    @contextmanager
    def running(self) -> Iterator[None]:
        jobs = self.client.tracker_node.parts.jobs
        serve = jobs.serve

        def serve_and_measure() -> None:
            begin = time.monotonic()
            serve()
            self.held_up.append(time.monotonic() - begin)

        with mock.patch.object(jobs, 'serve', serve_and_measure), self.client.before_encoding(self.next_image):
            self.client.publish(self.index, pixels=scene.picture(self.index % 10))
            yield


def prompt_counts(client: Client) -> dict[str, int]:
    """What became of all prompts so far, by a fresh report."""
    client.received['diagnostics'].clear()
    status = client.diagnosed('prompts', lambda *_: True, 'anything')
    return {pair.key: int(pair.value) for pair in status.values if pair.value.isdigit()}


def test_a_stream_of_prompts_leaves_images_their_rate(tracker: Client) -> None:
    """Work on prompts may hold images up for half a second once, and for a tenth of the time, however long that was.

    Both times are taken from the same clock and stretch together on a busy processor. Without the limit this detector
    would hold each image up for two others.
    """
    tracker.step(0)
    assert tracker.set_prompt('red', stamp=tracker.stamp(0), box=scene.box('red', 0)).success
    before = prompt_counts(tracker)
    tracker.received['objects'].clear()
    flood, begin = Flood(tracker, 100), time.monotonic()
    with flood.running():
        tracker.wait_for(lambda: len(tracker.received['objects']) >= IMAGES, 'the images')
        held_up, seconds = list(flood.held_up), time.monotonic() - begin
    assert sum(held_up[:-1]) <= CREDIT + SHARE * seconds, (held_up, seconds)  # until then the last one may begin
    assert len(held_up) >= 3
    after = prompt_counts(tracker)
    assert after['applied'] >= before['applied'] + 3
    assert after['superseded by newer ones'] > before['superseded by newer ones'] + 20
    assert tracker.step(900).objects[0].state in (TrackedObject.VISIBLE, TrackedObject.CATCHING_UP)


def test_a_prompt_with_too_many_points_is_refused_at_once(tracker: Client) -> None:
    tracker.step(0)
    started = time.monotonic()
    answer = tracker.set_prompt('red', stamp=tracker.stamp(0), points=[(5, 5)] * 100_000)
    assert not answer.success and '100000 points' in answer.reason and 'at most 256' in answer.reason
    assert tracker.set_prompt('red', stamp=tracker.stamp(0), points=[(5, 5)], labels=[1] * 10_000).reason
    assert time.monotonic() - started < 10
    for _ in range(2):
        answer = tracker.set_prompt('red', stamp=tracker.stamp(0), points=[scene.box('red', 0)[:2]] * 200, extend=True)
    assert not answer.success and '400 points' in answer.reason


def test_nothing_long_comes_back(tracker: Client) -> None:
    tracker.step(0)
    long = 'x' * 1_000_000
    answers = [
        tracker.set_prompt(long, stamp=tracker.stamp(0), box=(0, 0, 9, 9)),
        tracker.remove(long),
        tracker.set_prompt('a\nb', stamp=tracker.stamp(0), box=(0, 0, 9, 9)),
        tracker.set_prompt('\x1b[2J', stamp=tracker.stamp(0), box=(0, 0, 9, 9)),
    ]
    message = make_prompt('red', stamp=tracker.stamp(0))
    message.mask.width, message.mask.height, message.mask.encoding = 2, 2, long
    answers.append(tracker.call('set_prompt', SetPrompt.Request(prompt=message)))
    for answer in answers:
        assert not answer.success and 0 < len(answer.reason) < 400 and answer.reason.isprintable()
    status = tracker.diagnosed('prompts', lambda _, values: values['refused'] != '0', 'a refusal')
    assert len(status.message) < 600


@pytest.mark.parametrize(
    ('prompt', 'remark'),
    [
        ({'box': (100, 2, 140, 30)}, 'overlaps with that of the prompt by'),
        ({'box': (3, 3, 4, 4)}, 'there is nothing in its mask'),
    ],
)
def test_the_answer_says_when_the_mask_does_not_fit_the_prompt(
    tracker: Client, monkeypatch: pytest.MonkeyPatch, prompt: dict, remark: str
) -> None:
    """The network is made to find the red disc, or nothing, whatever it is asked for."""
    tracker.step(0)
    mask = scene.disc('red', 0) & ('nothing' not in remark)
    advance = CatchUp.advance

    def found(job: CatchUp) -> ObjectResult:
        box = tuple(int(edge) for edge in scene.box('red', 0)) if mask.any() else None
        return replace(advance(job), mask=mask, box=box, area=int(mask.sum()))

    monkeypatch.setattr(CatchUp, 'advance', found)
    answer = tracker.set_prompt('it', stamp=tracker.stamp(0), **prompt)
    assert answer.success and remark in answer.reason
    tracker.log_line(remark)


def test_an_answer_without_a_reason_fits(tracker: Client) -> None:
    tracker.step(0)
    for prompt in ({'box': scene.box('red', 0)}, {'mask': scene.disc('red', 0)}):
        answer = tracker.set_prompt('red', stamp=tracker.stamp(0), **prompt)
        assert answer.success and not answer.reason


def test_a_box_on_another_thing_moves_a_known_object(tracker: Client) -> None:
    tracker.step(0)
    assert tracker.set_prompt('it', stamp=tracker.stamp(0), box=scene.box('red', 0)).success
    tracker.step(1)
    answer = tracker.set_prompt('it', stamp=tracker.stamp(1), box=scene.box('blue', 1))
    assert answer.success and not answer.reason and np.allclose(answer.object.box, scene.box('blue', 1), atol=4)
    assert 0 < answer.object.predicted_iou < 1


def test_a_hidden_object_has_a_mask_without_pixels(tracker: Client) -> None:
    tracker.step(0)
    tracker.set_prompt('red', stamp=tracker.stamp(0), box=scene.box('red', 0))
    empty = np.zeros(scene.disc('red', 0).shape, bool)
    mask = tracker.set_prompt('red', stamp=tracker.stamp(0), mask=empty).object.mask
    assert (mask.encoding, mask.height, mask.width, mask.step, len(mask.data)) == ('mono8', 0, 0, 0, 0)


def test_objects_of_a_camera_without_stamps_are_seen_at_some_time(micro_weights: Path) -> None:
    with graph(micro_weights) as client:
        for index in range(2):
            client.publish(index, stamp=Prompt().header.stamp)
        client.wait_for(lambda: len(client.received['objects']) >= 1, 'an output')
        answer = client.set_prompt('red', box=scene.box('red', 1))
        assert answer.success and answer.object.last_seen.sec > 0 and answer.object.first_seen.sec > 0
