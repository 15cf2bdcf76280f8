"""Objects in space as markers for RViz."""

from __future__ import annotations

from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from sam2_ros.drawing.colours import label_colour
from sam2_ros.msg import Object3D, Object3DArray

BOX, VELOCITY, NAME = 'box', 'velocity', 'name'  # namespaces of the markers
OPACITY, PALE = 0.5, 0.2  # of boxes of measured and of predicted objects
THINNEST = 0.005  # metres: RViz warns of boxes without thickness
TEXT_HEIGHT, ARROW_WIDTH = 0.08, 0.02  # metres
LEAST_SPEED = 0.05  # metres per second: slower ones have no arrow


class Markers:
    """Makes the markers of each array, and deletes those that are not part of it any more."""

    def __init__(self) -> None:
        self._drawn: set[tuple[str, int]] = set()

    def update(self, objects: Object3DArray) -> MarkerArray:
        """What RViz has to draw and to delete."""
        made = [marker for found in objects.objects if found.has_pose for marker in _markers_of(found)]
        drawn = {(marker.ns, marker.id) for marker in made}
        made += [Marker(ns=name, id=number, action=Marker.DELETE) for name, number in sorted(self._drawn - drawn)]
        for marker in made:
            marker.header = objects.header
        self._drawn = drawn
        return MarkerArray(markers=made)


def _markers_of(found: Object3D) -> list[Marker]:
    red, green, blue = (float(part) / 255 for part in label_colour(found.label))
    box = Marker(ns=BOX, id=found.label, type=Marker.CUBE, pose=found.pose.pose)
    box.scale.x, box.scale.y, box.scale.z = (
        max(THINNEST, value) for value in (found.size.x, found.size.y, found.size.z)
    )
    box.color = ColorRGBA(r=red, g=green, b=blue, a=OPACITY if found.measured else PALE)
    name = Marker(ns=NAME, id=found.label, type=Marker.TEXT_VIEW_FACING)
    name.pose.position = found.pose.pose.position
    name.text = ' '.join(filter(None, (found.object_id, found.class_name)))
    name.scale.z = TEXT_HEIGHT
    name.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
    start, speed = found.pose.pose.position, found.twist.twist.linear
    if (speed.x**2 + speed.y**2 + speed.z**2) ** 0.5 < LEAST_SPEED:
        return [box, name]
    # to where it will be in a second
    end = Point(x=start.x + speed.x, y=start.y + speed.y, z=start.z + speed.z)
    arrow = Marker(ns=VELOCITY, id=found.label, type=Marker.ARROW, points=[start, end])
    arrow.pose.orientation.w = 1.0
    arrow.scale.x, arrow.scale.y = ARROW_WIDTH, 2 * ARROW_WIDTH
    arrow.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
    return [box, name, arrow]
