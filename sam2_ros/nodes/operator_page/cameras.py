"""The trackers of the graph: found by the type of what they publish."""

from __future__ import annotations

from collections.abc import Iterator

from rclpy.node import Node, NodeNameNonExistentError

OBJECTS_TYPE = 'sam2_ros/msg/TrackedObjectArray'
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')


def found_trackers(node: Node) -> Iterator[tuple[str, str, str]]:
    """Full name of each tracker, the topic of its objects, and that of its images; in order of the names.

    A tracker that listens to no images, because it is not active or another program plays its outputs, is left out.
    """
    topics = [topic for topic, types in node.get_topic_names_and_types() if OBJECTS_TYPE in types]
    found = []
    for topic in topics:
        for info in node.get_publishers_info_by_topic(topic):
            try:
                subscribed = node.get_subscriber_names_and_types_by_node(info.node_name, info.node_namespace)
            except NodeNameNonExistentError:  # it has just ended
                continue
            images = [name for name, types in subscribed if any(kind in types for kind in IMAGE_TYPES)]
            if len(images) == 1:
                found.append((f'{info.node_namespace.rstrip("/")}/{info.node_name}', topic, images[0]))
    yield from sorted(found)
