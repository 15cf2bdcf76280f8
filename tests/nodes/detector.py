"""A detector on the graph of a tracker. Where vision_msgs is not installed (it is not on PyPI), stand-ins with the same
fields are handed to the tracker in the thread in which it would hear them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from builtin_interfaces.msg import Time
from std_msgs.msg import Header, String

from sam2_ros.nodes.edge.qos import LATCHED
from sam2_ros.nodes.tracker import detection_input
from tests.nodes.graph import Client, graph

try:
    from vision_msgs import msg as vision_msgs
except ImportError:
    vision_msgs = None

TOPIC = '/found/things'

Edges = tuple[float, float, float, float]


def detection_message(box: Edges, class_id: str = '1', score: float = 0.9, *, angle: float = 0.0) -> Any:
    """A Detection2D, or what has its fields."""
    x0, y0, x1, y1 = box
    if vision_msgs is not None:
        made = vision_msgs.Detection2D(results=[vision_msgs.ObjectHypothesisWithPose()])
    else:
        centre = SimpleNamespace(position=SimpleNamespace(x=0.0, y=0.0), theta=0.0)
        result = SimpleNamespace(hypothesis=SimpleNamespace(class_id='', score=0.0))
        made = SimpleNamespace(bbox=SimpleNamespace(center=centre, size_x=0.0, size_y=0.0), results=[result])
    made.bbox.center.position.x, made.bbox.center.position.y = float(x0 + x1) / 2, float(y0 + y1) / 2
    made.bbox.center.theta = angle
    made.bbox.size_x, made.bbox.size_y = float(x1 - x0), float(y1 - y0)
    made.results[0].hypothesis.class_id, made.results[0].hypothesis.score = class_id, score
    return made


def detections_message(stamp: Time, detections: Sequence[Any]) -> Any:
    """A Detection2DArray, or what has its fields. Its frame is empty, as those of some detectors are."""
    make = SimpleNamespace if vision_msgs is None else vision_msgs.Detection2DArray
    return make(header=Header(stamp=stamp), detections=list(detections))


class FakeDetector:
    """Sends what a test says it has found."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._publisher = None
        if vision_msgs is not None:
            self._publisher = client.create_publisher(vision_msgs.Detection2DArray, TOPIC, 10)
            self._names = client.create_publisher(vision_msgs.LabelInfo, f'{TOPIC}/label_info', LATCHED)
            client.wait_for(self._is_heard, 'the tracker to listen to the detector')

    def _is_heard(self) -> bool:
        listeners = self._client.get_subscriptions_info_by_topic(TOPIC)
        return any(info.qos_profile.reliability == LATCHED.reliability for info in listeners)

    def send(self, stamp: Time, *detections: Any) -> None:
        """Send a message and wait until the tracker has taken it."""
        before = self.counts().get('detection_messages', 0)
        message = detections_message(stamp, detections)
        if self._publisher is not None:
            self._publisher.publish(message)
        else:
            node = self._client.tracker_node
            node.executor.create_task(node.parts.inputs.detections._subscription._take, message)
        self._client.wait_for(
            lambda: self.counts().get('detection_messages', 0) > before, 'the message of the detector'
        )

    def name(self, names: dict[int, str]) -> None:
        """Say what the numbers of the classes stand for."""
        classes = [vision_msgs.VisionClass(class_id=number, class_name=name) for number, name in names.items()]
        self._names.publish(vision_msgs.LabelInfo(class_map=classes))

    def counts(self) -> dict[str, int]:
        return self._client.tracker_node._journal.counts()

    def counted(self, reason: str, number: int = 1) -> None:
        self._client.wait_for(lambda: self.counts().get(reason, 0) >= number, f'{reason} >= {number}: {self.counts()}')


@contextmanager
def graph_with_detector(weights: Path, **parameters: Any) -> Iterator[tuple[Client, FakeDetector]]:
    """A tracker that listens to a detector."""
    with ExitStack() as stack:
        if vision_msgs is None:
            stack.enter_context(mock.patch.multiple(detection_input, Detection2DArray=String, LabelInfo=String))
        client = stack.enter_context(graph(weights, remap={'detections': TOPIC}, detections=True, **parameters))
        yield client, FakeDetector(client)
