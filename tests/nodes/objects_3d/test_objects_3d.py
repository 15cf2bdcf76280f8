"""The node on a real ROS graph, in the computed scene: what it finds, and what it says of inputs that are wrong."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.qos import ReliabilityPolicy
from sam2_ros.msg import TrackedObject
from visualization_msgs.msg import Marker

from sam2_ros.nodes.edge.parameters import yaml_text
from sam2_ros.nodes.objects_3d.parameters import OBJECTS_3D_PARAMETERS, TITLE
from sam2_ros.synthetic.depth_scene import Body, DepthScene, looking
from tests.common import REPOSITORY
from tests.nodes.graph import BEGIN, stamp_of
from tests.nodes.objects_3d.robot import HEIGHT, WIDTH, Robot, robot

pytestmark = pytest.mark.slow

BOX = Body('box', (0.4, 0.3, 0.5), (2.1, 0.4, 0.25), (200, 60, 40), yaw=0.5)
BALL = Body('ball', (0.3, 0.3, 0.3), (2.0, -0.4, 0.15), (40, 90, 200), ball=True)
SCENE = DepthScene([BOX, BALL])


def place(found: object) -> np.ndarray:
    position = found.pose.pose.position
    return np.array((position.x, position.y, position.z))


def size(found: object) -> np.ndarray:
    return np.array((found.size.x, found.size.y, found.size.z))


def velocity(found: object) -> np.ndarray:
    linear = found.twist.twist.linear
    return np.array((linear.x, linear.y, linear.z))


@pytest.fixture(scope='module')
def shared() -> object:
    with robot(SCENE) as client:
        yield client


@pytest.mark.parametrize('kind', ['16UC1', '32FC1', 'beside', 'after the objects'])
def test_boxes_from_depth_images(shared: Robot, kind: str) -> None:
    seconds = {'16UC1': 1.0, '32FC1': 2.0, 'beside': 3.0, 'after the objects': 4.0}[kind]
    depth = shared.depth_message(
        seconds, metres=kind == '32FC1', frame='depth_camera' if kind == 'beside' else 'camera'
    )
    found = shared.step(seconds, depth=depth, before=kind != 'after the objects')['box']
    assert found.has_pose and found.measured and not found.truncated and found.points > 1000
    assert np.linalg.norm(place(found) - BOX.start) < 0.02
    assert np.abs(size(found) / BOX.size - 1).max() < 0.08
    assert found.last_measured == stamp_of(BEGIN + seconds) and found.label == 1
    assert shared.newest().header.frame_id == 'world' and shared.newest().problem == ''
    covariance = np.array(found.pose.covariance).reshape(6, 6)
    assert (np.linalg.eigvalsh(covariance) > 0).all() and np.sqrt(covariance[0, 0]) < 0.05


@pytest.mark.parametrize('source', ['compressed_depth', 'points'])
def test_boxes_from_compressed_depth_and_from_a_lidar(source: str) -> None:
    with robot(SCENE, source=source) as client:
        depth = client.compressed_message(1.0) if source == 'compressed_depth' else client.cloud_message(1.0)
        found = client.step(1.0, depth=depth)['box']
        assert found.measured and np.linalg.norm(place(found) - BOX.start) < 0.02
        assert np.abs(size(found) / BOX.size - 1).max() < 0.08


def test_motion_hiding_and_return_with_a_late_tracker_and_late_tf() -> None:
    """The camera moves, the body at 0.5 m/s; results come 0.4 s, transforms 0.2 s after the image."""
    body = replace(BOX, start=(2.3, -0.6, 0.25), velocity=(0.0, 0.5, 0.0))
    scene = DepthScene([body])
    with robot(scene, pose=lambda t: looking((0.0, 0.4 - 0.3 * t, 1.2), (2.0, 0.1 * t, 0.2))) as client:
        for index in range(14):
            client.depth.publish(client.depth_message(0.1 * index))
            client.tf.known_until = 0.1 * index - 0.2
            if index >= 4:
                client.objects.publish(client.tracked(0.1 * (index - 4)))
            time.sleep(0.05)
        client.tf.known_until = np.inf
        found = client.step(1.0, depth=False)['box']
        assert found.measured and np.abs(velocity(found) - body.velocity).max() < 0.05
        offset = place(found) - body.centre(1.0)
        spread = 0.0
        for seconds in (1.5, 2.0, 2.5, 3.0):
            found = client.step(seconds, depth=False, hidden=['box'])['box']
            assert found.has_pose and not found.measured and found.state == TrackedObject.OCCLUDED
            assert found.pose.covariance[0] > spread
            spread = found.pose.covariance[0]
        assert np.linalg.norm(place(found) - body.centre(3.0) - offset) < 0.1
        found = client.step(3.1)['box']
        assert found.measured and np.linalg.norm(place(found) - body.centre(3.1)) < 0.15
        found = client.step(3.2, depth=False, lost=['box'])['box']
        assert found.state == TrackedObject.LOST and not found.has_pose and place(found).tolist() == [0, 0, 0]


def markers_of(client: Robot, seconds: float) -> list[Marker]:
    """The markers of this time, which come after the objects."""
    stamp = stamp_of(BEGIN + seconds)
    arrays = client.received['markers']
    return client.wait_for(
        lambda: next((a.markers for a in arrays if a.markers and a.markers[0].header.stamp == stamp), None), 'markers'
    )


def test_markers_come_and_go(shared: Robot) -> None:
    shared.step(10.0)
    markers = {(marker.ns, marker.id): marker for marker in markers_of(shared, 10.0)}
    assert set(markers) == {(name, number) for name in ('box', 'name') for number in (1, 2)}
    assert markers['box', 1].action == Marker.ADD and markers['box', 1].scale.z == pytest.approx(0.5, abs=0.05)
    assert markers['box', 1].header.frame_id == 'world' and 'ball' in markers['name', 2].text
    shared.step(10.1, lost=['ball'])
    gone = [marker for marker in markers_of(shared, 10.1) if marker.action == Marker.DELETE]
    assert {(marker.ns, marker.id) for marker in gone} == {('box', 2), ('name', 2)}


def test_detections_for_everyone(shared: Robot) -> None:
    """Only where vision_msgs is installed."""
    pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not installed (it is not on PyPI)')
    endpoint = shared.listen('detections')
    shared.wait_for(lambda: shared.count_subscribers('/objects_3d/detections'), 'the subscription')
    time.sleep(0.5)
    shared.step(12.0)
    message = shared.output('detections', 12.0)
    assert message.header.frame_id == 'world' and [found.id for found in message.detections] == ['box', 'ball']
    found = message.detections[0]
    assert found.bbox.size.z == pytest.approx(0.5, abs=0.05)
    assert found.results[0].hypothesis.class_id == 'box'
    assert found.results[0].hypothesis.score == pytest.approx(0.9)
    assert found.results[0].pose.pose == found.bbox.center
    shared.destroy_subscription(endpoint)


@pytest.mark.parametrize('metres', [False, True])
def test_depth_with_and_without_the_objects(shared: Robot, metres: bool) -> None:
    seconds = 20.0 + metres
    endpoints = [shared.listen(name) for name in ('depth_of_objects', 'depth_without_objects')]
    for name in ('depth_of_objects', 'depth_without_objects'):
        shared.wait_for(
            lambda name=name: shared.node_object._outputs._publishers[f'~/{name}'].get_subscription_count(), name
        )
    sent = shared.depth_message(seconds, metres=metres)
    shared.step(seconds, depth=sent)
    kind = np.dtype(np.float32 if metres else np.uint16)
    whole = np.frombuffer(sent.data, kind).reshape(HEIGHT, WIDTH)
    numbers, images = shared.look(seconds).numbers, {}
    for name in ('depth_of_objects', 'depth_without_objects'):
        image = shared.output(name, seconds)
        assert image.header == sent.header and image.encoding == sent.encoding
        images[name] = np.nan_to_num(np.frombuffer(image.data, kind).reshape(HEIGHT, WIDTH))
    only, rest = images['depth_of_objects'], images['depth_without_objects']
    assert (rest[numbers > 0] == 0).mean() > 0.99  # gone
    far = numbers == 0
    assert (rest[far] == np.nan_to_num(whole)[far]).mean() > 0.99  # nothing else is, but where bodies touch the floor
    assert not only[far].any() and (only[numbers > 0] > 0).mean() > 0.95
    for endpoint in endpoints:
        shared.destroy_subscription(endpoint)


def test_bodies_far_from_the_objects_stay(shared: Robot) -> None:
    """Nothing is made while nobody listens."""
    shared.wait_for(
        lambda: not shared.node_object._outputs._publishers['~/depth_of_objects'].get_subscription_count(),
        'no listener',
    )
    before = len(shared.received['depth_of_objects'])
    shared.step(25.0)
    assert len(shared.received['depth_of_objects']) == before


BAD_DEPTH = {
    'all holes': ({'pixels': np.zeros((HEIGHT, WIDTH), np.uint16)}, ''),
    'all NaN': ({'pixels': np.full((HEIGHT, WIDTH), np.nan, np.float32)}, ''),
    'of another encoding': ({'encoding': 'rgb8'}, "encoding 'rgb8'; accepted are 16UC1"),
    'cut off': ({'data': bytes(100)}, '100 bytes in rows of 640'),
    'of no pixel': ({'height': 0}, '320 x 0 pixels'),
    'of another shape': ({'pixels': np.ones((WIDTH, HEIGHT), np.uint16)}, 'is no scaled one of 320 x 240'),
    'of an unknown frame': ({'frame_id': 'nowhere'}, '"nowhere" does not exist'),
    'without a stamp': ({'stamp': Time()}, 'the nearest depth image is'),
    'half a second late': ({'shift': -0.5}, 'the nearest depth image is 0.500 s older'),
}


@pytest.mark.parametrize('name', list(BAD_DEPTH))
def test_bad_depth_is_survived_and_told(shared: Robot, name: str) -> None:
    change, sentence = BAD_DEPTH[name]
    seconds = 30.0 + 2 * list(BAD_DEPTH).index(name)
    options = {key: value for key, value in change.items() if key not in ('shift', 'frame_id')}
    depth = shared.depth_message(seconds, **options)
    if 'frame_id' in change:
        depth.header.frame_id = change['frame_id']
    if 'shift' in change:
        depth.header.stamp = stamp_of(BEGIN + seconds + change['shift'])
    found = shared.step(seconds, depth=depth)
    assert not any(tracked.measured for tracked in found.values())
    assert sentence in shared.newest().problem
    if sentence:
        assert sentence in shared.diagnosed('objects', 'nothing was measured: ').message
    assert shared.step(seconds + 1.0)['box'].measured  # it lives


def test_masks_that_do_not_fit_are_survived_and_told(shared: Robot) -> None:
    message = shared.tracked(60.0)
    message.objects[0].box = [0.0, 0.0, 5000.0, 5.0]
    shared.depth.publish(shared.depth_message(60.0))
    shared.objects.publish(message)
    found = shared.wait_for(
        lambda: [m for m in shared.received['objects'] if m.header.stamp == stamp_of(BEGIN + 60.0)], ''
    )
    assert "the mask of 'box': box: " in found[0].problem
    assert shared.step(61.0)['box'].measured


def test_stamps_that_go_back_begin_a_new_world(shared: Robot) -> None:
    shared.step(70.0)
    assert shared.step(0.5)['box'].measured
    found = shared.step(0.6, hidden=['box'])['box']
    assert found.has_pose and not found.measured


@pytest.mark.parametrize('fields', [{'k': [0.0] * 9, 'p': [0.0] * 12}, {'width': 9, 'height': 800}])
def test_a_calibration_that_is_none_is_told(fields: dict) -> None:
    with robot(SCENE) as client:
        client.calibrate(**fields)
        client.wait_for(lambda: client.node_object._inputs.image_info.info.height == fields.get('height', HEIGHT), 'it')
        time.sleep(0.2)
        assert not client.step(1.0)['box'].has_pose
        assert 'the calibration of the images on /camera_info' in client.diagnosed('objects', 'calibration').message
        client.calibrate()
        time.sleep(0.2)
        assert client.step(2.0)['box'].measured


def test_missing_inputs_are_named() -> None:
    with robot(SCENE, calibrated=False) as client:
        status = client.diagnosed('inputs', 'no calibration of the images came on /camera_info')
        assert 'no calibration of the depth images came on /depth/camera_info' in status.message
        status = client.diagnosed('inputs', 'nothing on /depth/image_rect')
        assert 'the publisher is there but sends nothing' in status.message
        found = client.step(1.0, depth=False)['box']
        assert not found.has_pose and client.newest().problem == 'no depth image has come'
        client.step(1.1)
        assert 'no calibration of the images came' in client.newest().problem
        client.destroy_publisher(client.depth)
        client.diagnosed('inputs', 'nobody publishes it')


def test_the_parameter_file_has_all_parameters() -> None:
    """After a change: python -m sam2_ros.nodes.objects_3d.parameters > config/objects_3d.yaml"""
    file = REPOSITORY / 'config/objects_3d.yaml'
    assert file.read_text() == yaml_text(OBJECTS_3D_PARAMETERS, title=TITLE)


def test_a_parameter_that_is_not_accepted_ends_the_process_with_a_sentence() -> None:
    command = [sys.executable, '-m', 'sam2_ros.nodes.objects_3d.node', '--ros-args', '-p', 'box:=round']
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2 and "box is 'round', but must be one of upright" in run.stderr


def test_without_tf2_equal_frames_will_do() -> None:
    with robot(SCENE, tf2=False) as client:
        found = client.step(1.0)['box']
        assert found.measured and client.newest().header.frame_id == 'camera'
        assert found.pose.pose.position.z == pytest.approx(2.2, abs=0.2)
        assert size(found)[2] == pytest.approx(0.55, abs=0.15)  # up is -y; the camera looks down a little
        other = client.step(2.0, depth=client.depth_message(2.0, frame='depth_camera'))['box']
        assert not other.measured and 'without tf2_ros nothing tells' in client.newest().problem


def test_reliability_follows_the_publishers_and_every_endpoint_can_be_overridden() -> None:
    with robot(SCENE) as client:
        node = client.node_object
        for kind, endpoints in (
            ('publisher', node.get_publisher_names_and_types_by_node('objects_3d', '/')),
            ('subscription', node.get_subscriber_names_and_types_by_node('objects_3d', '/')),
        ):
            ours = [
                topic
                for topic, _ in endpoints
                if not topic.endswith(('_events', '/rosout', '/clock', 'transition_event'))
            ]
            assert len(ours) >= 4
            for topic in ours:
                for policy in ('history', 'depth', 'reliability'):
                    assert node.has_parameter(f'qos_overrides.{topic}.{kind}.{policy}'), (topic, policy)
        offered = client.get_publishers_info_by_topic('/objects_3d/objects')
        assert [info.qos_profile.reliability for info in offered] == [ReliabilityPolicy.RELIABLE]


def test_a_change_of_state_leaves_nothing_behind() -> None:
    with robot(SCENE) as client:
        assert client.step(1.0)['box'].measured
        node = client.node_object
        for transition in ('trigger_deactivate', 'trigger_cleanup', 'trigger_configure', 'trigger_activate'):
            done = []
            node.executor.create_task(lambda transition=transition, done=done: done.append(getattr(node, transition)()))
            client.wait_for(lambda done=done: done, transition)
            assert done[0].name == 'SUCCESS'
        client.wait_for(lambda: client.objects.get_subscription_count(), 'the node to listen')
        client.wait_for(lambda: client.depth.get_subscription_count(), 'the node to listen')
        time.sleep(0.5)
        client.calibrate()
        client.wait_for(
            lambda: node._inputs.depth_info.info is not None and node._inputs.image_info.info is not None, ''
        )
        assert client.step(2.0)['box'].measured
