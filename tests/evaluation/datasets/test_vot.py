"""The layout of the VOT toolkit, and the texts of its regions."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sam2_ros.evaluation.datasets.dataset import DatasetError
from sam2_ros.evaluation.datasets.vot import VotDataset
from sam2_ros.evaluation.datasets.vot_regions import box_text, mask_text, region_mask
from sam2_ros.evaluation.measures.boxes import boxes_of

SIZE = (6, 8)


def test_known_regions():
    mask = np.zeros(SIZE, bool)
    mask[2, 3:6] = mask[3, 4] = True
    assert mask_text(mask) == 'm3,2,3,2,0,3,1,1,1'
    assert np.array_equal(region_mask('m3,2,3,2,0,3,1,1,1', SIZE), mask)
    assert np.array_equal(region_mask('m3,2,3,2,0,3,1,1', SIZE), mask)  # the last zeros may be left out
    box = region_mask('1.6,0.9,3,2.2', SIZE)
    assert boxes_of(box).tolist() == [2, 1, 3, 2]
    assert region_mask('1', SIZE) is None and region_mask('nan,nan,nan,nan', SIZE) is None
    assert not region_mask('0,0,0,0', SIZE).any()


@pytest.mark.parametrize(('text', 'pixels'), [('-1,-1,3,3', 4), ('6,4,5,5', 4), ('9,9,2,2', 0), ('m-1,0,2,1,0,2', 1)])
def test_what_lies_outside_is_cut_off(text, pixels):
    assert region_mask(text, SIZE).sum() == pixels


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_masks_round_trip(mask):
    assert np.array_equal(region_mask(mask_text(mask), mask.shape), mask)


@given(st.integers(0, 5), st.integers(0, 3), st.integers(1, 3), st.integers(1, 3))
def test_boxes_round_trip(x, y, width, height):
    assert boxes_of(region_mask(box_text(np.array([x, y, width, height])), (6, 8))).tolist() == [x, y, width, height]


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('1,2,x,4', 'its parts must be numbers'),
        ('1,2,3,4,5,6', 'polygons are not read'),
        ('m0,0,2,2,1,9', 'do not fit into 2 x 2 pixels'),
        ('m0,0,-2,2', 'do not fit into'),
    ],
)
def test_what_is_no_region(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        region_mask(text, SIZE)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / 'ants'
    (folder / 'color').mkdir(parents=True)
    for number in range(1, 5):
        cv2.imwrite(str(folder / 'color' / f'{number:08d}.jpg'), np.zeros((*SIZE, 3), np.uint8))
    (folder / 'sequence').write_text('channels.color=color/%08d.jpg\nfps=30\n')
    (folder / 'groundtruth.txt').write_text('1,1,3,2\n2,1,3,2\n0\n')
    (folder / 'anchor.value').write_text('1\n0\n0\n-1\n')
    (folder / 'occlusion.tag').write_text('0\n1\n0\n0\n')
    (tmp_path / 'list.txt').write_text('ants\n')
    return tmp_path


def test_a_sequence(root):
    data = VotDataset(root)
    sequence = data.sequence(*data.names)
    only = sequence.objects[0]
    assert (len(sequence.frames), sequence.size, only.object_id) == (4, SIZE, 'object')
    assert boxes_of(sequence.masks(1)['object']).tolist() == [2, 1, 3, 2]
    assert only.scored == (1,) and sequence.masks(2) == {} and sequence.masks(3) == {}
    assert sequence.anchors == {0: True, 3: False} and sequence.attributes == {'occlusion': 'yes'}
    assert sequence.first_mask(only).sum() == 6


def test_several_objects(root):
    folder = root / 'ants'
    (folder / 'groundtruth.txt').rename(folder / 'groundtruth_a.txt')
    (folder / 'groundtruth_b.txt').write_text('m3,2,3,2,0,3,1,1,1\n')
    sequence = VotDataset(root).sequence('ants')
    assert [one.object_id for one in sequence.objects] == ['a', 'b']
    assert sequence.first_mask(sequence.objects[1]).sum() == 4
    assert sequence.objects[1].scored == () and list(sequence.masks(1)) == ['a']


def test_didi_begins_with_a_mask_of_its_own(root):
    (root / 'ants' / 'first_frame_segm.txt').write_text('m3,2,3,2,0,3,1,1,1\n')
    sequence = VotDataset(root).sequence('ants')
    assert sequence.first_mask(sequence.objects[0]).sum() == 4 and sequence.masks(0)['object'].sum() == 6


@pytest.mark.parametrize(
    ('file', 'text', 'sentence'),
    [
        ('groundtruth.txt', '0\n' * 5, r'groundtruth\.txt has 5 regions, but there are 4 images'),
        ('groundtruth.txt', '0\n', 'object has no region in the first frame'),
        ('groundtruth.txt', '1,2,3\n', r'ants, the first mask of object: .* is no region'),
        ('anchor.value', 'x\n', r'anchor\.value must hold a number in each line'),
        ('anchor.value', '1\n' * 5, r'anchor\.value has 5 values, but there are 4 images'),
        ('color/00000001.jpg', 'no image', r'00000001\.jpg cannot be read as an image'),
    ],
)
def test_a_damaged_sequence_names_the_file(root, file, text, sentence):
    (root / 'ants' / file).write_text(text)
    with pytest.raises((DatasetError, OSError), match=sentence):
        sequence = VotDataset(root).sequence('ants')
        sequence.first_mask(sequence.objects[0])
