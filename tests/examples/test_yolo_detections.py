"""The example that translates the messages of another detector."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header, String

from sam2_ros.nodes.edge.detections import boxes_from_message
from tests.common import REPOSITORY
from tests.nodes.detector import vision_msgs
from tests.nodes.graph import Graph


class Vision(SimpleNamespace):
    """A message of vision_msgs, where these are not installed: with the fields that are used."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.detections: list[Any] = []
        self.results: list[Any] = []
        self.hypothesis = SimpleNamespace(class_id='', score=0.0)
        center = SimpleNamespace(position=SimpleNamespace(x=0.0, y=0.0), theta=0.0)
        self.bbox = SimpleNamespace(center=center, size_x=0.0, size_y=0.0)


@pytest.fixture
def example() -> Iterator[dict[str, Any]]:
    """What the example defines."""
    package, module = ModuleType('vision_msgs'), vision_msgs or ModuleType('vision_msgs.msg')
    if vision_msgs is None:
        module.Detection2D = module.Detection2DArray = module.ObjectHypothesisWithPose = Vision
    with mock.patch.dict(sys.modules, {'vision_msgs': package, 'vision_msgs.msg': module}):
        yield runpy.run_path(str(REPOSITORY / 'examples/yolo_detections.py'))


def yolo_message() -> Any:
    """A yolo_msgs/DetectionArray, with the fields that it has."""
    position, size = SimpleNamespace(x=30.0, y=40.0), SimpleNamespace(x=20.0, y=10.0)
    bbox = SimpleNamespace(center=SimpleNamespace(position=position, theta=0.0), size=size)
    found = SimpleNamespace(class_id=41, class_name='cup', score=0.75, id='7', bbox=bbox)
    return SimpleNamespace(header=Header(stamp=Time(sec=3, nanosec=7), frame_id='camera'), detections=[found])


def test_what_the_tracker_understands_comes_out(example: dict[str, Any]) -> None:
    array = example['translated'](yolo_message())
    assert array.header == yolo_message().header
    (box,), problems = boxes_from_message(array, name_of=str)
    assert (box.box, box.class_id, box.score, problems) == ((20, 35, 40, 45), 'cup', 0.75, [])


def test_the_node_hears_and_says(example: dict[str, Any]) -> None:
    """Another message type stands in for that of yolo_ros, which is not on PyPI; so does its callback."""
    said: list[Any] = []
    made = Graph()
    try:
        with mock.patch.dict(example['YoloDetections'].__init__.__globals__, Detection2DArray=String):
            node = example['YoloDetections'](String, context=made.context)
        node.publisher = SimpleNamespace(publish=said.append)
        node.translate(yolo_message())
        topics = dict(node.get_topic_names_and_types())
        assert {'/yolo', '/detections'} <= set(topics) and len(said[0].detections) == 1
        node.destroy_node()
    finally:
        made.close()


def test_it_is_short() -> None:
    assert len((REPOSITORY / 'examples/yolo_detections.py').read_text().splitlines()) <= 60
