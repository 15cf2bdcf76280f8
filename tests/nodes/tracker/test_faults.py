"""What cameras do wrong: the node lives, the objects stay, log and diagnostics say why."""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.nodes.edge.encode_images import array_to_image
from sam2_ros.nodes.edge.transport import VARIABLES
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import IMAGE, TIMEOUT, Client, graph, stamp_of

pytestmark = pytest.mark.slow


@pytest.fixture
def tracking(tracker: Client) -> Client:
    """The tracker follows the red disc; images 0 to 2 are processed."""
    tracker.step(0)
    assert tracker.set_prompt('red', box=scene.box('red', 0)).success
    tracker.step(1)
    tracker.step(2)
    return tracker


def assert_red_is_tracked(client: Client, index: int, *, after: tuple[int, ...] = (0, 1, 2)) -> None:
    """Process one more image; the object is what the library makes of it `after` those images."""
    red = client.step(index).objects[0]
    assert red.object_id == 'red' and client.is_right(red, [*after, index])


def truncated(message: Image) -> None:
    message.data = message.data[:-100]


def unknown_encoding(message: Image) -> None:
    message.encoding = 'rgb99'


def no_pixels(message: Image) -> None:
    message.width = message.height = message.step = 0
    message.data = message.data[:0]


def short_rows(message: Image) -> None:
    message.step = 7


@pytest.mark.parametrize(
    ('damage', 'field'),
    [(truncated, 'data'), (unknown_encoding, 'encoding'), (no_pixels, 'height'), (short_rows, 'step')],
)
def test_broken_images_are_dropped(tracking: Client, damage: Callable[[Image], None], field: str) -> None:
    before = tracking.counts()['invalid']
    message = array_to_image(scene.picture(3), 'rgb8', header=tracking.received['objects'][-1].header)
    message.header.stamp = tracking.stamp(3)
    damage(message)
    tracking.camera.publish(message)
    status = tracking.diagnosed(
        'images',
        lambda status, values: int(values['invalid']) == before + 1 and status.level == DiagnosticStatus.WARN,
        'one more invalid',
    )
    assert status.message == 'images are dropped: 1 invalid'
    assert f'an image is dropped: {field}: ' in tracking.log_line('dropped')
    assert_red_is_tracked(tracking, 4)


@pytest.mark.parametrize(
    ('reason', 'index', 'sentence'),
    [('duplicate', 2, 'has the stamp of the one before'), ('reordered', 1.5, 'is older than the one before')],
)
def test_images_out_of_order_are_dropped(tracking: Client, reason: str, index: float, sentence: str) -> None:
    before = tracking.counts()[reason]
    tracking.publish(2, stamp=tracking.stamp(index))
    tracking.counted(reason, before + 1)
    assert tracking.log_line(sentence)
    assert tracking.step(3).frame_index == 3  # the dropped one was no frame
    assert_red_is_tracked(tracking, 4, after=(0, 1, 2, 3))


def test_images_without_stamps_are_tracked(tracking: Client) -> None:
    objects = tracking.step(3, stamp=Time())
    assert tracking.is_right(objects.objects[0], range(4))
    tracking.counted('unstamped')
    assert tracking.log_line('images without a stamp are tracked')
    assert tracking.set_prompt('blue', box=scene.box('blue', 3)).success  # the image of the newest output
    assert [tracked.object_id for tracked in tracking.step(4).objects] == ['red', 'blue']


def jump_back(client: Client) -> None:
    """The stamps of all images to come are 500 s earlier; the node waits for three that agree before it believes it."""
    client.begin -= 500
    before = client.counts()['stamp_outliers']
    for index in (1, 2):
        client.publish(index)
    client.counted('stamp_outliers', before + 2)


def test_stamps_that_jump_back(tracking: Client) -> None:
    before = tracking.counts()['time_jumps']
    jump_back(tracking)
    assert_red_is_tracked(tracking, 3)
    tracking.counted('time_jumps', before + 1)
    assert 'stamps jump back to' in tracking.log_line('jump back')
    assert_red_is_tracked(tracking, 4, after=(0, 1, 2, 3))


def test_a_jump_back_may_reset_the_objects(tracking: Client) -> None:
    assert tracking.set_parameter('on_time_jump', 'reset').successful
    jump_back(tracking)
    objects = tracking.step(3)
    assert objects.frame_index == 0 and not objects.objects
    assert tracking.set_parameter('on_time_jump', 'keep').successful


@pytest.mark.parametrize('error', [0.5, 5.0, 1e6, -900.0])
def test_a_single_wrong_stamp_neither_resets_the_objects_nor_costs_other_images(tracking: Client, error: float) -> None:
    assert tracking.set_parameter('on_time_jump', 'reset').successful
    before, jumps = tracking.counts()['stamp_outliers'], tracking.counts()['time_jumps']
    tracking.publish(3, stamp=stamp_of(tracking.begin + 0.3 + error))
    if error > 0:
        tracking.output('objects', stamp_of(tracking.begin + 0.3 + error))
    for index in (4, 5, 6):
        assert [tracked.object_id for tracked in tracking.step(index).objects] == ['red']
    tracking.counted('stamp_outliers', before + 1)
    assert tracking.counts()['time_jumps'] == jumps
    assert tracking.set_parameter('on_time_jump', 'keep').successful


def doubled(index: int) -> np.ndarray:
    """Image 3 at twice the size, the others as they are."""
    return scene.picture(index) if index != 3 else scene.picture(3).repeat(2, axis=0).repeat(2, axis=1)


@pytest.mark.parametrize(
    ('picture', 'encoding', 'factor'),
    [(doubled, 'rgb8', 2), (scene.picture, 'bgr8', 1)],
    ids=['resolution', 'encoding'],
)
def test_the_format_changes_in_mid_stream(
    tracking: Client, picture: Callable[[int], np.ndarray], encoding: str, factor: int
) -> None:
    before = tracking.counts()['format_changes']
    pixels = picture(3)[..., ::-1] if encoding == 'bgr8' else picture(3)
    objects = tracking.step(3, pixels=pixels, encoding=encoding)
    assert (objects.image_height, objects.image_width) == (factor * scene.HEIGHT, factor * scene.WIDTH)
    assert objects.objects[0].object_id == 'red' and tracking.is_right(objects.objects[0], range(4), picture=picture)
    tracking.counted('format_changes', before + 1)
    assert tracking.log_line(f'to {factor * scene.WIDTH}x{factor * scene.HEIGHT} {encoding}; objects are kept')
    red = tracking.step(4).objects[0]
    assert red.object_id == 'red' and tracking.is_right(red, range(5), picture=picture)
    x, y = scene.centre('blue', 3)
    prompt = {'points': [(x * factor, y * factor)], 'stamp': tracking.stamp(3)}
    answer = tracking.set_prompt('blue', **prompt)  # at the size of that image
    assert answer.success, answer.reason


def test_a_network_that_fails_costs_the_image_only(tracking: Client) -> None:
    """The network is made to fail for one image, as a GPU that is out of memory would."""
    with tracking.before_encoding(_fails):
        tracking.publish(3)
        tracking.counted('failed')
    assert 'RuntimeError: out of memory' in tracking.log_line('the tracker failed')
    assert_red_is_tracked(tracking, 4)


def test_images_skipped_before_a_failure_are_told_with_the_next_output(tracking: Client) -> None:
    at_work, go_on = threading.Event(), threading.Event()
    actions = iter([lambda: (at_work.set(), go_on.wait(TIMEOUT)), _fails])
    before = tracking.counts()
    with tracking.before_encoding(lambda: next(actions)()):
        tracking.publish(3)  # takes long
        assert at_work.wait(TIMEOUT)
        for index in (4, 5, 6):  # 4 and 5 are skipped, 6 fails
            tracking.publish(index)
        tracking.counted('skipped', before['skipped'] + 2)
        go_on.set()
        tracking.counted('failed', before['failed'] + 1)
    assert tracking.counts()['skipped'] == before['skipped'] + 2
    assert tracking.step(7).frames_skipped == 2
    assert tracking.step(8).frames_skipped == 0


def test_a_network_that_keeps_failing_ends_the_process(micro_weights) -> None:
    with graph(micro_weights) as client:
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        node = client.tracker_node
        with client.before_encoding(_fails):
            for index in range(1, 100):
                client.publish(index)
                time.sleep(0.02)
                if node.failure:
                    break
        assert node.failure == 'the tracker failed 10 times in a row, last with out of memory'
        assert not client.context.ok()  # the executor returns, and the process ends with exit code 1


def test_a_second_fault_is_said_at_once_and_the_same_one_only_now_and_then(micro_weights: Path) -> None:
    with graph(micro_weights) as client:
        client.step(0)
        for index, damage in enumerate([truncated, truncated, short_rows], start=1):
            message = array_to_image(scene.picture(index), 'rgb8', header=client.received['objects'][-1].header)
            message.header.stamp = client.stamp(index)
            damage(message)
            client.camera.publish(message)
            client.counted('invalid', index)
        client.wait_for(lambda: len(dropped(client)) >= 2, 'two lines')
        assert ['data' in line for line in dropped(client)] == [True, False] and 'step' in dropped(client)[1]


def dropped(client: Client) -> list[str]:
    return [line.msg for line in client.received['log'] if 'an image is dropped' in line.msg]


def test_images_come_but_none_is_processed(micro_weights) -> None:
    with graph(micro_weights, image_timeout=0.5) as client:
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        with client.before_encoding(_fails):
            client.publish(1)
            time.sleep(0.7)
            client.publish(2)
            status = client.diagnosed('tracking', lambda status, _: status.level == DiagnosticStatus.ERROR, 'an error')
        assert re.search('images come, but none was processed for [0-9]+ s', status.message)
        assert client.transition('deactivate') and client.transition('activate')  # a new start, in which none waits
        client.received['diagnostics'].clear()
        client.diagnosed('tracking', lambda status, _: status.level == DiagnosticStatus.OK, 'no error')


def test_after_an_outage_nothing_is_wrong_with_the_network(micro_weights: Path) -> None:
    with graph(micro_weights, image_timeout=2.0) as client:
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        time.sleep(2.5)
        with client.before_encoding(lambda: time.sleep(0.3)):  # reports come while the first image is at work
            client.received['diagnostics'].clear()
            client.step(1)
            reports = [status for report in client.received['diagnostics'] for status in report.status]
        tracking = [status for status in reports if status.name.endswith(': tracking')]
        assert tracking and all(status.level == DiagnosticStatus.OK for status in tracking)


def test_a_tracker_that_hangs_at_the_first_image(micro_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with graph(micro_weights, image_timeout=0.5) as client:
        tracker, go_on = client.tracker_node.parts.tracker, threading.Event()
        step = tracker.step
        monkeypatch.setattr(tracker, 'step', lambda *image, **when: (go_on.wait(30), step(*image, **when))[1])
        client.publish(0)
        hangs = client.diagnosed('tracking', lambda status, _: 'none was processed' in status.message, 'an error')
        assert hangs.level == DiagnosticStatus.ERROR
        go_on.set()
        client.diagnosed('tracking', lambda status, _: status.level == DiagnosticStatus.OK, 'no error')


def test_it_names_the_transport_profile_when_best_effort_images_do_not_come(micro_weights: Path) -> None:
    with graph(micro_weights, image_timeout=0.5) as client:
        client.destroy_publisher(client.camera)
        client.create_publisher(Image, IMAGE, QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
        line = client.log_line('best effort')
        assert all(name in line for name in VARIABLES) and 'fastdds_large_images.xml' in line


def test_compressed_images_are_not_too_large_for_the_transport(micro_weights: Path) -> None:
    with graph(micro_weights, image_timeout=0.5, image_transport='compressed') as client:
        client.destroy_publisher(client.camera)
        best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        client.create_publisher(CompressedImage, f'{IMAGE}/compressed', best_effort)
        client.wait_for(
            lambda: (
                [info.qos_profile.reliability for info in client.get_subscriptions_info_by_topic(f'{IMAGE}/compressed')]
                == [ReliabilityPolicy.BEST_EFFORT]
            ),
            'a best-effort subscription',
        )
        client.received['diagnostics'].clear()
        status = client.diagnosed('images', lambda status, _: status.level == DiagnosticStatus.ERROR, 'an error')
        assert 'sends nothing that arrives' in status.message


def _fails() -> None:
    raise RuntimeError('out of memory')


def test_it_says_when_no_images_come(micro_weights) -> None:
    with graph(micro_weights, image_timeout=0.5) as client:
        client.log_line(f'no image on {IMAGE} for')
        status = client.diagnosed('images', lambda status, _: status.level == DiagnosticStatus.ERROR, 'an error')
        assert 'the publisher is there but sends nothing' in status.message
        client.step(0)
        assert client.log_line(f'images are coming on {IMAGE} again')
        client.log_line('the publisher is there but sends nothing')
        client.destroy_publisher(client.camera)
        client.diagnosed('images', lambda status, _: 'nobody publishes it' in status.message, 'nobody')
        client.log_line('nobody publishes it')  # the reason is another one while it is silent
        other = rclpy.Context()
        rclpy.init(context=other, domain_id=client.context.get_domain_id())
        wrong = rclpy.create_node('wrong', context=other)
        wrong.create_publisher(CompressedImage, IMAGE, 10)
        client.diagnosed('images', lambda status, _: 'image_transport' in status.message, 'the wrong type')
        wrong.destroy_node()
        other.shutdown()
