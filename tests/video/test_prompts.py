"""Prompts in the words of a command line."""

import argparse
import struct
import zlib

import cv2
import numpy as np
import pytest

from sam2_ros.tracking import Prompt
from sam2_ros.video.prompts import add_prompt_arguments, check_prompts, prompts_by_frame


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
    found = prompts(
        '--name', 'cup', '--point', '1,1', '--name', 'dog', '--point', '2,2', '--name', 'cup', '--point', '5:3,3'
    )
    assert [(prompt.object_id, prompt.points.tolist()) for prompt in found[0]] == [('cup', [[1, 1]]), ('dog', [[2, 2]])]
    assert [prompt.object_id for prompt in found[5]] == ['cup']


def test_a_mask_is_read_from_an_image(tmp_path):
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 3:7] = 1  # any value but black counts
    cv2.imwrite(str(tmp_path / 'mask.png'), mask)
    (prompt,) = prompts('--mask', f'4:{tmp_path}/mask.png')[4]
    np.testing.assert_array_equal(prompt.mask, mask.astype(bool))


LABELS = np.array([[0, 0, 1, 1], [0, 2, 255, 0], [0, 0, 0, 3]], np.uint8)  # more than one object: all are meant


def mask_of(file):
    (prompt,) = prompts('--mask', str(file))[0]
    return prompt.mask


def palette_png(labels, palette):
    """A PNG file whose pixels are numbers of colours (RGB); the rest of the 256 colours is black."""

    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    height, width = labels.shape
    rows = b''.join(b'\0' + row.tobytes() for row in labels)
    colours = b''.join(bytes(colour) for colour in palette).ljust(3 * 256, b'\0')
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 3, 0, 0, 0))
        + chunk(b'tEXt', b'Comment\0PLTE')
        + chunk(b'PLTE', colours)
        + chunk(b'IDAT', zlib.compress(rows))
        + chunk(b'IEND', b'')
    )


@pytest.mark.parametrize(
    ('name', 'pixels'),
    [
        ('8 bits.png', LABELS),
        ('16 bits.png', LABELS.astype(np.uint16)),
        ('high.png', LABELS.astype(np.uint16) << 8),
        ('16 bits.tif', LABELS.astype(np.uint16)),
        ('dark blue.png', np.stack([LABELS > 0, 0 * LABELS, 0 * LABELS], axis=2).astype(np.uint8)),
        ('colours.png', np.stack([LABELS == 1, LABELS == 2, LABELS > 2], axis=2).astype(np.uint8)),
        ('opaque.png', np.stack([LABELS] * 3 + [np.full_like(LABELS, 255)], axis=2)),
        ('white on transparent.png', np.stack([np.full_like(LABELS, 255)] * 3 + [LABELS], axis=2)),
        ('black on transparent.png', np.stack([0 * LABELS] * 3 + [LABELS], axis=2)),
    ],
)
def test_masks_of_every_kind_mean_the_same(tmp_path, name, pixels):
    cv2.imwrite(str(tmp_path / name), pixels)
    np.testing.assert_array_equal(mask_of(tmp_path / name), LABELS > 0)


@pytest.mark.parametrize(
    'palette',
    [
        [(0, 0, 0), (128, 0, 0), (0, 1, 0)],  # as DAVIS has it, and label 255 as black as the background
        [(9, 9, 9)] * 256,  # without any black, where the label alone can tell
    ],
)
def test_label_0_of_a_palette_is_the_background(tmp_path, palette):
    (tmp_path / 'mask.png').write_bytes(palette_png(LABELS, palette))
    np.testing.assert_array_equal(mask_of(tmp_path / 'mask.png'), LABELS > 0)


def test_a_palette_that_cannot_be_told_is_refused(tmp_path, capsys):
    """White is label 0, black is label 1: programs that sort their palettes write masks like that."""
    (tmp_path / 'mask.png').write_bytes(palette_png(1 - np.minimum(LABELS, 1), [(255, 255, 255), (0, 0, 0)]))
    with pytest.raises(SystemExit):
        mask_of(tmp_path / 'mask.png')
    assert 'save it without a palette' in capsys.readouterr().err


def test_a_mask_whose_file_is_cut_off_is_refused(tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for suffix in ('.jpg', '.png'):
        file = tmp_path / f'mask{suffix}'
        cv2.imwrite(str(file), noise)
        file.write_bytes(file.read_bytes()[:-100])
        with pytest.raises(SystemExit):
            mask_of(file)
        assert f'mask{suffix} cannot be read as an image; accepted is a label image' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (['--box', '1,2,3'], 'x0,y0,x1,y1'),
        (['--box', 'a,b,c,d'], 'x0,y0,x1,y1'),
        (['--point', '1,2,3,4'], 'x,y'),
        (['--point', '1,2,5'], 'must be 1'),
        (['--mask', 'nowhere.png'], 'nowhere.png'),
        (['--name', '../cup'], 'letters'),
    ],
)
def test_what_cannot_be_understood_is_refused(words, reason, capsys):
    with pytest.raises(SystemExit) as stop:
        prompts(*words)
    assert stop.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (['--name', 'cup', '--box', '0,0,9,9', '--box', '1,1,9,9'], "more than one box or mask for 'cup' on frame 0"),
        (['--box', '9,9,0,0'], 'x0 < x1'),
    ],
)
def test_what_contradicts_itself_is_refused(words, reason):
    with pytest.raises(ValueError, match=reason):
        prompts(*words)


@pytest.mark.parametrize(
    ('given', 'reason'),
    [
        ({0: [Prompt('a', box=(100, 0, 120, 9))]}, 'outside the image of 80x60'),
        ({2: [Prompt('a', points=[(5, 61)])]}, 'outside'),
        ({0: [Prompt('a', points=[(5, 5)], labels=[0])]}, 'needs a positive point'),
        ({10: [Prompt('a', box=(0, 0, 9, 9))]}, 'frame 10, but the last frame is 9'),
    ],
)
def test_prompts_that_do_not_fit_the_video_are_refused(given, reason):
    with pytest.raises(ValueError, match=reason):
        check_prompts(given, size=(60, 80), frame_count=10)


def test_only_the_first_prompt_of_an_object_must_say_where_it_is():
    later = {3: [Prompt('a', points=[(5, 5)], labels=[0])]}
    check_prompts({**later, 0: [Prompt('a', box=(0, 0, 9, 9))]}, size=(60, 80), frame_count=None)
    for without_a_start in (later, {**later, 0: [Prompt('b', box=(0, 0, 9, 9))]}):
        with pytest.raises(ValueError, match='needs a positive point'):
            check_prompts(without_a_start, size=(60, 80), frame_count=None)
