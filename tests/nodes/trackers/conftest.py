"""A process of two cameras, shared by the tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from std_srvs.srv import Trigger

from sam2_ros.live import journal
from tests.nodes.trackers.cameras import Cameras, cameras_graph


@pytest.fixture(scope='module')
def shared_cameras(micro_weights: Path) -> Iterator[Cameras]:
    with cameras_graph(micro_weights) as cameras:
        yield cameras


@pytest.fixture
def cameras(shared_cameras: Cameras, monkeypatch: pytest.MonkeyPatch) -> Cameras:
    """Both cameras run and have no objects; their next images are stamped later than all before."""
    monkeypatch.setattr(journal, 'LOG_PERIOD', 0.0)
    for client in (shared_cameras.front, shared_cameras.left):
        assert client.call('reset', Trigger.Request()).success
        client.begin += 1000.0
        for messages in client.received.values():
            messages.clear()
    return shared_cameras
