"""COCO's form with videos: pycocotools reads what is written, and files as other programs write them are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sam2_ros.masklets import format_of, read_masklets, write_masklets
from tests.masklets.videos import SIZE, masklet, square, video


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Two videos, with an object that is not seen in each frame, and one that never is."""
    first = video(masklet(1, {0: square(0, 0), 8: square(2, 3)}, class_name='cup'), masklet(7, {4: square(1, 1, 4)}))
    second = video(masklet(1, {0: square(3, 3)}), masklet(2, {}), frames=(0, 1), name='other')
    write_masklets([first, second], tmp_path / 'set.json', format='coco-video')
    return tmp_path / 'set.json'


def test_pycocotools_loads_the_file(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco_module = pytest.importorskip('pycocotools.coco', reason='pycocotools is not installed: nothing to check with')
    coco = coco_module.COCO(str(written))
    assert len(coco.imgs) == 5 and len(coco.anns) == 4
    clips = {clip.name: clip for clip in read_masklets(written)}
    videos = {entry['id']: entry['name'] for entry in coco.dataset['videos']}
    for image in coco.imgs.values():
        clip = clips[videos[image['video_id']]]
        expected = {one.number: one.masks[image['frame_id']] for one in clip.masklets if image['frame_id'] in one.masks}
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[image['id']]))
        assert {one['instance_id'] for one in annotations} == set(expected)
        for one in annotations:
            mask = expected[one['instance_id']]
            np.testing.assert_array_equal(coco.annToMask(one), mask.mask())
            assert one['area'] == mask.area
            assert one['bbox'] == coco_module.maskUtils.toBbox(one['segmentation']).tolist()
            assert one['video_id'] == image['video_id']
    assert {one['name'] for one in coco.loadCats(coco.getCatIds())} == {'cup', 'object'}
    assert coco.getImgIds(catIds=coco.getCatIds(catNms=['cup'])) == [1, 3]


def other_file(folder: Path, **changed: Any) -> Path:
    """As other programs write it: images in any order, track_id and frame_index, a polygon, no sizes of videos."""
    listed = square(3, 3).to_coco(short=False)
    tree = {
        'videos': [{'id': 'v', 'name': 'train/clip'}],
        'images': [
            {'id': 12, 'video_id': 'v', 'frame_index': 1, 'file_name': 'b.jpg', 'height': 6, 'width': 8},
            {'id': 11, 'video_id': 'v', 'frame_index': 0, 'file_name': 'a.jpg', 'height': 6, 'width': 8},
        ],
        'annotations': [
            {'id': 1, 'image_id': 11, 'track_id': 5, 'category_id': 3, 'segmentation': [[2, 1, 6, 1, 6, 4, 2, 4]]},
            {'id': 2, 'image_id': 12, 'track_id': 5, 'category_id': 3, 'segmentation': square(0, 0).to_coco()},
            {'id': 3, 'image_id': 12, 'track_id': 6, 'category_id': 3, 'segmentation': listed},
        ],
        'categories': [{'id': 3, 'name': 'car'}],
    }  # fmt: skip
    file = folder / 'other.json'
    file.write_text(json.dumps(tree | changed))
    return file


def test_a_file_of_another_program(tmp_path: Path) -> None:
    file = other_file(tmp_path)
    assert format_of(file).name == 'coco-video'
    (clip,) = read_masklets(file, frame_rate=5.0)
    assert (clip.name, clip.size, clip.frame_rate, clip.frames, clip.frame_count) == (
        'train_clip',
        SIZE,
        5.0,
        (0, 1),
        2,
    )
    assert [(one.number, one.class_name, sorted(one.masks)) for one in clip.masklets] == [
        (5, 'car', [0, 1]),
        (6, 'car', [1]),
    ]
    assert clip.masklets[1].masks[1] == square(3, 3)


def test_polygons_are_filled_as_pycocotools_does(tmp_path: Path) -> None:
    """To the pixels that an edge cuts, which the two draw differently."""
    coco = pytest.importorskip('pycocotools.mask', reason='pycocotools is not installed: nothing to compare with')
    corners = [[20.5, 10.2, 70.1, 25.0, 55.3, 80.7, 15.0, 60.0], [80, 80, 95, 82, 90, 95]]
    images = [{'id': 1, 'video_id': 1, 'frame_id': 0, 'height': 100, 'width': 120}]
    annotation = {'id': 1, 'image_id': 1, 'instance_id': 1, 'category_id': 3, 'segmentation': corners}
    (clip,) = read_masklets(other_file(tmp_path, videos=[{'id': 1}], images=images, annotations=[annotation]))
    ours = clip.masklets[0].masks[0].mask()
    theirs = coco.decode(coco.merge(coco.frPyObjects(corners, 100, 120))).astype(bool)
    assert (ours & theirs).sum() > 0.98 * (ours | theirs).sum()
    edge = cv2.morphologyEx(theirs.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    assert not ((ours != theirs) & ~edge).any()


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'videos': None}, 'no videos'),
        ({'images': [{'id': 1}]}, 'an image in .* no video_id'),
        ({'annotations': [{'id': 1}]}, 'an annotation in .* no image_id'),
        ({'images': [{'id': 1, 'video_id': 'v'}]}, 'image 1 of video .* no frame_index'),
        ({'images': [{'id': 1, 'video_id': 'v', 'frame_id': 0}]}, 'no height'),
        (
            {'images': [{'id': number, 'video_id': 'v', 'frame_id': 0, 'height': 2, 'width': 2} for number in (1, 2)]},
            'same frame 0',
        ),
        ({'annotations': [{'id': 4, 'image_id': 11}]}, 'annotation 4 .*frame 0 has no track_id'),
        (
            {'annotations': [{'id': 4, 'image_id': 11, 'track_id': 1, 'segmentation': None}]},
            'without an outline',
        ),
        (
            {'annotations': [{'id': 4, 'image_id': 11, 'track_id': 1, 'segmentation': [[1, 2, 3]]}]},
            'three corners or more',
        ),
        (
            {
                'annotations': [
                    {'id': 4, 'image_id': 11, 'track_id': 1, 'segmentation': {'size': [6, 8], 'counts': [3]}}
                ]
            },
            'run lengths cover 3',
        ),
        (
            {
                'annotations': [
                    {'id': number, 'image_id': 11, 'track_id': 1, 'segmentation': square(0, 0).to_coco()}
                    for number in (4, 5)
                ]
            },
            'annotation 5 .* second mask of object 1',
        ),
    ],
)
def test_what_is_broken_is_told(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(read_masklets(other_file(tmp_path, **changed), format='coco-video'))


def test_equal_numbers_are_refused(tmp_path: Path) -> None:
    clip = video(masklet(1, {}), masklet(1, {}, kind='auto'))
    with pytest.raises(ValueError, match=r'same number; AnnotatedVideo\.numbered'):
        write_masklets([clip], tmp_path / 'set.json', format='coco-video')
