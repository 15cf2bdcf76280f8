"""The states of the node, what goes wrong in them, and the process it runs in."""

import gc
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from sam2_ros.msg import TrackedObject
from std_srvs.srv import Trigger

from sam2_ros.live.engine import Engine
from sam2_ros.live.network import USUAL_THREADS, load_network
from sam2_ros.model import Sam2Network
from sam2_ros.nodes.tracker import node
from tests.common import MICRO, REPOSITORY
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import IMAGE, PERIOD, TIMEOUT, Client, client_of, graph
from tests.nodes.reference import mask_of

pytestmark = pytest.mark.slow

# Lifecycle cycles, how many of them fill what is allocated once, and bytes that the others may add. Without a leak that
# is 1 MB at most, whether they are 11 or 45; the network alone is 16 MB.
CYCLES, FIRST_CYCLES = 16, 5
GROWTH = 4e6


def test_it_waits_for_a_lifecycle_manager_when_told_to(micro_weights: Path) -> None:
    with graph(micro_weights, autostart=False, image_timeout=0.5) as client:
        assert client.log_line('the node is unconfigured: it does not listen').endswith(
            f'(ros2 lifecycle set {client.tracker} configure)'
        )
        status = client.diagnosed('tracking', lambda status, _: status.level == DiagnosticStatus.WARN, 'a warning')
        assert status.message == 'the node is unconfigured: no model is loaded'
        assert not client.transition('activate')  # not from here, and the node survives the question
        assert client.transition('configure')
        status = client.diagnosed('images', lambda status, _: 'inactive' in status.message, 'inactive')
        assert status.message == 'the node is inactive: it does not listen to images'
        assert client.set_prompt('red', box=scene.box('red', 0)).reason == 'the node is not active'
        assert client.remove('red').reason == 'the node is not active'
        assert client.call('reset', Trigger.Request()).message == 'the node is not active'
        assert client.transition('activate')
        client.connected()
        assert client.step(0).frame_index == 0


def test_objects_outlive_deactivation_but_not_cleanup(micro_weights: Path) -> None:
    with graph(micro_weights) as client:
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        client.step(1)
        assert client.transition('deactivate')
        client.wait_for(lambda: client.camera.get_subscription_count() == 0, 'no listener')
        assert client.transition('activate')
        client.connected()
        red = client.step(2).objects[0]
        assert red.object_id == 'red' and client.is_right(red, range(3))
        assert client.transition('deactivate') and client.transition('cleanup')
        assert client.transition('configure') and client.transition('activate')
        client.connected()
        objects = client.step(3)
        assert objects.frame_index == 0 and not objects.objects


def test_deactivation_and_cleanup_while_an_object_catches_up(micro_weights: Path) -> None:
    with graph(micro_weights) as client:

        def begin(name: str, index: int) -> None:
            """Prompt an image of the past and deactivate the node while the object catches up."""
            with client.before_encoding(lambda: time.sleep(0.2)):
                assert client.set_prompt(name, box=scene.box('red', index), stamp=client.stamp(index)).success
                assert client.transition('deactivate')
            assert len(client.tracker_node.parts.jobs) == 1

        for index in range(8):
            client.step(index)
        removed = client.set_prompt(box=scene.box('blue', 7)).object_id
        assert client.remove(removed).success
        begin('red', 1)
        assert client.transition('activate')
        client.connected()
        while (red := client.step(index := index + 1).objects[0]).state == TrackedObject.CATCHING_UP:
            assert index < 40
        times = [image.time for image in client.tracker_node._ring.images()]
        assert times == sorted(times) and times[-1] - times[0] == pytest.approx(PERIOD * index)
        assert red.first_seen == client.stamp(1) and client.is_right(red, range(1, index + 1))
        assert client.set_prompt(box=scene.box('blue', index)).object_id != removed  # no other object gets its name
        begin('late', index - 6)
        assert client.transition('cleanup') and client.transition('configure') and client.transition('activate')
        client.connected()
        assert not client.step(index + 1).objects
        assert client.set_prompt('late', box=scene.box('red', index + 1)).success


def test_a_call_is_answered_before_its_service_goes(micro_weights: Path) -> None:
    with graph(micro_weights) as client:
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        node = client.tracker_node
        with client.busy_network() as at_work:
            client.publish(1)
            assert at_work.wait(TIMEOUT)
            waiting = client.ask_for_prompt('blue', box=scene.box('blue', 1), stamp=client.stamp(1))
            client.wait_for(lambda: node.answering, 'the call')
            shutdown = client.ask_for_transition('shutdown')
            client.wait_for(lambda: node._stream is None, 'the node to stop')
        answer = client.wait_for(lambda: waiting.done() and waiting.result(), 'the answer')
        assert answer.reason == 'the node was deactivated'
        assert client.wait_for(lambda: shutdown.done() and shutdown.result(), 'the shutdown').success
        client.wait_for(lambda: not client.count_services(f'{client.tracker}/set_prompt'), 'no service')


def _fails(*_: object) -> None:
    raise RuntimeError('out of memory')


def test_transitions_that_fail_say_why(micro_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models, freed = [], []

    def fail_with(model: Sam2Network, _: object, **__: object) -> None:
        models.append(weakref.ref(model))
        _fails()

    with graph(micro_weights, engine=Engine(), autostart=False) as client:
        with monkeypatch.context() as patch:
            patch.setattr(node, 'make_tracker', fail_with)
            patch.setattr(gc, 'collect', lambda: freed.append(models[0]() is None))
            assert not client.transition('configure')
        assert client.log_line('not configured: out of memory') and freed == [True]
        assert client.transition('configure') and client.transition('activate')
        source = client.tracker_node._source
        close = source.close
        source.close = lambda: (close(), _fails())
        assert not client.transition('deactivate')
        assert client.log_line('not deactivated: out of memory')
        client.diagnosed('tracking', lambda status, _: 'is unconfigured' in status.message, 'unconfigured')
        assert client.transition('configure') and client.transition('activate')
        client.connected()
        assert client.step(0).frame_index == 0


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'checkpoint': '/nowhere/model.pt'}, '/nowhere/model.pt'),
        ({'checkpoint': str(REPOSITORY / 'config/tracker.yaml')}, 'tracker.yaml'),
        (
            {'model': 'sam2.1_hiera_tiny', 'checkpoint': ''},
            'python -m sam2_ros.tools.download_weights sam2.1_hiera_tiny',
        ),
        ({'image_size': 100}, 'multiple of 32'),
        ({'device': 'cuda:99'}, "device 'cuda:99' cannot be used"),
        ({'device': 'tpu?'}, "device 'tpu?' cannot be used"),
    ],
    ids=['no file', 'no weights file', 'no checkpoint', 'image size', 'no such GPU', 'no device'],
)
def test_what_cannot_be_configured_says_why(micro_weights: Path, parameters: dict, sentence: str) -> None:
    with graph(micro_weights, autostart=False, **parameters) as client:
        assert not client.transition('configure')
        assert sentence in client.log_line('not configured: ')
        good = {'model': 'sam2.1_hiera_micro', 'checkpoint': str(micro_weights), 'image_size': 128, 'device': 'cpu'}
        for name in parameters | ({'checkpoint': ''} if 'model' in parameters else {}):
            assert client.set_parameter(name, good[name]).successful
        assert client.transition('configure')


def test_parameters_take_effect_when_configured_anew(micro_weights: Path) -> None:
    with graph(micro_weights) as client:
        refused = client.set_parameter('image_size', 256)
        assert not refused.successful and 'while the node is unconfigured' in refused.reason
        refused = client.set_parameter('autostart', False)
        assert not refused.successful
        assert client.transition('deactivate') and client.transition('cleanup')
        assert client.set_parameter('image_size', 256).successful
        assert client.transition('configure')
        assert client.log_line('sam2.1_hiera_micro at 256 pixels')


def test_without_a_checkpoint_the_bundled_model_runs_and_the_log_says_how_to_get_a_better_one() -> None:
    with graph(Path(), checkpoint='', image_size=0) as client:
        assert 'python -m sam2_ros.tools.download_weights sam2.1_hiera_small' in client.log_line('bundled weights')
        client.step(0)
        answer = client.set_prompt('red', box=scene.box('red', 0))
        mask = mask_of(answer.object)
        assert scene.overlap(mask, scene.disc('red', 0)) > 0.7


def test_the_number_of_threads_can_be_given_back(micro_weights: Path) -> None:
    usual = torch.get_num_threads()
    values = {'model': MICRO, 'checkpoint': str(micro_weights), 'device': 'cpu', 'dtype': 'auto', 'image_size': 64}
    found = []
    for threads in (usual + 1, 0):
        load_network(values | {'cpu_threads': threads})
        found.append(torch.get_num_threads())
    assert found == [usual + 1, USUAL_THREADS]


@contextmanager
def tracker_process(
    weights: Path, *, parameters: dict[str, object] | None = None, module: str = 'sam2_ros.nodes.tracker.node'
) -> Iterator[tuple[subprocess.Popen, Client]]:
    """A tracker in a process of its own, and a client."""
    with client_of('/tracker') as client:
        values = {'checkpoint': weights, 'image_size': 64, 'cpu_threads': 1} | (parameters or {})
        arguments = [argument for name, value in values.items() for argument in ('-p', f'{name}:={value}')]
        environment = os.environ | {'ROS_DOMAIN_ID': str(client.context.get_domain_id())}
        command = [sys.executable, '-m', module, '--ros-args', '-r', f'image:={IMAGE}']
        process = subprocess.Popen(
            [*command, *arguments], env=environment, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
        )
        try:
            yield process, client
        finally:
            process.kill()
            process.communicate()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_process_in_order(micro_weights: Path, number: signal.Signals) -> None:
    with tracker_process(micro_weights) as (process, client):
        client.connected()
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        for index in range(1, 6):
            client.publish(index)  # so that it is at work
        process.send_signal(number)
        _, errors = process.communicate(timeout=5)
        assert process.returncode == 0, errors
        assert 'Traceback' not in errors and 'terminate' not in errors


def test_a_slow_network_does_not_hold_up_the_end(micro_weights: Path) -> None:
    with tracker_process(micro_weights, module='tests.nodes.slow_tracker') as (process, client):
        client.connected()
        client.step(0)  # without objects the network has nothing to do
        at_work = client.ask_for_prompt('red', box=scene.box('red', 0))
        time.sleep(0.5)
        waiting = client.ask_for_prompt('blue', box=scene.box('blue', 0))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)  # an impatient user
        _, errors = process.communicate(timeout=5)
        assert process.returncode == 0, errors
        assert 'Traceback' not in errors and 'terminate' not in errors
        assert 'the image in work is given up' in errors
        client.wait_for(lambda: at_work.done() and waiting.done(), 'the answers')
        assert {future.result().reason for future in (at_work, waiting)} == {'the node was deactivated'}


def test_a_bad_parameter_ends_the_process_with_a_sentence(micro_weights: Path) -> None:
    with tracker_process(micro_weights, parameters={'image_timeout': -3}) as (process, _):
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 2
        assert 'image_timeout is -3, but must be a number from 0.5 to 3600 s' in errors and 'Traceback' not in errors


def test_lifecycle_cycles_do_not_grow(micro_weights: Path) -> None:
    with tracker_process(micro_weights, parameters={'autostart': False}) as (process, client):
        resident = []
        for cycle in range(CYCLES):
            assert client.transition('configure') and client.transition('activate')
            client.connected()
            client.step(2 * cycle)
            assert client.set_prompt('red', box=scene.box('red', 2 * cycle)).success
            assert client.step(2 * cycle + 1).objects
            assert client.transition('deactivate') and client.transition('cleanup')
            pages = int(Path(f'/proc/{process.pid}/statm').read_text().split()[1])
            resident.append(pages * os.sysconf('SC_PAGE_SIZE'))
        assert resident[-1] - resident[FIRST_CYCLES - 1] < GROWTH, [round(size / 1e6) for size in resident]
