"""Small bags, written and read back with rosbags."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from sam2_ros.msg import Prompt as PromptMessage
from std_msgs.msg import Header

from sam2_ros.model import build_sam2
from sam2_ros.nodes.edge.encode_images import array_to_image
from sam2_ros.nodes.edge.messages import mask_from_object
from sam2_ros.tools.track_bag import make_typestore
from sam2_ros.tracking import VideoTracker
from tests.nodes import tracker_scene as scene

IMAGES = 6
PERIOD = 100_000_000  # nanoseconds between two images
BEGIN = 50 * 10**9  # stamp of the first image, nanoseconds
DELAY = 30_000_000  # nanoseconds from the stamp of a message to its recording
PAGE = 4096  # bytes of an sqlite3 file
CAMERA = '/camera/image_raw'
TYPES = {
    'Image': 'sensor_msgs',
    'CompressedImage': 'sensor_msgs',
    'String': 'std_msgs',
    'Prompt': 'sam2_ros',
    'OcclusionScoreArray': 'sam2_ros',
}


def stamp(index):
    nanoseconds = BEGIN + round(index * PERIOD)
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def header(index):
    return Header(stamp=stamp(index), frame_id='camera')


def image(index):
    return array_to_image(scene.picture(index), 'rgb8', header=header(index))


def box_prompt(object_id, *, on, box, stamped=True, extend=False):
    """A prompt on image `on`; `stamped` False: for the newest one."""
    message = PromptMessage(object_id=object_id, has_box=True, box=[float(edge) for edge in box], extend=extend)
    if stamped:
        message.header.stamp = stamp(on)
    return message


def write_bag(path, messages, *, storage=StoragePlugin.SQLITE3):
    """`messages`: (topic, number of the image at whose time it is recorded, message).

    A pair in place of the message: its type, and bytes that need not be one.
    """
    typestore = make_typestore()
    with Writer(path, version=8, storage_plugin=storage) as writer:
        connections = {}
        for topic, when, message in sorted(messages, key=lambda entry: entry[1]):
            message_type, raw = message if isinstance(message, tuple) else (type(message), serialize_message(message))
            kind = f'{TYPES[message_type.__name__]}/msg/{message_type.__name__}'
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=typestore)
            writer.write(connections[topic], BEGIN + round(when * PERIOD) + DELAY, raw)
    return path


def read_bag(path):
    """Raw messages by topic: (recorded, bytes)."""
    found = {}
    with Reader(path) as reader:
        for connection, recorded, raw in reader.messages():
            found.setdefault(connection.topic, []).append((recorded, bytes(raw)))
    return found


def decoded(found, topic, kind):
    return [deserialize_message(raw, kind) for _, raw in found[topic]]


def video():
    return [(CAMERA, index, image(index)) for index in range(IMAGES)]


def track_directly(micro_weights, prompts, *, look=scene.picture):
    """What the tracker itself says about the images `look(index)`, with prompts by image."""
    model = build_sam2('sam2.1_hiera_micro', micro_weights, image_size=64)
    tracker = VideoTracker(model)
    return [tracker.step(look(index), prompts.get(index, ())) for index in range(IMAGES)]


def assert_same_objects(messages, results):
    assert len(messages) == len(results)
    for message, result in zip(messages, results, strict=True):
        assert [tracked.object_id for tracked in message.objects] == list(result)
        for tracked in message.objects:
            expected = result[tracked.object_id]
            mask = mask_from_object(tracked, image_height=scene.HEIGHT, image_width=scene.WIDTH)
            np.testing.assert_array_equal(mask, expected.mask)
            assert tracked.object_score_logit == pytest.approx(expected.object_score_logit, abs=1e-4)
