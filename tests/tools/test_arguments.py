"""Prompts and networks from the command line."""

import argparse

import cv2
import numpy as np
import pytest
import torch

from sam2_ros.tools.arguments import (
    add_model_arguments,
    add_prompt_arguments,
    check_prompts,
    load_model,
    prompts_by_frame,
)
from sam2_ros.tracking import Prompt


def prompts(*words):
    parser = argparse.ArgumentParser()
    add_prompt_arguments(parser)
    return prompts_by_frame(parser.parse_args(words).prompt_parts or ())


def test_a_box_is_for_the_first_frame():
    (prompt,) = prompts('--box', '3,4,50,60.5')[0]
    assert prompt.object_id == 'object_1'
    assert prompt.box.tolist() == [3, 4, 50, 60.5]
    assert len(prompt.points) == 0


def test_points_and_a_box_make_one_prompt():
    (prompt,) = prompts('--point', '1,2', '--box', '0,0,9,9', '--point', '3,4,0')[0]
    assert prompt.points.tolist() == [[1, 2], [3, 4]]
    assert prompt.labels.tolist() == [1, 0]
    assert prompt.box.tolist() == [0, 0, 9, 9]


def test_a_later_frame_corrects_the_same_object():
    found = prompts('--box', '0,0,9,9', '--point', '120:5,6,0')
    assert [[prompt.object_id for prompt in found[frame]] for frame in (0, 120)] == [['object_1'], ['object_1']]
    assert found[120][0].labels.tolist() == [0]


def test_a_second_box_on_a_frame_starts_another_object():
    found = prompts('--box', '0,0,9,9', '--box', '10,0,19,9', '--point', '12,3', '--box', '7:20,0,29,9')
    assert [prompt.object_id for prompt in found[0]] == ['object_1', 'object_2']
    assert found[0][1].points.tolist() == [[12, 3]]
    assert [prompt.object_id for prompt in found[7]] == ['object_2']


def test_names_separate_objects_and_may_come_again():
    found = prompts('--name', 'cup', '--point', '1,1', '--name', 'dog', '--point', '2,2',
                    '--name', 'cup', '--point', '5:3,3')
    assert [(prompt.object_id, prompt.points.tolist()) for prompt in found[0]] == [('cup', [[1, 1]]), ('dog', [[2, 2]])]
    assert [prompt.object_id for prompt in found[5]] == ['cup']


def test_a_mask_is_read_from_an_image(tmp_path):
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 3:7] = 1  # any value but black counts
    cv2.imwrite(str(tmp_path / 'mask.png'), mask)
    (prompt,) = prompts('--mask', f'4:{tmp_path}/mask.png')[4]
    np.testing.assert_array_equal(prompt.mask, mask.astype(bool))


@pytest.mark.parametrize(('words', 'reason'), [
    (['--box', '1,2,3'], 'x0,y0,x1,y1'),
    (['--box', 'a,b,c,d'], 'x0,y0,x1,y1'),
    (['--point', '1,2,3,4'], 'x,y'),
    (['--point', '1,2,5'], 'must be 1'),
    (['--mask', 'nowhere.png'], 'nowhere.png'),
    (['--name', '../cup'], 'letters'),
])
def test_what_cannot_be_understood_is_refused(words, reason, capsys):
    with pytest.raises(SystemExit) as stop:
        prompts(*words)
    assert stop.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(('words', 'reason'), [
    (['--name', 'cup', '--box', '0,0,9,9', '--box', '1,1,9,9'], "more than one box or mask for 'cup' on frame 0"),
    (['--box', '9,9,0,0'], 'x0 < x1'),
])
def test_what_contradicts_itself_is_refused(words, reason):
    with pytest.raises(ValueError, match=reason):
        prompts(*words)


@pytest.mark.parametrize(('given', 'reason'), [
    ({0: [Prompt('a', box=(100, 0, 120, 9))]}, 'outside the image of 80x60'),
    ({2: [Prompt('a', points=[(5, 61)])]}, 'outside'),
    ({0: [Prompt('a', points=[(5, 5)], labels=[0])]}, 'needs a positive point'),
    ({10: [Prompt('a', box=(0, 0, 9, 9))]}, 'frame 10, but the last frame is 9'),
])
def test_prompts_that_do_not_fit_the_video_are_refused(given, reason):
    with pytest.raises(ValueError, match=reason):
        check_prompts(given, size=(60, 80), frame_count=10)


def test_only_the_first_prompt_of_an_object_must_say_where_it_is():
    later = {3: [Prompt('a', points=[(5, 5)], labels=[0])]}
    check_prompts({**later, 0: [Prompt('a', box=(0, 0, 9, 9))]}, size=(60, 80), frame_count=None)
    for without_a_start in (later, {**later, 0: [Prompt('b', box=(0, 0, 9, 9))]}):
        with pytest.raises(ValueError, match='needs a positive point'):
            check_prompts(without_a_start, size=(60, 80), frame_count=None)


def model_options(*words):
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    return parser.parse_args(words)


def test_a_network_is_built_as_asked(micro_weights):
    model = load_model(model_options('--checkpoint', str(micro_weights), '--image-size', '64', '--dtype', 'bfloat16',
                                     '--device', 'cpu'))
    assert (model.image_size, model.dtype, model.device.type) == (64, torch.bfloat16, 'cpu')


def test_a_network_without_weights_is_refused():
    with pytest.raises(ValueError, match=r'no bundled weights.*download_weights sam2.1_hiera_tiny'):
        load_model(model_options('--model', 'sam2.1_hiera_tiny'))
