"""Bags in, bags out: small ones are written with rosbags and read back."""

import resource
import signal
import sys

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point32
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from sam2_ros.msg import OcclusionScoreArray, TrackedObjectArray
from sam2_ros.msg import Prompt as PromptMessage
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from sam2_ros.model import build_sam2
from sam2_ros.nodes.edge.decode_images import compressed_to_rgb, image_to_array
from sam2_ros.nodes.edge.encode_images import array_to_image, rgb_to_compressed
from sam2_ros.nodes.edge.messages import Detection2DArray, mask_from_object
from sam2_ros.tools.track_bag import OutputBag, main, make_typestore
from sam2_ros.tracking import Prompt, VideoTracker
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


@pytest.fixture
def run(micro_weights, tmp_path):
    """Runs the command line on a bag; returns the exit status."""

    def run(bag, *words):
        return main([str(bag), str(tmp_path / 'out'), '--checkpoint', str(micro_weights), '--image-size', '64', *words])

    return run


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


def test_what_cannot_be_used_is_said_and_the_rest_is_tracked(run, tmp_path, capsys):
    good = box_prompt('red', on=0, box=scene.box('red', 0))
    far = box_prompt('far', on=0, box=(500, 0, 510, 9))
    old = box_prompt('old', on=-30, box=(1, 1, 9, 9))
    prompts = [(0.5, good), (1, far), (2, old), (3, PromptMessage(object_id='empty', header=header(3)))]
    messages = video()
    broken = image(4)
    broken.data = broken.data[:100]
    messages[4] = (CAMERA, 4, broken)
    bag = write_bag(tmp_path / 'in', [*messages, *(('/tracker/prompts', when, prompt) for when, prompt in prompts)])
    assert run(bag) == 0
    captured = capsys.readouterr()
    for words in ('outside the image of 160x120', 'no image is stamped 47', "'empty'", 'image 4 cannot be read: data'):
        assert words in captured.err
    assert '5 images tracked with 1 prompts' in captured.out
    objects = decoded(read_bag(tmp_path / 'out'), '/tracker/objects', TrackedObjectArray)
    assert [message.header.stamp for message in objects] == [stamp(index) for index in (0, 1, 2, 3, 5)]


@pytest.mark.parametrize(
    'words', [[], ['--box', '1:{},{},{},{}'.format(*scene.box('red', 1)), '--name', 'late', '--box', '4:1,1,60,60']]
)
@pytest.mark.parametrize('length', [5, 20, 1000])
def test_messages_that_are_cut_off_are_said_and_the_rest_is_tracked(run, tmp_path, capsys, words, length):
    """Images and prompts that cannot even be deserialised; the first image, which tells the size, is one of them."""
    red = box_prompt('red', on=1, box=scene.box('red', 1))
    messages = [
        *video(),
        ('/tracker/prompts', 1.5, red),
        ('/tracker/prompts', 3, (PromptMessage, serialize_message(red)[: min(length, 30)])),
    ]
    for broken in (0, 4):
        messages[broken] = (CAMERA, broken, (Image, serialize_message(image(broken))[:length]))
    assert run(write_bag(tmp_path / 'in', messages), *words) == 0
    captured = capsys.readouterr()
    for broken in (0, 4):
        assert f'image {broken} cannot be read: message: {length} bytes that are no Image' in captured.err
    assert ('bytes that are no Prompt' in captured.err) == (not words)
    assert ("the prompt for 'late' on image 4 is lost with it" in captured.err) == bool(words)
    assert '4 images tracked with 1 prompts' in captured.out
    found = read_bag(tmp_path / 'out')
    assert [message.header.stamp for message in decoded(found, '/tracker/objects', TrackedObjectArray)] == [
        stamp(index) for index in (1, 2, 3, 5)
    ]
    assert len(found[CAMERA]) == IMAGES


def test_a_bag_without_any_readable_image_is_said(run, tmp_path, capsys):
    bag = write_bag(tmp_path / 'in', [(CAMERA, 0, (Image, b'no image')), (CAMERA, 1, (Image, b''))])
    assert run(bag, '--box', '1,1,9,9') == 1
    assert 'none of the 2 images can be read' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.fixture
def at_third_image(monkeypatch):
    """Has a function called when the work on the third image begins."""
    step = VideoTracker.step

    def at_third_image(act):
        def step_or_act(self, rgb, prompts=(), **rest):
            if self.frame_index == 1 and len(rgb) == scene.HEIGHT:  # not in the warm-up, whose images are smaller
                act()
            return step(self, rgb, prompts, **rest)

        monkeypatch.setattr(VideoTracker, 'step', step_or_act)

    return at_third_image


@pytest.fixture
def sigterm():
    """Would end the test like Ctrl-C, if nobody handled it."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit('SIGTERM'))
    yield signal.SIGTERM
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_whole_bag(run, tmp_path, capsys, sigterm, at_third_image, storage, number):
    at_third_image(lambda: signal.raise_signal(number))
    assert run(write_bag(tmp_path / 'in', video()), '--box', '10,10,60,60', '--storage', storage) == 1
    assert f'stopped; {tmp_path / "out"} is a whole bag of the 3 images tracked until then' in capsys.readouterr().err
    found = read_bag(tmp_path / 'out')
    assert len(found[CAMERA]) == 3
    assert [len(message.objects) for message in decoded(found, '/tracker/objects', TrackedObjectArray)] == [1] * 3


def fail(error):
    raise error


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_an_error_leaves_a_whole_bag(run, tmp_path, capsys, at_third_image, storage):
    at_third_image(lambda: fail(OSError('the device is gone')))
    assert run(write_bag(tmp_path / 'in', video()), '--box', '10,10,60,60', '--storage', storage) == 1
    error = capsys.readouterr().err
    assert f'the device is gone; {tmp_path / "out"} is a whole bag of the 2 images tracked until then' in error
    found = read_bag(tmp_path / 'out')
    assert (len(found[CAMERA]), len(found['/tracker/objects'])) == (3, 2)


def test_an_error_nobody_thought_of_leaves_a_whole_bag_too(run, tmp_path, at_third_image):
    at_third_image(lambda: fail(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        run(write_bag(tmp_path / 'in', video()), '--box', '10,10,60,60')
    assert len(read_bag(tmp_path / 'out')['/tracker/objects']) == 2


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_a_full_disk_is_said(run, tmp_path, capsys, at_third_image, storage):
    """A limit on the size of files does what a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    at_third_image(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1])))
    bag = write_bag(tmp_path / 'in', video())
    try:
        assert run(bag, '--box', '10,10,60,60', '--storage', storage) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith('error: ')
    assert error.splitlines()[-1].endswith(f'{tmp_path / "out"} is not whole')
    assert not (tmp_path / 'out/metadata.yaml').exists()


def test_a_damaged_bag_is_said(run, tmp_path, capsys):
    bag = write_bag(tmp_path / 'in', video())
    (file,) = bag.glob('*.db3')
    data = bytearray(file.read_bytes())
    page = data.index(serialize_message(image(4))[:20]) // PAGE * PAGE + 4 * PAGE  # another one of that image
    data[page : page + 4] = b'\xff' * 4  # it begins with the number of the one after it
    file.write_bytes(data)
    assert run(bag, '--box', '10,10,60,60') == 1
    assert f'error: {bag} is damaged: ' in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ('messages', 'words', 'reason'),
    [
        (video(), [], 'there is no prompt on /tracker/prompts'),
        (video(), ['--box', '900,1,950,9'], 'outside the image of 160x120'),
        (video(), ['--box', '6:1,1,9,9'], 'the last frame is 5'),
        (video(), ['--box', '1,1,9,9', '--image', '/rear'], 'no images on /rear; image topics in the bag: /camera'),
        ([*video(), ('/rear', 0, image(0))], ['--box', '1,1,9,9'], '--image'),
        ([('/notes', 0, String())], ['--box', '1,1,9,9'], 'image topics in the bag: none'),
        (video(), ['--box', '1,1,9,9', '--checkpoint', __file__], 'test_track_bag.py'),
    ],
)
def test_a_mistake_is_said_and_nothing_is_written(run, tmp_path, capsys, messages, words, reason):
    assert run(write_bag(tmp_path / 'in', messages), *words) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_bags_that_are_not_there_or_are_there_already(run, tmp_path, capsys):
    assert run(tmp_path / 'missing', '--box', '1,1,9,9') == 1
    assert 'missing' in capsys.readouterr().err
    (tmp_path / 'out').mkdir()
    assert run(write_bag(tmp_path / 'in', video()), '--box', '1,1,9,9') == 1
    assert 'exists already' in capsys.readouterr().err
    (tmp_path / 'in.txt').write_text('no bag')
    assert run(tmp_path / 'in.txt', '--box', '1,1,9,9') == 1
    assert '.txt' in capsys.readouterr().err
