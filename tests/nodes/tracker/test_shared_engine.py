"""Two tracker nodes in one process on one network."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from pathlib import Path

import pytest

from sam2_ros.live.engine import Engine
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import TIMEOUT, graph

pytestmark = pytest.mark.slow


def test_two_nodes_share_a_network_and_track_as_one_does_alone(micro_weights: Path) -> None:
    engine = Engine()
    with graph(micro_weights, engine=engine) as one, graph(micro_weights, engine=engine) as other:
        networks = [client.tracker_node.parts.tracker._model for client in (one, other)]
        assert networks[0] is networks[1]
        network = weakref.ref(networks.pop())
        del networks
        one.step(0)
        assert one.set_prompt('red', box=scene.box('red', 0)).success
        other.step(0)
        assert other.set_prompt('blue', box=scene.box('blue', 0)).success
        for index in (1, 2, 3):
            (red,), (blue,) = one.step(index).objects, other.step(index).objects
            assert one.is_right(red, range(index + 1)) and other.is_right(blue, range(index + 1))
        assert one.transition('deactivate') and one.transition('cleanup')
        (blue,) = other.step(4).objects
        assert other.is_right(blue, range(5)) and network() is not None
        assert other.transition('deactivate') and other.transition('cleanup')
        gc.collect()
        assert network() is None  # its memory is free once nobody uses it


def test_a_second_node_is_warmed_up_by_the_thread_that_owns_the_network(micro_weights: Path) -> None:
    """Also while that is at work for the first one, whose services are answered meanwhile."""
    engine = Engine()
    with graph(micro_weights, engine=engine) as one, graph(micro_weights, engine=engine, autostart=False) as other:
        one.step(0)
        assert one.set_prompt('red', box=scene.box('red', 0)).success
        encoding: list[str] = []
        with one.before_encoding(lambda: encoding.append(threading.current_thread().name)):
            with one.busy_network() as at_work:
                one.publish(1)
                assert at_work.wait(TIMEOUT)
                configured = other.ask_for_transition('configure')
                other.wait_for(lambda: encoding or engine.thread._calls, 'the node to ask for the network')
                assert one.set_parameter('click_object', 'cup').successful
                time.sleep(0.3)
                assert not configured.done() and not encoding
            assert other.wait_for(lambda: configured.done() and configured.result(), 'the transition').success
            (red,) = one.step(2).objects
        assert one.is_right(red, range(3))
        assert len(encoding) > 3 and set(encoding) == {'inference'}
