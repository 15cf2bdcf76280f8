"""Cameras that start, stop, die and change their minds; time that is simulated and goes back."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from rclpy.qos import ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sam2_ros.msg import TrackedObjectArray

from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from tests.common import REPOSITORY
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import IMAGE, RELIABLE, Client, graph, stamp_of

pytestmark = pytest.mark.slow


@contextmanager
def camera(client: Client, reliability: str, rate: float) -> Iterator[subprocess.Popen]:
    """A camera process on the graph of the client; killed with -9 at the end."""
    environment = os.environ | {
        'ROS_DOMAIN_ID': str(client.context.get_domain_id()),
        'PYTHONPATH': os.pathsep.join([str(REPOSITORY), os.environ.get('PYTHONPATH', '')]),
    }
    command = [sys.executable, '-m', 'tests.nodes.camera_process', IMAGE, reliability, str(rate)]
    process = subprocess.Popen(command, env=environment, cwd=REPOSITORY)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def index_of(message: object) -> int:
    return stamp_nanoseconds(message.header.stamp) // 100_000_000


def new_output(client: Client) -> object:
    """The next output that comes."""
    client.received['objects'].clear()
    return client.wait_for(lambda: client.received['objects'] and client.received['objects'][-1], 'an output')


def reliability(client: Client) -> ReliabilityPolicy | None:
    """What the tracker asks of the camera."""
    listeners = client.get_subscriptions_info_by_topic(IMAGE)
    return listeners[0].qos_profile.reliability if len(listeners) == 1 else None


def test_the_camera_is_killed_and_comes_back_with_another_reliability(micro_weights: Path) -> None:
    with graph(micro_weights, autostart=False, image_timeout=1.0) as client:
        client.destroy_publisher(client.camera)
        assert client.transition('configure') and client.transition('activate')
        assert client.log_line('nobody publishes it')
        with camera(client, 'reliable', 10):
            first = new_output(client)
            client.wait_for(lambda: reliability(client) == ReliabilityPolicy.RELIABLE, 'a reliable subscription')
            answer = client.set_prompt('red', box=scene.box('red', index_of(first)), stamp=first.header.stamp)
            assert answer.success, answer.reason
            client.wait_for(lambda: client.received['objects'][-1].objects, 'an object')
        assert client.log_line('the publisher is there but sends nothing')
        with camera(client, 'best_effort', 10):
            client.wait_for(lambda: reliability(client) == ReliabilityPolicy.BEST_EFFORT, 'a best-effort subscription')
            after = new_output(client)
            assert client.log_line(f'images are coming on {IMAGE} again')
            assert [tracked.object_id for tracked in after.objects] == ['red']
            assert after.frame_index > first.frame_index


def test_the_newest_image_wins(micro_weights: Path) -> None:
    """While the model is busy with one image, others come: what is processed next is what came last."""
    with graph(micro_weights) as client:
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        with client.overtaken(1, last=6):
            pass
        client.output('objects', client.stamp(6))
        processed = [(objects.header.stamp, objects.frames_skipped) for objects in client.received['objects']]
        assert processed == [(client.stamp(0), 0), (client.stamp(1), 0), (client.stamp(6), 4)]


def test_outputs_are_no_older_than_inference_and_one_camera_period(
    micro_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a model three times slower than the camera. 20 ms are allowed for everything else; of single outputs more,
    since other processes may have the processor. An image that waited in a queue would be 300 ms too old.
    """
    period, inference = 0.1, 0.3
    took: dict[int, float] = {}  # by frame
    ages: dict[int, float] = {}
    with graph(micro_weights) as client:
        tracker = client.tracker_node.parts.tracker
        step = tracker.step

        def slow_step(*image: object, **when: object) -> object:
            began = time.monotonic()
            time.sleep(inference)
            result = step(*image, **when)
            took[result.frame_index] = time.monotonic() - began
            return result

        def note_age(objects: TrackedObjectArray) -> None:
            ages[objects.frame_index] = time.time() - stamp_nanoseconds(objects.header.stamp) / NANOSECONDS

        monkeypatch.setattr(tracker, 'step', slow_step)
        client.create_subscription(TrackedObjectArray, f'{client.tracker}/objects', note_age, 10)
        for index in range(40):
            client.publish(index, stamp=stamp_of(time.time()))
            time.sleep(period)
        client.wait_for(lambda: len(ages) >= 8, 'eight outputs')
    late = [ages[frame] - took[frame] - period for frame in sorted(ages)]
    assert np.median(late) < 0.02, late


def test_simulated_time_and_a_bag_that_starts_again(micro_weights: Path) -> None:
    with graph(micro_weights, use_sim_time=True) as client:
        clock = client.create_publisher(Clock, '/clock', RELIABLE)
        client.wait_for(clock.get_subscription_count, 'the clock')

        def play(index: int) -> object:
            clock.publish(Clock(clock=client.stamp(index)))
            return client.step(index)

        play(0)
        assert client.set_prompt('red', box=scene.box('red', 0), stamp=client.stamp(0)).success
        played = [0]
        for first in (1, 3):  # of the bag's second turn the first two images are not believed
            for index in range(1, first):
                client.publish(index)
            objects = [play(index) for index in range(first, 15)][-1]
            assert [tracked.object_id for tracked in objects.objects] == ['red']
            played += range(first, 15)
            assert client.is_right(objects.objects[0], played)
            clock.publish(Clock(clock=stamp_of(client.begin + 1.45)))
            # In simulated time the newest output is young, and reports go on though the clock stands still.
            client.diagnosed(
                'tracking', lambda _, values: 0 <= float(values['age of newest output, s']) < 1.0, 'its age'
            )
            client.received['diagnostics'].clear()
            client.wait_for(lambda: len(client.received['diagnostics']) >= 3, 'three reports')
        client.counted('time_jumps', 1)
        # A stamp that came twice means the second time round.
        answer = client.set_prompt('blue', box=scene.box('blue', 10), stamp=client.stamp(10))
        assert answer.success and client.is_right(answer.object, [10])
