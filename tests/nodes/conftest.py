"""Fixtures of the node tests: a tracker that runs, shared by the tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from std_srvs.srv import Trigger

from sam2_ros.live import journal
from tests.nodes.graph import Client, graph


@pytest.fixture(scope='module')
def shared_tracker(micro_weights: Path) -> Iterator[Client]:
    with graph(micro_weights) as client:
        yield client


@pytest.fixture
def tracker(shared_tracker: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A running tracker without objects that logs everything; its next images are stamped later than all before."""
    monkeypatch.setattr(journal, 'LOG_PERIOD', 0.0)
    client = shared_tracker
    assert client.call('reset', Trigger.Request()).success
    client.begin += 1000.0
    for messages in client.received.values():
        messages.clear()
    return client
