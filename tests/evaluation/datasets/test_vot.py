"""The layout of the VOT toolkit, and the texts of its regions."""

import subprocess

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
from tests.evaluation.vot_toolkit import TOOLKIT, needs_toolkit

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


# Masks that vot-toolkit 0.7.1 makes of polygons, in images of 9 x 12 pixels.
POLYGONS = {
    '3.2,1.1,9.6,2.9,8.4,7.2,2.0,5.4': """
............
...#........
..#####.....
..#########.
..########..
..########..
.....####...
........#...
............""",
    '1,1,1,4,6,4': """
............
.#..........
.##.........
.####.......
.######.....
............
............
............
............""",
    '2,1,8,1,2,7,8,7': """
............
..#######...
...#####....
....###.....
.....#......
....###.....
...#####....
..#######...
............""",
    '-3.5,4.5,5.5,-3.5,14.5,4.5,5.5,12.5': """
.##########.
############
############
############
############
############
############
############
.##########.""",
    '4,3,9,3,9,3,4,3': """
............
............
............
....######..
............
............
............
............
............""",
    '2,7,4,2,6,7,8,2,10,7': """
............
............
....#####...
...##..##...
...##..##...
..########..
..########..
..#########.
............""",
}


@pytest.mark.parametrize('text', POLYGONS)
def test_polygons(text):
    mask = region_mask(text, (9, 12))
    assert ''.join(np.where(mask, '#', '.').ravel()) == POLYGONS[text].replace('\n', '')


def test_a_polygon_outside_the_image_is_empty():
    assert not region_mask('30,30,40,30,40,40', SIZE).any()
    assert region_mask('-1e30,-1e30,1e30,-1e30,1e30,1e30,-1e30,1e30', SIZE).all()
    assert region_mask('nan,nan,nan,nan,nan,nan,nan,nan', SIZE) is None


@given(st.lists(st.integers(0, 7), min_size=2, max_size=2, unique=True), st.lists(st.integers(0, 5), min_size=2,
       max_size=2, unique=True))  # fmt: skip
def test_an_upright_polygon_has_its_last_row_and_column_unlike_a_box(xs, ys):
    (left, right), (top, bottom) = sorted(xs), sorted(ys)
    mask = region_mask(f'{left},{top},{right},{top},{right},{bottom},{left},{bottom}', SIZE)
    assert boxes_of(mask).tolist() == [left, top, right - left + 1, bottom - top + 1] and mask.sum() == (
        (right - left + 1) * (bottom - top + 1)
    )


@pytest.mark.slow
@needs_toolkit
def test_polygons_equal_those_of_the_toolkit():
    """Random ones, also with corners on pixels, between two, twice the same, and outside."""
    rng = np.random.default_rng(0)
    corners = [rng.uniform(-12, 24, (int(rng.choice([3, 4, 4, 4, 7])), 2)) for _ in range(1000)]
    kinds = (lambda one: one, np.round, lambda one: np.round(2 * one) / 2, lambda one: np.round(one / 4))
    texts = [','.join(f'{x:.4f}' for x in kinds[n % 4](one).ravel()) for n, one in enumerate(corners)]
    program = (
        'import sys\nfrom vot.region.io import parse_region\nfor line in sys.stdin:\n'
        '    print(parse_region(line.strip()).rasterize((0, 0, 11, 8)).tobytes().hex())'
    )
    run = subprocess.run([TOOLKIT, '-c', program], input='\n'.join(texts), capture_output=True, text=True, check=True)
    for text, line in zip(texts, run.stdout.split(), strict=True):
        official = np.frombuffer(bytes.fromhex(line), np.uint8).reshape(9, 12)
        assert np.array_equal(region_mask(text, (9, 12)), official), text


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('1,2,x,4', 'its parts must be numbers'),
        ('1,2,3,4,5', 'a polygon 6, 8 or more'),
        ('1,2', 'a box has 4 numbers'),
        ('1,2,3,4,5,inf', 'must be finite'),
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


def test_a_sequence_of_the_first_years(root):
    """Images beside the truth, which is polygons; no file `sequence`, no anchors."""
    folder = root / 'ants'
    for image in list((folder / 'color').iterdir()):
        image.rename(folder / image.name)
    (folder / 'color').rmdir()
    for file in ('sequence', 'anchor.value'):
        (folder / file).unlink()
    (folder / 'groundtruth.txt').write_text('1,1,3,1,3,2,1,2\n' * 4)
    sequence = VotDataset(root).sequence('ants')
    assert (len(sequence.frames), sequence.anchors, sequence.objects[0].scored) == (4, {}, (1, 2, 3))
    assert boxes_of(sequence.first_mask(sequence.objects[0])).tolist() == [1, 1, 3, 2]


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
