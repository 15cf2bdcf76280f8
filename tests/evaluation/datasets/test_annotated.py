"""Folders of filmed clips: which targets they have, which half they are of, and what is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.evaluation.datasets.annotated import ClipFolder
from sam2_ros.evaluation.datasets.clips import first_shown
from tests.evaluation.filmed import HEIGHT, WIDTH, draw_labels, write_clip

LABELS = draw_labels({1: range(4), 3: range(2, 4), 2: [1]}, frames=4)


def test_every_object_is_a_target_from_the_first_frame_that_shows_it(tmp_path: Path) -> None:
    """But object 2 shows in one frame only: it could be prompted there, and never be found again."""
    write_clip(tmp_path / 'street', LABELS)
    targets = ClipFolder(tmp_path).targets(0)
    assert list(targets) == [1, 3]
    for label, start in ((1, 0), (3, 2)):
        target = targets[label]
        np.testing.assert_array_equal(target.truth, label == LABELS)
        assert first_shown(target.truth) == start
        assert target.images is targets[1].images  # so that they are tracked together
        begun = target.from_start()
        np.testing.assert_array_equal(begun.truth, LABELS[start:] == label)
        np.testing.assert_array_equal(begun.images, target.images[start:])
    images = targets[1].images
    assert images.shape == (4, HEIGHT, WIDTH, 3) and images.dtype == np.uint8
    red, green, blue = images[0, 16, 12].tolist()
    assert red > 150 and green < 110 and blue < 110  # RGB


@pytest.mark.parametrize('between', ['', '480p'])
def test_the_layout_of_davis_gives_the_same(tmp_path: Path, between: str) -> None:
    write_clip(tmp_path / 'flat/street', LABELS)
    davis = tmp_path / 'DAVIS'
    write_clip(davis / 'JPEGImages' / between / 'street', LABELS, masks=davis / 'Annotations' / between / 'street')
    (davis / 'README.md').touch()
    flat, other = ClipFolder(tmp_path / 'flat'), ClipFolder(davis)
    assert list(other.names) == [f'{between}/street'.strip('/')]
    assert [one.digest() for one in flat.targets(0).values()] == [one.digest() for one in other.targets(0).values()]


def test_the_halves_take_turns_by_name(tmp_path: Path) -> None:
    for name in ('c', 'a', 'e', 'b', 'd'):
        write_clip(tmp_path / 'clips' / name, LABELS)
    by_half = {half: ClipFolder(tmp_path / 'clips', half) for half in ('first', 'second', 'all')}
    named = {half: [clips.names[number] for number in clips.numbers] for half, clips in by_half.items()}
    assert named == {'first': ['a', 'c', 'e'], 'second': ['b', 'd'], 'all': ['a', 'b', 'c', 'd', 'e']}
    first = '3 of the 5 in clips, sorted by name: the first half (the 1st, 3rd, 5th ...)'
    assert by_half['first'].description == first and str(tmp_path) not in first
    assert by_half['first'].config() == by_half['second'].config()  # predictions of both are kept side by side


def test_other_clips_are_told_from_these(tmp_path: Path) -> None:
    write_clip(tmp_path / 'street', LABELS)
    before = ClipFolder(tmp_path).config()
    assert before == ClipFolder(tmp_path).config()
    write_clip(tmp_path / 'street', LABELS[::-1])
    assert ClipFolder(tmp_path).config() != before


def test_one_object_may_have_the_label_255(tmp_path: Path) -> None:
    """As in DAVIS 2016, whose masks are black and white."""
    write_clip(tmp_path / 'street', np.where(LABELS == 1, 255, 0).astype(np.uint8))
    assert list(ClipFolder(tmp_path).targets(0)) == [255]


def test_beside_other_objects_the_label_255_is_that_of_undecided_pixels(tmp_path: Path) -> None:
    write_clip(tmp_path / 'street', np.where(LABELS == 3, 255, LABELS))
    assert list(ClipFolder(tmp_path).targets(0)) == [1]


def test_folders_without_such_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'holds no clips; a clip is NAME/00000\.jpg with NAME/00000\.png, or JPEG'):
        ClipFolder(tmp_path / 'nowhere')
    write_clip(tmp_path / 'street', LABELS)
    with pytest.raises(ValueError, match='holds one clip only, so it has no second half'):
        ClipFolder(tmp_path, 'second')
    with pytest.raises(ValueError, match="there is no half 'third'; accepted are first, second, all"):
        ClipFolder(tmp_path, 'third')


def without_a_mask(folder: Path) -> None:
    (folder / '00002.png').unlink()


def with_a_small_mask(folder: Path) -> None:
    cv2.imwrite(str(folder / '00001.png'), np.zeros((20, 30), np.uint8))


def with_a_colour_mask(folder: Path) -> None:
    cv2.imwrite(str(folder / '00001.png'), np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def with_a_large_frame(folder: Path) -> None:
    cv2.imwrite(str(folder / '00001.jpg'), np.zeros((64, 64, 3), np.uint8))
    cv2.imwrite(str(folder / '00001.png'), np.zeros((64, 64), np.uint8))


def without_objects(folder: Path) -> None:
    write_clip(folder, np.where(LABELS == 2, LABELS, 0))


def with_a_broken_image(folder: Path) -> None:
    (folder / '00001.jpg').write_bytes(b'nothing')


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (without_a_mask, r'00002\.jpg has no label image .*00002\.png; every frame needs one'),
        (with_a_small_mask, r'00001\.jpg: its masks are 30 x 20 pixels, but the images 64 x 48'),
        (with_a_colour_mask, r'00001\.png has colours without a palette, which are no labels; accepted is a palette'),
        (with_a_large_frame, r'the images of .*street differ in size'),
        (without_objects, r'street has no object that shows in 2 frames or more'),
        (with_a_broken_image, r'00001\.jpg cannot be read as an image'),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_work(tmp_path: Path, damage, message: str) -> None:
    write_clip(tmp_path / 'street', LABELS)
    damage(tmp_path / 'street')
    with pytest.raises((ValueError, OSError), match=message):
        ClipFolder(tmp_path).config()
