"""What the tracker node publishes about an image: every topic, every field."""

import numpy as np
import pytest
from sam2_ros.msg import TrackedObject
from std_msgs.msg import Header

from sam2_ros.drawing.overlay import draw_overlay
from sam2_ros.nodes.edge.decode_images import compressed_to_rgb, image_to_array
from sam2_ros.nodes.edge.encode_images import array_to_image, rgb_to_compressed
from sam2_ros.nodes.edge.qos import LATCHED
from sam2_ros.nodes.tracker import outputs, overlay_effect
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import Client, graph
from tests.nodes.reference import mask_of

pytestmark = pytest.mark.slow


def tracked(client: Client, *names: str, images: int = 3) -> TrackedObject:
    """Start the discs on image 0 and go on for some images; the newest objects."""
    client.step(0)
    for name in names:
        answer = client.set_prompt(name, box=scene.box(name, 0))
        assert answer.success, answer.reason
    for index in range(1, images):
        objects = client.step(index)
    return objects


def test_an_image_without_objects_has_outputs_too(tracker: Client) -> None:
    objects = tracker.step(0)
    assert (objects.image_width, objects.image_height) == (scene.WIDTH, scene.HEIGHT)
    assert (objects.frame_index, objects.frames_skipped, list(objects.objects)) == (0, 0, [])
    assert list(tracker.output('occlusion_scores', tracker.stamp(0)).scores) == []


def test_every_field_of_an_object(tracker: Client) -> None:
    objects = tracked(tracker, 'red', images=4)
    assert objects.header.frame_id == 'camera' and objects.header.stamp == tracker.stamp(3)
    assert objects.frame_index == 3
    red = objects.objects[0]
    mask = mask_of(red)
    assert mask.any() and tracker.is_right(red, range(4))
    rows, columns = np.nonzero(mask)
    assert red.has_box and list(red.box) == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert red.area == mask.sum()
    assert (red.centroid.x, red.centroid.y) == pytest.approx((columns.mean(), rows.mean()), abs=1e-3)
    assert (red.object_id, red.state) == ('red', TrackedObject.VISIBLE) and red.label >= 1
    assert red.occlusion_probability == pytest.approx(1 / (1 + np.exp(red.object_score_logit)), abs=1e-6)
    assert red.object_score_logit > 0 and 0 <= red.predicted_iou <= 1
    assert (red.first_seen, red.last_seen, red.frames_since_seen) == (tracker.stamp(0), tracker.stamp(3), 0)
    assert red.memory_event == TrackedObject.MEMORY_RECENT
    assert (red.class_name, red.class_score, red.detections_missed) == ('', 0, 0)
    assert red.source == TrackedObject.SOURCE_OPERATOR


def test_an_object_that_is_hidden_and_comes_back(micro_weights) -> None:
    with graph(micro_weights, lost_after=0.35) as client:
        seen = tracked(client, 'red', images=4).objects[0]
        hidden = [client.step(index, pixels=scene.empty_picture()).objects[0] for index in range(4, 11)]
        assert [red.state for red in hidden] == [TrackedObject.OCCLUDED] * 4 + [TrackedObject.LOST] * 3
        assert [red.frames_since_seen for red in hidden] == [1, 2, 3, 4, 5, 6, 7]
        assert not any(red.has_box or red.area or red.mask.data for red in hidden)
        assert hidden[-1].occlusion_probability > seen.occlusion_probability
        assert all(red.last_seen == client.stamp(3) for red in hidden)
        back = [client.step(index).objects[0] for index in range(11, 20)][-1]
        assert back.state == TrackedObject.VISIBLE and back.last_seen == client.stamp(19)


def test_occlusion_scores_are_those_of_the_objects(tracker: Client) -> None:
    objects = tracked(tracker, 'red', 'blue')
    scores = tracker.output('occlusion_scores', tracker.stamp(2))
    fields = ('object_id', 'object_score_logit', 'occlusion_probability', 'state')
    assert scores.header == objects.header
    assert [[getattr(score, field) for field in fields] for score in scores.scores] == [
        [getattr(tracked, field) for field in fields] for tracked in objects.objects
    ]


@pytest.mark.parametrize('encoding', ['mono8', 'mono16'])
def test_the_label_mask(micro_weights, encoding: str) -> None:
    with graph(micro_weights, label_encoding=encoding) as client:
        client.listen('label_mask')
        client.wait_for(lambda: client.count_subscribers(f'{client.tracker}/label_mask'), 'the subscription')
        objects = tracked(client, 'red', 'blue')
        image = client.output('label_mask', client.stamp(2))
        labels = image_to_array(image)
        assert (image.encoding, image.header, labels.shape) == (encoding, objects.header, (scene.HEIGHT, scene.WIDTH))
        for tracked_object in objects.objects:
            assert ((labels == tracked_object.label) == mask_of(tracked_object)).all()


def listening(client: Client, name: str) -> None:
    client.listen(name)
    client.wait_for(client.tracker_node.parts.outputs.publishers[f'~/{name}'].get_subscription_count, name)


def test_the_label_mask_of_classes(micro_weights) -> None:
    with graph(micro_weights, label_mask_of='class', class_names=['dog', 'disc']) as client:
        listening(client, 'label_mask')
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0), class_name='disc').success
        assert client.set_prompt('blue', box=scene.box('blue', 0)).success
        red, blue = (mask_of(tracked) for tracked in client.step(1).objects)
        labels = image_to_array(client.output('label_mask', client.stamp(1)))
        assert (labels[red] == 2).all() and (labels[blue] == 255).all() and not labels[~(red | blue)].any()
        assert client.tracker_node.parts.outputs.kind('red').class_name == 'disc'


@pytest.mark.parametrize('label_mask_of', ['object', 'class'])
def test_label_info_comes_to_late_listeners_and_when_it_changes(micro_weights, label_mask_of: str) -> None:
    vision_msgs = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not installed (it is not on PyPI)')
    with graph(micro_weights, label_mask_of=label_mask_of) as client:
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0), class_name='disc').success
        client.step(1)
        received = []
        topic = f'{client.tracker}/label_info'
        client.create_subscription(vision_msgs.LabelInfo, topic, received.append, LATCHED)
        first = client.wait_for(lambda: received and received[0], 'what was published before')
        assert first.header.stamp == client.stamp(1)
        for index in range(2, 5):
            client.step(index)
        assert client.set_prompt('blue', box=scene.box('blue', 4), class_name='ring').success
        client.step(5)
        client.wait_for(lambda: len(received) > 1, 'the change')
        said = [{entry.class_id: entry.class_name for entry in message.class_map} for message in received]
        if label_mask_of == 'object':
            red, blue = client.step(6).objects
            assert said == [{red.label: 'red'}, {red.label: 'red', blue.label: 'blue'}]
        else:
            assert said == [{1: 'disc', 255: 'UNLABELED'}, {1: 'disc', 2: 'ring', 255: 'UNLABELED'}]


def test_the_full_size_mask_of_one_object(micro_weights) -> None:
    with graph(micro_weights) as client:
        listening(client, 'mask')
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        objects = client.step(1)
        image = client.output('mask', client.stamp(1))
        assert (image.encoding, image.header) == ('mono8', objects.header)
        assert ((image_to_array(image) == 255) == mask_of(objects.objects[0])).all()
        assert client.set_prompt('blue', box=scene.box('blue', 1)).success
        client.step(2)
        assert not image_to_array(client.output('mask', client.stamp(2))).any()  # which of them?
        assert client.set_parameter('mask_object', 'blue').successful
        blue = client.step(3).objects[1]
        assert ((image_to_array(client.output('mask', client.stamp(3))) == 255) == mask_of(blue)).all()
        assert client.set_parameter('mask_object', 'nobody').successful
        client.step(4)
        assert not image_to_array(client.output('mask', client.stamp(4))).any()


def test_the_overlay_as_jpeg(tracker: Client) -> None:
    tracker.step(0)
    assert tracker.set_prompt('red', box=scene.box('red', 0)).success
    raw, jpeg = tracker.listen('overlay'), tracker.listen('overlay/compressed')
    made = tracker.tracker_node.parts.outputs.publishers
    for publisher in (made['~/overlay'], made['~/overlay/compressed']):
        tracker.wait_for(publisher.get_subscription_count, 'the listener')
    tracker.step(1)
    message = tracker.output('overlay/compressed', tracker.stamp(1))
    assert message.format == 'rgb8; jpeg compressed bgr8'
    expected = image_to_array(tracker.output('overlay', tracker.stamp(1))).astype(int)
    decoded = compressed_to_rgb(message)
    assert decoded.shape == expected.shape and np.abs(decoded - expected).mean() < 8
    for subscription in (raw, jpeg):
        tracker.destroy_subscription(subscription)
    for publisher in (made['~/overlay'], made['~/overlay/compressed']):
        tracker.wait_for(lambda publisher=publisher: not publisher.get_subscription_count(), 'nobody to listen')


def test_the_overlay_is_drawn_only_while_someone_listens(tracker: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []
    encoded: list[object] = []
    monkeypatch.setattr(outputs, 'rgb_to_compressed', lambda rgb, **_: encoded.append(rgb))
    monkeypatch.setattr(
        overlay_effect,
        'draw_overlay',
        lambda rgb, result, **how: (drawn.append(result), draw_overlay(rgb, result, **how))[1],
    )
    tracked(tracker, 'red')
    assert not drawn
    subscription = tracker.listen('overlay')
    topic = f'{tracker.tracker}/overlay'
    publishers = tracker.wait_for(lambda: tracker.get_publishers_info_by_topic(topic), 'the overlay')
    assert publishers[0].topic_type == 'sensor_msgs/msg/Image'
    index = 3
    while not tracker.received['overlay'] and index < 60:  # until the tracker has noticed the listener
        tracker.step(index)
        index += 1
    newest = tracker.step(index)
    image = tracker.output('overlay', newest.header.stamp)
    pixels = image_to_array(image)
    assert (image.encoding, image.header, pixels.shape) == ('rgb8', newest.header, (scene.HEIGHT, scene.WIDTH, 3))
    changed = (pixels != scene.picture(index)).any(axis=2)
    assert changed[mask_of(newest.objects[0])].mean() > 0.9 and not changed.all()
    tracker.destroy_subscription(subscription)
    overlay = tracker.tracker_node.parts.outputs.publishers['~/overlay']
    tracker.wait_for(lambda: not overlay.get_subscription_count(), 'the tracker to notice that nobody listens')
    count = len(drawn)
    tracker.step(index + 1)
    assert len(drawn) == count
    assert not encoded  # nobody wanted it as JPEG


@pytest.mark.parametrize('encoding', ['bgr8', 'rgba8'])
def test_other_encodings_are_tracked_alike(tracker: Client, encoding: str) -> None:
    def pixels(index: int) -> np.ndarray:
        rgb = scene.picture(index)
        return rgb[..., ::-1] if encoding == 'bgr8' else np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])

    tracker.step(0, pixels=pixels(0), encoding=encoding)
    assert tracker.set_prompt('red', box=scene.box('red', 0)).success
    red = tracker.step(1, pixels=pixels(1), encoding=encoding).objects[0]
    assert red.has_box and tracker.is_right(red, range(2))


def through_jpeg(index: int) -> np.ndarray:
    return compressed_to_rgb(rgb_to_compressed(scene.picture(index), header=Header(), jpeg_quality=95))


def test_compressed_images(micro_weights) -> None:
    with graph(micro_weights, image_transport='compressed') as client:
        objects = tracked(client, 'red')
        assert client.is_right(objects.objects[0], range(3), picture=through_jpeg)
        broken = client.publish(3)
        client.output('objects', broken.header.stamp)
        broken.data, broken.header.stamp = broken.data[:20], client.stamp(4)
        client.camera.publish(broken)
        client.counted('invalid')
        assert 'an image is dropped: data' in client.log_line('dropped')
        assert client.step(5).objects[0].object_id == 'red'
        assert client.counts()['format_changes'] == 0
        small = client.step(6, pixels=scene.picture(6)[::2, ::2].copy())
        assert small.objects[0].object_id == 'red' and client.counts()['format_changes'] == 1


def test_padded_rows(tracker: Client) -> None:
    padded = np.pad(scene.picture(0), ((0, 0), (0, 4), (0, 0)), constant_values=255)
    message = array_to_image(padded, 'rgb8', header=Header(stamp=tracker.stamp(0), frame_id='camera'))
    message.width = scene.WIDTH
    overlay = tracker.listen('overlay')
    tracker.wait_for(
        tracker.tracker_node.parts.outputs.publishers['~/overlay'].get_subscription_count, 'the subscription'
    )
    tracker.camera.publish(message)
    assert tracker.output('objects', tracker.stamp(0)).image_width == scene.WIDTH
    drawn = image_to_array(tracker.output('overlay', tracker.stamp(0)))  # without objects, the image as it came
    np.testing.assert_array_equal(drawn, scene.picture(0))
    tracker.destroy_subscription(overlay)


def test_detections(tracker: Client) -> None:
    vision_msgs = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not installed (it is not on PyPI)')
    received = []
    topic = f'{tracker.tracker}/detections'
    tracker.create_subscription(vision_msgs.Detection2DArray, topic, received.append, 10)
    tracker.wait_for(lambda: tracker.count_subscribers(topic), 'the subscription')
    red = tracked(tracker, 'red').objects[0]
    newest = tracker.wait_for(
        lambda: received and received[-1].header.stamp == tracker.stamp(2) and received[-1], topic
    )
    box = newest.detections[0].bbox
    assert newest.detections[0].id == newest.detections[0].results[0].hypothesis.class_id == 'red'
    assert newest.detections[0].results[0].hypothesis.score == pytest.approx(1 - red.occlusion_probability)
    assert (box.size_x, box.size_y) == (red.box[2] - red.box[0], red.box[3] - red.box[1])
    assert box.center.position.x == (red.box[0] + red.box[2]) / 2
