"""`track_bag --offline`: prompts are carried through the bag in both directions."""

import pytest
from sam2_ros.msg import TrackedObjectArray
from sensor_msgs.msg import Image

from sam2_ros.model import build_sam2
from sam2_ros.session import VideoSession, carry_prompts
from sam2_ros.tracking import Prompt
from tests.nodes import tracker_scene as scene
from tests.nodes.bag.bags import CAMERA, IMAGES, assert_same_objects, box_prompt, decoded, read_bag, video, write_bag

pytestmark = pytest.mark.slow


def session_results(micro_weights, images, prompts):
    """What a session says about these images."""
    model = build_sam2('sam2.1_hiera_micro', micro_weights, image_size=64)
    with VideoSession(model, images) as session:
        for _ in carry_prompts(session, prompts, refused=pytest.fail):
            pass
        return [session.result(index) for index in range(len(images))]


def objects_in(folder):
    return decoded(read_bag(folder), '/tracker/objects', TrackedObjectArray)


def test_objects_are_known_before_their_prompt(run, tmp_path, micro_weights):
    red = box_prompt('red', on=3, box=scene.box('red', 3))
    blue = box_prompt('blue', on=1, box=scene.box('blue', 1))
    bag = write_bag(tmp_path / 'in', [*video(), ('/tracker/prompts', 4.2, red), ('/tracker/prompts', 5.2, blue)])
    assert run(bag, '--offline') == 0
    prompts = {3: [Prompt('red', box=scene.box('red', 3))], 1: [Prompt('blue', box=scene.box('blue', 1))]}
    expected = session_results(micro_weights, [scene.picture(index) for index in range(IMAGES)], prompts)
    objects = objects_in(tmp_path / 'out')
    assert all({one.object_id for one in message.objects} == {'red', 'blue'} for message in objects)
    assert_same_objects(objects, expected)
    assert read_bag(tmp_path / 'out')[CAMERA] == read_bag(bag)[CAMERA]
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ['in', 'out']


def test_images_that_cannot_be_read_are_left_out(run, tmp_path, micro_weights, capsys):
    messages = video()
    messages[2] = (CAMERA, 2, (Image, b'no image'))
    green = box_prompt('green', on=2, box=scene.box('red', 2), stamped=False)
    red = box_prompt('red', on=4, box=scene.box('red', 4))
    bag = write_bag(tmp_path / 'in', [*messages, ('/tracker/prompts', 2.5, green), ('/tracker/prompts', 4.2, red)])
    assert run(bag, '--offline') == 0
    said = capsys.readouterr().err
    assert 'image 2 cannot be read' in said
    assert "the prompt for 'green' on image 2 is lost with it" in said
    readable = [scene.picture(index) for index in range(IMAGES) if index != 2]
    expected = session_results(micro_weights, readable, {3: [Prompt('red', box=scene.box('red', 4))]})
    assert_same_objects(objects_in(tmp_path / 'out'), expected)


def test_what_is_refused(run, tmp_path, capsys):
    far = box_prompt('far', on=1, box=(900, 900, 950, 950))
    bag = write_bag(tmp_path / 'in', [*video(), ('/tracker/prompts', 1.2, far)])
    (tmp_path / 'out').mkdir()
    assert run(bag, '--offline') == 1
    assert 'exists already' in capsys.readouterr().err
    (tmp_path / 'out').rmdir()
    assert run(bag, '--offline') == 0
    assert 'the prompt on image 1 is refused: the box' in capsys.readouterr().err
    assert all(not message.objects for message in objects_in(tmp_path / 'out'))
