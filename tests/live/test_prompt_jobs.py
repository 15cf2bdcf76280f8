"""Prompts that catch up, piece by piece: what waits for what, and what is left when they end early. No graph."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from sam2_ros.msg import TrackedObject
from std_msgs.msg import Header

from sam2_ros.live import prompt_jobs
from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages, ImageStatus
from sam2_ros.live.journal import Journal
from sam2_ros.live.prompt_jobs import PromptJobs
from sam2_ros.live.requests import UNNAMED, Answer, PromptRequest
from sam2_ros.nodes.edge.decode_images import image_to_rgb
from sam2_ros.nodes.edge.encode_images import array_to_image
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.qos import make_publisher
from sam2_ros.nodes.tracker.outputs import TrackerOutputs
from sam2_ros.nodes.tracker.parameters import TRACKER_PARAMETERS
from sam2_ros.tracking import Prompt
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import Graph, stamp_of
from tests.nodes.reference import expected, library_tracker, mask_of, same

TIMEOUT = 60.0


class Lines(list):
    """A logger that keeps its lines."""

    def warning(self, line: str) -> None:
        self.append(line)


class Work:
    """The parts of the node that prompts go through, driven by hand."""

    def __init__(self, weights: Path, node: rclpy.node.Node) -> None:
        self.weights = weights
        self.tracker = library_tracker(weights, ring_frames=90)
        self.ring = ArrivedImages()
        self.log = Lines()
        self.journal = Journal(self.log)
        self.outputs = TrackerOutputs(
            ParameterTable(node, TRACKER_PARAMETERS),
            make_publisher=lambda row: make_publisher(node, row.type, row.name, 10),
        )
        self.jobs = PromptJobs(
            self.tracker, ring=self.ring, messages=self.outputs, journal=self.journal, to_rgb=image_to_rgb
        )
        self.images: list[ArrivedImage] = []
        self.answers: list[Answer] = []

    def arrive(self, index: int, status: ImageStatus = ImageStatus.TRACKED) -> dict[str, TrackedObject]:
        """The next image arrives and has this status; what is published about it."""
        header = Header(stamp=stamp_of(1000 + 0.1 * index), frame_id='camera')
        image = ArrivedImage(
            array_to_image(scene.picture(index), 'rgb8', header=header), time=0.1 * index, status=status
        )
        self.ring.add(image, max_images=90, max_bytes=10**9)
        self.images.append(image)
        if status is ImageStatus.TRACKED:
            result = self.tracker.step(scene.picture(index), time=image.time)
            image.frame_index = result.frame_index
            self.outputs.publish(image, scene.picture(index), result)
        return image.objects

    def ask(self, image: int, prompt: Prompt, **options: bool) -> None:
        name = '' if prompt.object_id == UNNAMED else prompt.object_id
        self.jobs.add(self.images[image], PromptRequest(prompt, name, self.answers.append, **options))

    def box(self, name: str, image: int) -> None:
        self.ask(image, Prompt(name, box=scene.box(name, image)))

    def click(self, at: tuple[float, float], image: int) -> None:
        self.ask(image, Prompt(UNNAMED, points=[at]), extend=True, click=True)

    def finish(self) -> None:
        while self.jobs.ready():
            self.jobs.serve()

    def known(self, name: str) -> bool:
        """Whether an image in the ring or the outputs remember the object."""
        return name in self.outputs.known_objects or any(
            name in image.objects or name in image.prompts for image in self.ring.images()
        )


@pytest.fixture(scope='module')
def context() -> Iterator[rclpy.Context]:
    made = Graph()
    yield made.context
    made.close()


@pytest.fixture
def work(micro_weights: Path, context: rclpy.Context) -> Iterator[Work]:
    node = rclpy.create_node('work', context=context)
    yield Work(micro_weights, node)
    node.destroy_node()


def a_pixel(mask: np.ndarray) -> tuple[float, float]:
    """x, y of a pixel in the middle of those of the mask."""
    rows, columns = np.nonzero(mask)
    return float(columns[len(columns) // 2]), float(rows[len(rows) // 2])


def fail(*_: object) -> None:
    raise RuntimeError('out of memory')


@pytest.mark.parametrize('part', ['network', 'messages'])
def test_a_failure_while_a_new_object_catches_up_ends_the_object(
    work: Work, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    for index in range(4):
        work.arrive(index)
    work.box('red', 0)
    work.jobs.serve()
    assert work.answers[0].success and work.known('red')
    with monkeypatch.context() as patch:
        owner, name = {'network': (work.tracker._model, 'encode_image'), 'messages': (work.outputs, 'object_message')}[
            part
        ]
        patch.setattr(owner, name, fail)
        with pytest.raises(RuntimeError):
            work.jobs.serve()
    assert work.log == ["'red' stopped catching up: the tracker failed: out of memory"]
    assert work.tracker.object_ids == () and not work.known('red') and not len(work.jobs)
    assert work.arrive(4) == {}
    work.box('red', 4)
    work.finish()
    again = work.arrive(5)['red']
    assert again.first_seen == work.images[4].header.stamp and again.state == TrackedObject.VISIBLE
    assert again.label != work.answers[0].tracked_object.label


def test_a_failure_while_a_correction_catches_up_costs_the_correction(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.arrive(0)
    work.box('red', 0)
    work.finish()
    for index in range(1, 5):
        work.arrive(index)
    work.ask(2, Prompt('red', mask=scene.disc('blue', 2)))
    work.jobs.serve()
    with monkeypatch.context() as patch:
        patch.setattr(work.tracker._model, 'encode_image', fail)
        with pytest.raises(RuntimeError):
            work.jobs.serve()
    red = work.arrive(5)['red']
    assert red.state == TrackedObject.VISIBLE and red.first_seen == work.images[0].header.stamp
    prompt = Prompt('red', box=scene.box('red', 0))
    assert same(mask_of(red), expected(work.weights, prompt, range(6))['red'].mask)
    work.box('red', 5)  # prompts are taken again
    work.finish()
    assert work.answers[-1].success


def test_what_catches_up_outlasts_a_pause_and_what_waits_is_refused(work: Work) -> None:
    for index in range(4):
        work.arrive(index)
    work.box('red', 0)
    work.jobs.serve()
    work.box('red', 2)
    work.jobs.refuse_waiting('the node was deactivated')
    assert [answer.reason for answer in work.answers] == ['', 'the node was deactivated']
    work.finish()
    red = work.arrive(4)['red']
    prompt = Prompt('red', box=scene.box('red', 0))
    assert red.state == TrackedObject.VISIBLE
    assert same(mask_of(red), expected(work.weights, prompt, range(5))['red'].mask)


def test_a_click_on_a_skipped_image_hits_what_was_shown_last(work: Work) -> None:
    work.arrive(0)
    work.box('red', 0)
    work.finish()
    shown = mask_of(work.arrive(1)['red'])
    work.arrive(2, ImageStatus.SKIPPED)
    work.arrive(3)
    work.click(a_pixel(shown), 2)
    work.finish()
    assert work.answers[-1].object_id == 'red' and work.answers[-1].image is work.images[2]
    work.click(a_pixel(~shown & ~mask_of(work.answers[-1].tracked_object)), 2)
    work.finish()
    assert work.answers[-1].object_id == 'object_1'
    assert list(work.arrive(4)) == ['red', 'object_1']


def test_a_click_waits_for_the_object_it_hits_and_for_no_other(work: Work) -> None:
    for index in range(4):
        work.arrive(index)
    work.box('red', 1)
    work.jobs.serve()
    seen_last = mask_of(work.answers[0].tracked_object)
    work.click(a_pixel(seen_last), 1)
    work.click(a_pixel(seen_last), 2)  # it has not got there yet, so where it will be is not known
    work.click(a_pixel(~seen_last), 3)
    work.jobs.serve()
    assert [answer.object_id for answer in work.answers] == ['red', 'object_1']
    assert work.answers[1].image is work.images[3]
    work.finish()
    assert len(work.answers) == 4
    assert [answer.object_id for answer in work.answers if answer.image is work.images[1]] == ['red', 'red']


def test_a_prompt_does_not_wait_for_ever(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(4):
        work.arrive(index)
    work.box('red', 0)
    work.jobs.serve()
    work.box('red', 2)
    work.jobs.serve()
    assert len(work.answers) == 1
    monkeypatch.setattr(prompt_jobs, 'PATIENCE', 0.0)
    work.jobs.serve()
    assert work.answers[1].reason == "'red' was still catching up with an earlier prompt after 0 s"
    assert work.log == [f'prompt refused: {work.answers[1].reason}']
    work.finish()
    assert work.arrive(4)['red'].state == TrackedObject.VISIBLE


def test_a_removed_object_does_not_come_back_with_its_clicks(work: Work) -> None:
    work.arrive(0)
    for name in ('red', 'blue'):
        work.ask(0, Prompt(name, points=[scene.centre(name, 0)]), extend=True)
    work.finish()
    work.arrive(1)
    work.tracker.remove('red')
    work.jobs.forget('red', "'red' was removed")
    assert not work.known('red') and work.known('blue')
    prompt = Prompt('red', points=[scene.centre('blue', 0)])
    work.ask(0, prompt, extend=True)
    work.finish()
    assert same(mask_of(work.answers[-1].tracked_object), expected(work.weights, prompt, [0])['red'].mask)


def test_a_refused_prompt_is_not_extended(work: Work) -> None:
    work.arrive(0)
    work.ask(0, Prompt('red', points=[(500, 500)]), extend=True)
    work.finish()
    work.ask(0, Prompt('red', points=[scene.centre('red', 0)]), extend=True)
    work.finish()
    assert [answer.success for answer in work.answers] == [False, True]


def test_after_every_live_image_those_furthest_behind_gain_one(work: Work) -> None:
    for index in range(6):
        work.arrive(index)
    for name, image in (('a', 0), ('b', 0), ('c', 3)):
        work.ask(image, Prompt(name, points=[scene.centre('red', image)]))
    for _ in range(3):
        work.jobs.serve()
    behind = []
    for index in range(6, 12):
        work.arrive(index)
        for _ in range(work.jobs.turns_after_live_image()):
            work.jobs.serve()
        behind.append(work.jobs.furthest_behind)
    assert behind == [4, 3, 2, 1, 0, 0]


def test_many_objects_catch_up_as_one_batch(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(6):
        work.arrive(index)
    names = [f'object {number}' for number in range(20)]
    for number, name in enumerate(names):
        work.ask(number % 2, Prompt(name, points=[scene.centre('red', number % 2)]))
    for _ in names:
        work.jobs.serve()
    sizes: list[int] = []
    together = prompt_jobs.advance_together
    monkeypatch.setattr(prompt_jobs, 'advance_together', lambda batch: (sizes.append(len(batch)), together(batch))[1])
    for index in range(6, 12):
        work.arrive(index)
        for _ in range(work.jobs.turns_after_live_image()):
            work.jobs.serve()
    assert sizes == [10] + [20] * 9 and not len(work.jobs)
    objects = work.arrive(12)
    prompt = Prompt('object 1', points=[scene.centre('red', 1)])
    assert same(mask_of(objects['object 1']), expected(work.weights, prompt, range(1, 13))['object 1'].mask)


def test_prompts_of_a_detector_on_one_skipped_image_cost_one_encoding(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.arrive(0)
    work.arrive(1, ImageStatus.SKIPPED)
    work.arrive(2)
    names = [f'object {number}' for number in range(12)]
    for name in names:
        work.ask(1, Prompt(name, points=[scene.centre('red', 1)]))
    model, encoded = work.tracker._model, []
    encode = model.encode_image
    monkeypatch.setattr(model, 'encode_image', lambda images: (encoded.append(len(images)), encode(images))[1])
    work.finish()
    assert encoded == [1, 1]  # the skipped image and the one after it
    objects = work.arrive(3)
    for name in (names[0], names[-1]):
        prompt = Prompt(name, points=[scene.centre('red', 1)])
        assert same(mask_of(objects[name]), expected(work.weights, prompt, range(1, 4))[name].mask)


def test_where_an_object_was_seen_last_follows_corrections(work: Work) -> None:
    for index in range(6):
        work.arrive(index)
    work.box('red', 0)
    work.finish()
    assert all(work.images[index].objects['red'].has_box for index in range(6))
    nothing = np.zeros((scene.HEIGHT, scene.WIDTH), bool)
    for corrected in (5, 3):
        work.ask(corrected, Prompt('red', mask=nothing))
        work.jobs.serve()
        red = work.answers[-1].tracked_object
        assert not red.has_box and red.frames_since_seen == 1
        assert red.last_seen == work.images[corrected - 1].header.stamp
        work.finish()


def test_objects_that_were_called_off_end_for_their_own_reasons(work: Work) -> None:
    for index in range(4):
        work.arrive(index)
    for name in ('red', 'blue'):
        work.box(name, 0)
        work.jobs.serve()
    for name in ('red', 'blue'):
        work.tracker.abandon(name)
    work.finish()
    assert [line.partition(' (')[0] for line in work.log] == [
        f"'{name}' stopped catching up: the prompt for '{name}' was abandoned" for name in ('red', 'blue')
    ]
