"""What goes wrong at one camera stays there; only a device that does not work ends them all."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Header

from sam2_ros.live.camera_stream import MAX_FAILURES
from sam2_ros.live.network import device_works
from sam2_ros.nodes.edge.encode_images import array_to_image
from sam2_ros.nodes.trackers import camera as camera_module
from sam2_ros.tracking import FrameResult
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import Client
from tests.nodes.trackers.cameras import Cameras, cameras_graph

pytestmark = pytest.mark.slow


def fail(*_: object, **__: object) -> FrameResult:
    raise RuntimeError('out of memory')


def fail_at_images(client: Client, count: int) -> None:
    """Let the tracker of the camera fail at so many images."""
    client.tracker_node.parts.tracker.step = fail
    counts = client.tracker_node._journal.counts
    for index in range(1, count + 1):
        failed = counts().get('failed', 0)
        client.publish(index)
        client.wait_for(lambda failed=failed: counts().get('failed', 0) > failed, 'the failure')


def test_images_that_cannot_be_read_are_the_trouble_of_one_camera(cameras: Cameras) -> None:
    front, left = cameras.front, cameras.left
    for client in (front, left):
        client.step(0)
    assert front.set_prompt('red', box=scene.box('red', 0)).success
    counts = left.tracker_node._journal.counts
    for index in range(1, 3 * MAX_FAILURES):
        invalid = counts().get('invalid', 0)
        message = array_to_image(scene.picture(index), 'rgb8', header=Header(stamp=left.stamp(index)))
        message.encoding = 'rgb99'
        left.camera.publish(message)
        left.wait_for(lambda invalid=invalid: counts().get('invalid', 0) > invalid, 'an invalid image')
    for index in (1, 2):
        (red,) = front.step(index).objects
        assert front.is_right(red, range(index + 1))
    assert not left.step(100).objects  # it goes on with images that can be read
    assert left.tracker_node.failure == cameras.node.failure == ''


def test_a_tracker_that_fails_again_and_again_starts_anew_alone(
    micro_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_module, 'RESTART_DELAY', 0.5)
    with cameras_graph(micro_weights) as cameras:
        front, left = cameras.front, cameras.left
        for client in (front, left):
            client.step(0)
            assert client.set_prompt('red', box=scene.box('red', 0)).success
        fail_at_images(left, MAX_FAILURES)
        assert left.log_line('this camera forgets everything').startswith(
            'the tracker failed 10 times in a row, last with out of memory'
        )
        left.diagnosed('images', lambda status, _: 'the node is unconfigured' in status.message, 'unconfigured')
        (red,) = front.step(1).objects
        assert front.is_right(red, range(2))
        left.wait_for(lambda: left.tracker_node.state == 'active', 'the new start')
        left.connected()
        assert not left.step(100).objects
        (red,) = front.step(2).objects
        assert front.is_right(red, range(3)) and cameras.node.failure == ''


def test_without_autostart_it_waits_for_its_manager(micro_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, 'RESTART_DELAY', 0.1)
    with cameras_graph(micro_weights, of_cameras={'left': {'autostart': False}}, autostart=False) as cameras:
        assert cameras.process.transition('configure')
        left = cameras.left
        assert left.transition('configure') and left.transition('activate')
        left.tracker_node = cameras.node.cameras['left'].node
        left.connected()
        left.step(0)
        fail_at_images(left, MAX_FAILURES)
        left.diagnosed('images', lambda status, _: 'the node is unconfigured' in status.message, 'unconfigured')
        time.sleep(0.5)
        assert left.tracker_node.state == 'unconfigured'
        assert left.transition('configure') and left.transition('activate')


def test_a_device_that_does_not_work_ends_them_all(micro_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cameras_graph(micro_weights) as cameras:
        cameras.left.step(0)
        monkeypatch.setattr(camera_module, 'device_works', lambda _: False)
        fail_at_images(cameras.left, MAX_FAILURES)
        cameras.left.wait_for(lambda: not cameras.node.context.ok(), 'the end')
        assert 'the device does not work any more' in cameras.node.failure
        assert cameras.node.stop(5.0)  # all threads have ended


def test_a_network_that_fails_everywhere_is_told_by_both(cameras: Cameras) -> None:
    with cameras.front.before_encoding(fail):
        for client in (cameras.front, cameras.left):
            client.step(0)  # without objects the network is not asked
            answer = client.set_prompt('red', box=scene.box('red', 0))
            assert answer.reason == 'the tracker failed: out of memory'
            client.diagnosed('prompts', lambda status, _: status.level == DiagnosticStatus.WARN, 'a warning')
    assert cameras.left.set_prompt('red', box=scene.box('red', 0)).success


def test_whether_a_device_works(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_works('cpu')
    monkeypatch.setattr(torch, 'ones', fail)
    assert not device_works('cpu')
