"""Damaged bags, signals and errors: what can be tracked is, and OUT is whole."""

import resource
import signal
import sys

import pytest
from rclpy.serialization import serialize_message
from sam2_ros.msg import Prompt as PromptMessage
from sam2_ros.msg import TrackedObjectArray
from sensor_msgs.msg import Image
from std_msgs.msg import String

from sam2_ros.tracking import VideoTracker
from tests.nodes import tracker_scene as scene
from tests.nodes.bag.bags import (
    CAMERA,
    IMAGES,
    PAGE,
    box_prompt,
    decoded,
    header,
    image,
    read_bag,
    stamp,
    video,
    write_bag,
)

pytestmark = pytest.mark.slow


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


@pytest.mark.parametrize(
    ('messages', 'words', 'reason'),
    [
        (video(), [], 'there is no prompt on /tracker/prompts'),
        (video(), ['--box', '900,1,950,9'], 'outside the image of 160x120'),
        (video(), ['--box', '6:1,1,9,9'], 'the last frame is 5'),
        (video(), ['--box', '1,1,9,9', '--image', '/rear'], 'no images on /rear; image topics in the bag: /camera'),
        ([*video(), ('/rear', 0, image(0))], ['--box', '1,1,9,9'], '--image'),
        ([('/notes', 0, String())], ['--box', '1,1,9,9'], 'image topics in the bag: none'),
        (video(), ['--box', '1,1,9,9', '--checkpoint', __file__], 'test_bag_faults.py'),
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
