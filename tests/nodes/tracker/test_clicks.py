"""Clicks: rqt_image_view on image and overlay, stamped pixels, points in space from RViz."""

from collections.abc import Sequence

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, PointStamped
from rclpy.publisher import Publisher
from sam2_ros.msg import TrackedObject
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from sam2_ros.nodes.edge.encode_images import camera_info
from sam2_ros.tracking import Prompt
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import IMAGE, RELIABLE, Client
from tests.nodes.reference import mask_of

pytestmark = pytest.mark.slow

INFO = IMAGE.replace('image_raw', 'camera_info')


def publisher(client: Client, type_: type, topic: str) -> Publisher:
    made = client.create_publisher(type_, topic, RELIABLE)
    client.wait_for(made.get_subscription_count, f'a listener on {topic}')
    return made


def pixel(name: str, index: int) -> Point:
    x, y = scene.centre(name, index)
    return Point(x=x, y=y)


def pixel_of(mask: np.ndarray) -> Point:
    """A pixel in the middle of those of the mask."""
    rows, columns = np.nonzero(mask)
    return Point(x=float(columns[len(columns) // 2]), y=float(rows[len(rows) // 2]))


def point_prompt(name: str, index: int) -> Prompt:
    return Prompt(name, points=[scene.centre(name, index)])


def applied(client: Client) -> int:
    """How many prompts were applied so far, by the diagnostics after the next report."""
    client.received['diagnostics'].clear()
    status = client.diagnosed('prompts', lambda *_: True, 'anything')
    return int({pair.key: pair.value for pair in status.values}['applied'])


def click_and_wait(client: Client, topic: Publisher, message: object) -> None:
    before = applied(client)
    topic.publish(message)
    client.diagnosed('prompts', lambda _, values: int(values['applied']) == before + 1, 'one more applied')


@pytest.mark.parametrize('where', ['image', 'compressed image', 'overlay'])
def test_rqt_clicks_start_objects_and_correct_those_they_hit(tracker: Client, where: str) -> None:
    topic = publisher(
        tracker,
        Point,
        {
            'image': f'{IMAGE}_mouse_left',
            'compressed image': f'{IMAGE}/compressed_mouse_left',
            'overlay': f'{tracker.tracker}/overlay_mouse_left',
        }[where],
    )
    tracker.step(0)
    click_and_wait(tracker, topic, pixel('red', 0))
    first = tracker.step(1).objects[0]
    assert first.has_box and tracker.is_right(first, range(2), prompt=point_prompt('red', 0))
    click_and_wait(tracker, topic, pixel_of(mask_of(first)))
    corrected = tracker.step(2).objects
    assert [tracked.object_id for tracked in corrected] == [first.object_id]
    click_and_wait(tracker, topic, pixel_of(~mask_of(corrected[0])))
    objects = tracker.step(3).objects
    assert len(objects) == 2 and objects[0].object_id == first.object_id
    tracker.destroy_publisher(topic)


def test_clicks_go_to_the_object_of_the_parameter(tracker: Client) -> None:
    assert tracker.set_parameter('click_object', 'chosen').successful
    topic = publisher(tracker, Point, f'{IMAGE}_mouse_left')
    tracker.step(0)
    click_and_wait(tracker, topic, pixel('red', 0))
    click_and_wait(tracker, topic, pixel('blue', 0))
    assert [tracked.object_id for tracked in tracker.step(1).objects] == ['chosen']
    assert tracker.set_parameter('click_object', '').successful
    tracker.destroy_publisher(topic)


def test_a_stamped_click_is_made_on_its_image(tracker: Client) -> None:
    topic = publisher(tracker, PointStamped, f'{tracker.tracker}/click')
    for index in range(9):
        tracker.step(index)
    topic.publish(PointStamped(header=Header(stamp=tracker.stamp(1)), point=pixel('red', 1)))
    index = 8
    while not (objects := tracker.step(index := index + 1).objects) or objects[0].state == TrackedObject.CATCHING_UP:
        assert index < 90
    assert objects[0].first_seen == tracker.stamp(1)
    assert tracker.is_right(objects[0], range(1, index + 1), prompt=point_prompt('red', 1))


class Space:
    """Publishes the calibration and points in the frame of the camera."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._info = camera_info(
            height=scene.HEIGHT, width=scene.WIDTH, horizontal_fov=np.pi / 2, header=Header(frame_id='camera')
        )
        self._points = publisher(client, PointStamped, f'{client.get_namespace()}/clicked_point')
        self._infos = publisher(client, CameraInfo, INFO)

    def calibrate(self) -> None:
        self._infos.publish(self._info)

    def click(self, at: Sequence[float], *, stamp: Time, frame: str = 'camera', depth: float = 2.0) -> None:
        focal, x0, y0 = self._info.k[0], self._info.k[2], self._info.k[5]
        point = Point(x=(at[0] - x0) / focal * depth, y=(at[1] - y0) / focal * depth, z=depth)
        self._points.publish(PointStamped(header=Header(frame_id=frame, stamp=stamp), point=point))


def test_points_in_space(tracker: Client) -> None:
    space = Space(tracker)
    for index in range(4):
        tracker.step(index)
    space.click(scene.centre('red', 2), stamp=tracker.stamp(2.5))
    assert INFO in tracker.log_line('needs the calibration')
    space.calibrate()
    tracker.step(4)  # the calibration is there by now
    before = applied(tracker)
    space.click(scene.centre('red', 2), stamp=tracker.stamp(2.5))  # image 2 was the newest output at that moment
    tracker.diagnosed('prompts', lambda _, values: int(values['applied']) == before + 1, 'one more applied')
    index = 4
    while not (objects := tracker.step(index := index + 1).objects) or objects[0].state == TrackedObject.CATCHING_UP:
        assert index < 40
    assert objects[0].first_seen == tracker.stamp(2)
    assert tracker.is_right(objects[0], range(2, index + 1), prompt=point_prompt('red', 2))

    space.click(scene.centre('red', 2), stamp=tracker.stamp(3), frame='map')
    assert "in the frame 'map'" in tracker.log_line('in the frame')
    space.click(scene.centre('red', 2), stamp=tracker.stamp(3), depth=-1.0)
    assert tracker.log_line('not in front of the camera')
    space.click((900.0, 20.0), stamp=tracker.stamp(3))
    assert tracker.log_line('outside the image of 160 x 120')
    space.click(scene.centre('red', 2), stamp=tracker.stamp(-5))
    assert tracker.log_line('no image was processed at or before the click')
    assert len(tracker.step(index + 1).objects) == 1


def test_trackers_in_namespaces_do_not_share_the_clicks_in_space(tracker: Client) -> None:
    assert tracker.count_subscribers(f'{tracker.get_namespace()}/clicked_point') == 1
    assert tracker.count_subscribers('/clicked_point') == 0


def test_clicks_that_make_no_sense_are_refused(tracker: Client) -> None:
    topic = publisher(tracker, Point, f'{IMAGE}_mouse_left')
    tracker.step(0)
    topic.publish(Point(x=float('nan'), y=3.0))
    assert 'finite' in tracker.log_line('prompt refused')
    topic.publish(Point(x=500.0, y=3.0))
    assert 'outside the image' in tracker.log_line('outside')
    assert not tracker.step(1).objects
    tracker.destroy_publisher(topic)
