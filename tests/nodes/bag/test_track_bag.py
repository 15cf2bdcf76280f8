"""Bags in, bags out: small ones are written with rosbags and read back."""

import numpy as np
import pytest
from geometry_msgs.msg import Point32
from rclpy.serialization import deserialize_message
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
    QosDurability,
)
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from sam2_ros.msg import OcclusionScoreArray, TrackedObjectArray
from sam2_ros.msg import Prompt as PromptMessage
from sensor_msgs.msg import Image
from std_msgs.msg import String

from sam2_ros.nodes.edge.decode_images import compressed_to_rgb, image_to_array
from sam2_ros.nodes.edge.encode_images import rgb_to_compressed
from sam2_ros.nodes.edge.messages import Detection2DArray
from sam2_ros.tools.track_bag import OutputBag, make_typestore
from sam2_ros.tracking import Prompt
from tests.nodes import tracker_scene as scene
from tests.nodes.bag.bags import (
    CAMERA,
    IMAGES,
    assert_same_objects,
    box_prompt,
    decoded,
    header,
    image,
    read_bag,
    stamp,
    track_directly,
    video,
    write_bag,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_a_prompt_in_the_bag_is_applied_to_its_image(run, tmp_path, micro_weights, storage):
    """It was recorded two images later; the objects are those of a tracker that was prompted in time."""
    red = box_prompt('red', on=2, box=scene.box('red', 2))
    text = String(data='as it was')
    bag = write_bag(
        tmp_path / 'in',
        [*video(), ('/tracker/prompts', 4.2, red), ('/notes', 1.5, text)],
        storage=StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3,
    )
    assert run(bag) == 0
    out = tmp_path / 'out'
    assert bool(list(out.glob('*.mcap'))) == (storage == 'mcap')
    before, after = read_bag(bag), read_bag(out)
    for topic, messages in before.items():
        assert after.pop(topic) == messages
    if Detection2DArray is not None:
        detections = [deserialize_message(raw, Detection2DArray) for _, raw in after.pop('/tracker/detections')]
        assert [[one.id for one in message.detections] for message in detections] == [[], [], *[['red']] * 4]
        assert len(after.pop('/tracker/label_info')) == 2  # it is written when it changes
        with Reader(out) as reader:
            assert [
                connection.ext.offered_qos_profiles[0].durability
                for connection in reader.connections
                if connection.topic == '/tracker/label_info'
            ] == [QosDurability.TRANSIENT_LOCAL]
    assert set(after) == {'/tracker/objects', '/tracker/occlusion_scores', '/tracker/label_mask'}
    for messages in after.values():
        assert [recorded for recorded, _ in messages] == [recorded for recorded, _ in before[CAMERA]]
    objects = decoded(after, '/tracker/objects', TrackedObjectArray)
    results = track_directly(micro_weights, {2: [Prompt('red', box=scene.box('red', 2))]})
    assert_same_objects(objects, results)
    assert [message.header for message in objects] == [header(index) for index in range(IMAGES)]
    assert [message.frame_index for message in objects] == list(range(IMAGES))
    assert objects[-1].objects[0].first_seen == stamp(2)
    for label_mask, result in zip(decoded(after, '/tracker/label_mask', Image), results, strict=True):
        expected = result['red'].mask if 'red' in result else np.zeros((scene.HEIGHT, scene.WIDTH))
        np.testing.assert_array_equal(image_to_array(label_mask), expected)
    scores = decoded(after, '/tracker/occlusion_scores', OcclusionScoreArray)
    assert [len(message.scores) for message in scores] == [0, 0, 1, 1, 1, 1]


def test_prompts_from_the_command_line_and_compressed_images(run, tmp_path, micro_weights):
    frames = [rgb_to_compressed(scene.picture(index), header=header(index), jpeg_quality=95) for index in range(IMAGES)]
    bag = write_bag(tmp_path / 'in', [(f'{CAMERA}/compressed', index, frame) for index, frame in enumerate(frames)])
    red = ','.join(str(edge) for edge in scene.box('red', 0))
    blue = ','.join(str(edge) for edge in scene.box('blue', 3))
    assert (
        run(
            bag,
            '--name',
            'red',
            '--box',
            red,
            '--name',
            'blue',
            '--box',
            f'3:{blue}',
            '--node',
            'front/eye',
            '--storage',
            'mcap',
            '--overlay',
        )
        == 0
    )
    found = read_bag(tmp_path / 'out')
    objects = decoded(found, '/front/eye/objects', TrackedObjectArray)
    assert [[tracked.object_id for tracked in message.objects] for message in objects] == [['red']] * 3 + [
        ['red', 'blue']
    ] * 3
    prompts = {0: [Prompt('red', box=scene.box('red', 0))], 3: [Prompt('blue', box=scene.box('blue', 3))]}
    assert_same_objects(
        objects, track_directly(micro_weights, prompts, look=lambda index: compressed_to_rgb(frames[index]))
    )
    overlays = decoded(found, '/front/eye/overlay', Image)
    assert [(overlay.width, overlay.height) for overlay in overlays] == [(scene.WIDTH, scene.HEIGHT)] * IMAGES
    assert list(tmp_path.glob('out/*.mcap'))


def test_unstamped_unnamed_and_extending_prompts(run, tmp_path, micro_weights):
    """As the node takes them: the newest image of that moment; a name of its own; one prompt of both."""
    unnamed = box_prompt('', on=0, box=scene.box('red', 1), stamped=False)
    first = box_prompt('blue', on=3, box=scene.box('blue', 3))
    x, y = scene.centre('blue', 3)
    more = PromptMessage(object_id='blue', points=[Point32(x=x, y=y)], extend=True)
    more.header.stamp = stamp(3)
    bag = write_bag(
        tmp_path / 'in',
        [
            *video(),
            ('/tracker/prompts', 1.9, unnamed),
            ('/tracker/prompts', 3.5, first),
            ('/tracker/prompts', 4.5, more),
        ],
    )
    assert run(bag) == 0
    objects = decoded(read_bag(tmp_path / 'out'), '/tracker/objects', TrackedObjectArray)
    assert_same_objects(
        objects,
        track_directly(
            micro_weights,
            {
                1: [Prompt('object_1', box=scene.box('red', 1))],
                3: [Prompt('blue', box=scene.box('blue', 3), points=[(x, y)])],
            },
        ),
    )


def test_what_a_recorded_prompt_calls_the_object(run, tmp_path):
    red = box_prompt('', on=1, box=scene.box('red', 1))
    red.class_name = 'disc'
    bag = write_bag(tmp_path / 'in', [*video(), ('/tracker/prompts', 1.5, red)])
    assert run(bag) == 0
    objects = decoded(read_bag(tmp_path / 'out'), '/tracker/objects', TrackedObjectArray)
    said = [[(tracked.object_id, tracked.class_name) for tracked in message.objects] for message in objects]
    assert said == [[]] + [[('disc_1', 'disc')]] * (IMAGES - 1)


def test_earlier_outputs_are_replaced(run, tmp_path):
    old = OcclusionScoreArray(header=header(0))
    red = box_prompt('red', on=0, box=scene.box('red', 0))
    bag = write_bag(
        tmp_path / 'in',
        [*video(), ('/tracker/prompts', 0.1, red)] + [('/tracker/occlusion_scores', index, old) for index in range(3)],
    )
    assert run(bag) == 0
    scores = decoded(read_bag(tmp_path / 'out'), '/tracker/occlusion_scores', OcclusionScoreArray)
    assert [len(message.scores) for message in scores] == [1] * IMAGES


@pytest.mark.parametrize('jpeg', [False, True])
def test_overlays_are_drawn_anew_where_there_were_some(run, tmp_path, jpeg):
    red = box_prompt('red', on=0, box=scene.box('red', 0))
    old = rgb_to_compressed(scene.picture(0), header=header(0), jpeg_quality=80) if jpeg else image(0)
    name = '/tracker/overlay/compressed' if jpeg else '/tracker/overlay'
    bag = write_bag(tmp_path / 'in', [*video(), ('/tracker/prompts', 0.1, red), (name, 0, old)])
    assert run(bag, '--image', CAMERA) == 0
    found = read_bag(tmp_path / 'out')
    assert {topic for topic in found if 'overlay' in topic} == {name}  # and not in the other form, too
    pictures = decoded(found, name, type(old))
    assert [picture.header.stamp for picture in pictures] == [stamp(index) for index in range(IMAGES)]
    first = compressed_to_rgb(pictures[0]) if jpeg else image_to_array(pictures[0])
    assert (np.abs(first.astype(int) - scene.picture(0)) > 50).any()  # more than JPEG changes


def test_new_bags_explain_their_own_types(run, tmp_path):
    """A reader that knows only the standard types finds ours in the bag."""
    bag = write_bag(tmp_path / 'in', video())
    assert run(bag, '--box', '10,10,60,60', '--storage', 'mcap') == 0
    with Reader(tmp_path / 'out') as reader:
        definitions = {connection.topic: connection.msgdef.data for connection in reader.connections}
    assert 'occlusion_probability' in definitions['/tracker/objects']
    assert 'float32 object_score_logit' in definitions['/tracker/occlusion_scores']


@pytest.mark.parametrize(('kind', 'copied'), [('std_msgs/msg/String', True), ('my_robot/msg/Secret', False)])
def test_topics_of_bags_without_definitions_are_copied_where_the_type_is_known(tmp_path, kind, copied):
    """Such bags were written before ROS 2 Iron."""
    with Writer(tmp_path / 'bag', version=8) as writer:
        bag = OutputBag(writer, make_typestore(), '/tracker', pictures=frozenset())
        nothing = MessageDefinition(MessageDefinitionFormat.NONE, '')
        old = Connection(7, '/notes', kind, nothing, '', 1, ConnectionExtRosbag2('cdr', []), None)
        connection = bag.add_copy_of(old)
    assert (connection is not None) == copied
    if copied:
        assert (connection.topic, connection.msgtype) == ('/notes', kind)
        assert 'string data' in connection.msgdef.data
