"""The examples with objects in space run, and do what they say."""

from __future__ import annotations

import runpy
import sys
import types
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from geometry_msgs.msg import Pose
from rclpy.node import Node
from rclpy.parameter import Parameter
from sam2_ros.msg import Object3D, Object3DArray
from std_msgs.msg import Header

from tests.common import REPOSITORY
from tests.nodes.graph import Graph

pytestmark = pytest.mark.slow


@pytest.fixture
def graph() -> Iterator[Graph]:
    made = Graph()
    yield made
    made.close()


def array(*objects: tuple[str, float, float, bool]) -> Object3DArray:
    """Objects by name, with x and y in metres, and whether they are measured."""
    message = Object3DArray(header=Header(frame_id='base_link'))
    for name, x, y, measured in objects:
        found = Object3D(object_id=name, has_pose=True, measured=measured)
        found.pose.pose.position.x, found.pose.pose.position.y = x, y
        found.size.x, found.size.y, found.size.z = 0.1, 0.2, 0.3
        message.objects.append(found)
    return message


def made_node(graph: Graph, example: str, name: str, **parameters: object) -> object:
    node = runpy.run_path(str(REPOSITORY / f'examples/{example}.py'))[name](
        context=graph.context,
        parameter_overrides=[Parameter(key, value=value) for key, value in parameters.items()],
    )
    return node


def test_follow_an_object_at_a_distance(graph: Graph) -> None:
    node = made_node(graph, 'follow_object', 'FollowObject', object='person', distance=1.0)
    sent: list = []
    node.commands = SimpleNamespace(publish=sent.append)
    node.drive(array(('other', 5.0, 5.0, True), ('person', 3.0, 0.3, True)))
    assert sent[-1].linear.x == 0.5 and 0 < sent[-1].angular.z < 0.2
    node.drive(array(('person', 0.5, 0.0, True)))
    assert sent[-1].linear.x == pytest.approx(-0.4) and sent[-1].angular.z == 0
    node.drive(array(('person', 0.5, -2.0, True)))
    assert sent[-1].linear.x == 0 and sent[-1].angular.z == -1.0  # it turns first
    node.drive(array(('person', 3.0, 0.3, False)))
    assert sent[-1].linear.x == 0 and sent[-1].angular.z > 0
    node.drive(array())
    assert sent[-1].linear.x == 0 and sent[-1].angular.z == 0
    node.destroy_node()


class CollisionObject(SimpleNamespace):
    """In place of that of moveit_msgs, which is not installed everywhere."""

    ADD, REMOVE = 0, 1


def test_keep_out_boxes_for_moveit(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    moveit = types.ModuleType('moveit_msgs.msg')
    moveit.CollisionObject = CollisionObject
    monkeypatch.setitem(sys.modules, 'moveit_msgs', types.ModuleType('moveit_msgs'))
    monkeypatch.setitem(sys.modules, 'moveit_msgs.msg', moveit)
    sent: list = []
    create = Node.create_publisher

    def create_publisher(self: Node, type_: type, *rest: object, **options: object) -> object:
        """rclpy makes no publisher of a stand-in."""
        if type_ is CollisionObject:
            return SimpleNamespace(publish=sent.append)
        return create(self, type_, *rest, **options)

    monkeypatch.setattr(Node, 'create_publisher', create_publisher)
    node = made_node(graph, 'keep_out_boxes', 'KeepOutBoxes', margin=0.05)
    node.update(array(('cup', 1.0, 0.0, True), ('box', 2.0, 0.0, False)))
    assert [(box.id, box.operation) for box in sent] == [('cup', 0), ('box', 0)]
    assert list(sent[0].primitives[0].dimensions) == pytest.approx([0.2, 0.3, 0.4])
    assert sent[0].pose.position.x == 1.0 and sent[0].primitive_poses == [Pose()]
    assert sent[0].header.frame_id == 'base_link'
    node.update(array(('cup', 1.1, 0.0, True)))
    assert [(box.id, box.operation) for box in sent[2:]] == [('box', 1), ('cup', 0)]
    node.destroy_node()
