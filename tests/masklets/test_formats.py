"""Files as the data sets have them are read, and what is broken or does not fit is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sam2_ros.files.masks import read_labels
from sam2_ros.masklets import format_of, read_masklets, write_masklets
from sam2_ros.masklets.sav_json import SavJson
from tests.masklets.videos import SIZE, masklet, square, video

OVERLAPPING = video(masklet(1, {0: square(0, 0)}), masklet(2, {0: square(1, 1)}), frames=(0,))


def write_png(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), pixels)


def test_the_example_line_of_mots(tmp_path: Path) -> None:
    runs = 'WSV:2d;1O10000O10000O1O100O100O1O100O1000000000000000O100O102N5K00O1O1N2O110OO2O001O1NTga3'
    (tmp_path / '0002.txt').write_text(f'52 1005 1 375 1242 {runs}\n')
    (clip,) = read_masklets(tmp_path)
    assert (clip.name, clip.size, clip.frame_count, clip.frame_rate) == ('0002', (375, 1242), 53, 10.0)
    (car,) = clip.masklets
    assert (car.number, car.class_name, list(car.masks)) == (1005, 'car', [52])
    assert car.masks[52].to_coco()['counts'] == runs


def test_mots_tells_the_class_by_the_number(tmp_path: Path) -> None:
    clip = video(
        masklet(5, {0: square(0, 0)}, class_name='pedestrian'), masklet(7, {0: square(4, 4)}), frames=(0,), name='x'
    )
    write_masklets([clip], tmp_path, format='mots-png')
    assert set(np.unique(read_labels(tmp_path / 'instances/x/000000.png'))) == {0, 7, 2005}


def test_palette_images_have_the_colours_of_davis(tmp_path: Path) -> None:
    write_masklets([video(masklet(2, {0: square(0, 0)}), frames=(0,))], tmp_path, format='davis')
    file = tmp_path / 'Annotations/clip/00000.png'
    assert cv2.imread(str(file))[0, 0].tolist() == [0, 128, 0]
    from PIL import Image

    with Image.open(file) as image:
        assert image.mode == 'P'
        np.testing.assert_array_equal(np.array(image), 2 * square(0, 0).mask())


def test_davis_with_a_folder_between_and_undecided_pixels(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 255]], np.uint8)
    write_png(tmp_path / 'Annotations/480p/bear/00000.png', labels)
    for frame in range(3):
        write_png(tmp_path / f'JPEGImages/480p/bear/{frame:05d}.jpg', np.zeros((1, 3, 3), np.uint8))
    write_png(tmp_path / 'Annotations/480p/binary/00000.png', np.array([[0, 255]], np.uint8))
    bear, binary = read_masklets(tmp_path)
    assert (bear.name, bear.frame_count, [one.number for one in bear.masklets]) == ('bear', 3, [1])
    assert [one.number for one in binary.masklets] == [255]


def test_videos_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    for part in ('indoor', 'outdoor'):
        write_png(tmp_path / f'Annotations/{part}/clip/00000.png', np.ones((2, 2), np.uint8))
    assert [clip.name for clip in read_masklets(tmp_path)] == ['indoor_clip', 'outdoor_clip']


def test_a_result_of_track_video(tmp_path: Path) -> None:
    for name in ('cup', 'bowl'):
        write_png(tmp_path / f'masks/{name}/000003.png', square(0, 0).mask().astype(np.uint8) * 255)
    (tmp_path / 'objects.csv').touch()
    (clip,) = read_masklets(tmp_path)
    assert clip.name == tmp_path.name and clip.frames == (3,)
    assert [(one.number, one.name) for one in clip.masklets] == [(1, 'bowl'), (2, 'cup')]


def test_a_frame_without_the_object_is_annotated_all_the_same(tmp_path: Path) -> None:
    write_masklets([video(masklet(0, {4: square(0, 0)}))], tmp_path / 'sav_val', format='sav-folders')
    files = sorted((tmp_path / 'sav_val/Annotations_6fps/clip/000').iterdir())
    assert [file.name for file in files] == ['00000.png', '00004.png', '00008.png']
    assert (tmp_path / 'sav_val/sav_val.txt').read_text() == 'clip\n'


def test_figures_of_sav_json(tmp_path: Path) -> None:
    large = masklet(4, {4: square(0, 0, 4), 12: square(0, 0, 2)})
    write_masklets([video(large, frames=(0, 4, 8, 12))], tmp_path, format='sav')
    tree = json.loads((tmp_path / 'clip_manual.json').read_text())
    assert tree['masklet_size_abs'] == [10.0] and tree['masklet_size_bucket'] == ['small']
    assert tree['masklet_size_rel'] == [10 / 48]
    assert tree['masklet_visibility_changes'] == [2] and tree['masklet_first_appeared_frame'] == [1.0]
    assert tree['masklet_frame_count'] == [4] and tree['masklet_num'] == 1
    assert tree['video_duration'] == 13 / 24


@pytest.mark.parametrize(
    ('format', 'clip', 'message'),
    [
        ('davis', OVERLAPPING, 'overlap in frame 0.*without_overlaps'),
        ('mots-png', OVERLAPPING, 'overlap in frame 0'),
        ('davis', video(masklet(0, {})), 'from 1 to 254'),
        ('davis', video(masklet(1, {}), masklet(1, {}, kind='auto')), 'different number'),
        ('sav', video(masklet(1, {}), frames=(0, 1)), r'every\(4\)'),
        ('sav-folders', video(), 'no masklets'),
        ('mots-txt', video(masklet(1, {}), frames=(0,)), 'no masks'),
        ('mots-txt', video(masklet(1, {0: square(0, 0)})), 'all frames'),
        ('mots-txt', video(masklet(1, {0: square(0, 0)}, class_name='cup'), frames=(0,)), "no class 'cup'"),
        ('mots-txt', video(masklet(2001, {0: square(0, 0)}, class_name='car'), frames=(0,)), 'not of its class'),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path: Path, format: str, clip: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_masklets([clip], tmp_path / 'out', format=format)
    assert not list(tmp_path.rglob('*.png'))


def sav_tree(tmp_path: Path, **changed: Any) -> dict[str, Any]:
    write_masklets([video(masklet(1, {0: square(0, 0)}))], tmp_path, format='sav')
    return json.loads((tmp_path / 'clip_manual.json').read_text()) | changed


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'video_height': None}, 'no video_height'),
        ({'video_duration': 0}, 'above 0'),
        ({'masklet_id': ['a']}, 'ids that are no numbers'),
        ({'masklet': [[]]}, '1 masklets, but not so many'),
        ({'masklet': [[{'size': [6, 8], 'counts': [1]}]]}, 'annotated frame 0: run lengths cover 1'),
        ({'masklet': [[{'size': [9, 8], 'counts': [72]}]]}, 'of 8 x 9 pixels, not 8 x 6'),
    ],
)
def test_broken_sav_json_is_told(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    (tmp_path / 'clip_manual.json').write_text(json.dumps(sav_tree(tmp_path, **changed)))
    with pytest.raises(ValueError, match=message):
        list(SavJson().read(tmp_path))


@pytest.mark.parametrize(
    ('tree', 'message'),
    [
        ('[]', 'must hold an object'),
        ('{', 'is not JSON'),
        ('{"videos": []}', 'no annotations'),
        ('{"videos": ["x"], "annotations": []}', "video 'x'"),
        ('{"videos": [{"id": 1}], "annotations": []}', 'no height'),
        ('{"videos": [], "annotations": [3]}', 'no video_id'),
        (
            '{"videos": [{"id": 1, "height": 2, "width": 2, "file_names": ["a/0.jpg"]}], '
            '"annotations": [{"id": 1, "video_id": 1, "segmentations": []}]}',
            '0 segmentations for 1 frames',
        ),
    ],
)
def test_broken_youtube_vis_is_told(tmp_path: Path, tree: str, message: str) -> None:
    file = tmp_path / 'set.json'
    file.write_text(tree)
    with pytest.raises(ValueError, match=message):
        list(read_masklets(file))


def test_broken_texts_of_mots_are_told(tmp_path: Path) -> None:
    (tmp_path / 'a.txt').write_text('0 1001 1 6 8 `1\n0 1001 2 6 8 `1\n')
    with pytest.raises(ValueError, match='line 2 has the number 1001'):
        list(read_masklets(tmp_path))


def test_label_images_of_two_sizes_are_told(tmp_path: Path) -> None:
    for frame, side in enumerate((2, 3)):
        write_png(tmp_path / f'Annotations/clip/{frame:05d}.png', np.ones((side, side), np.uint8))
    with pytest.raises(ValueError, match='differ in size'):
        list(read_masklets(tmp_path))


def test_a_folder_of_something_else_is_told_what_is_accepted(tmp_path: Path) -> None:
    (tmp_path / 'note.txt').write_text('hello')
    with pytest.raises(ValueError, match='holds no masklets; accepted are SA-V'):
        format_of(tmp_path)
    with pytest.raises(ValueError, match='does not exist'):
        format_of(tmp_path / 'nowhere')


def test_pycocotools_reads_what_is_written(tmp_path: Path) -> None:
    coco = pytest.importorskip('pycocotools.mask', reason='pycocotools is not installed: nothing to compare with')
    clip = video(masklet(1, {0: square(0, 0), 4: square(2, 3)}))
    write_masklets([clip], tmp_path, format='sav')
    write_masklets([clip], tmp_path / 'set.json', format='youtube-vis')
    sav = json.loads((tmp_path / 'clip_manual.json').read_text())['masklet']
    (annotation,) = json.loads((tmp_path / 'set.json').read_text())['annotations']
    for index, frame in enumerate(clip.frames):
        mask = clip.masklets[0].masks.get(frame)
        expected = mask.mask() if mask else np.zeros(SIZE, bool)
        np.testing.assert_array_equal(coco.decode(sav[index][0]), expected)
        runs = annotation['segmentations'][index]
        if mask is None:
            assert runs is None
            continue
        np.testing.assert_array_equal(coco.decode(runs), expected)
        assert coco.area(runs) == annotation['areas'][index]
        assert coco.toBbox(runs).tolist() == annotation['bboxes'][index]
