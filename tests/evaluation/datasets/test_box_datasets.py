"""LaSOT, GOT-10k and UTB180 in their layouts on disk, whole and damaged."""

import numpy as np
import pytest

from sam2_ros.evaluation.datasets.dataset import DatasetError
from sam2_ros.evaluation.datasets.got10k import Got10k
from sam2_ros.evaluation.datasets.lasot import Lasot
from sam2_ros.evaluation.datasets.reading import read_flags, read_numbers
from sam2_ros.evaluation.datasets.registry import open_dataset
from sam2_ros.evaluation.datasets.utb180 import Utb180

BOXES = [[10, 20, 30, 40], [11, 20, 30, 40], [0, 0, 0, 0]]


def images(folder, *, count=3, digits=8, first=1):
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        (folder / f'{number:0{digits}}.jpg').touch()


def lines(rows, separator=','):
    return '\n'.join(separator.join(map(str, row)) for row in rows) + '\n'


@pytest.fixture
def lasot(tmp_path):
    folder = tmp_path / 'airplane' / 'airplane-1'
    images(folder / 'img')
    (folder / 'groundtruth.txt').write_text(lines(BOXES))
    (folder / 'full_occlusion.txt').write_text('0,0,1')
    (folder / 'out_of_view.txt').write_text('0,1,0\n')
    return tmp_path


@pytest.fixture
def got10k(tmp_path):
    folder = tmp_path / 'val' / 'GOT-10k_Val_000001'
    images(folder)
    (tmp_path / 'val' / 'list.txt').write_text('GOT-10k_Val_000001\n')
    (folder / 'groundtruth.txt').write_text(lines([[10.5, 20, 30, 40], *BOXES[1:]]))
    (folder / 'cover.label').write_text('8\n3\n0\n')
    (folder / 'meta_info.ini').write_text('[METAINFO]\nurl: https://example.org\nobject_class: bear\n')
    return tmp_path


def test_lasot(lasot):
    data = Lasot(lasot)
    assert data.names == ('airplane-1',)
    sequence = data.sequence('airplane-1')
    assert [file.name for file in sequence.frames] == ['00000001.jpg', '00000002.jpg', '00000003.jpg']
    only = sequence.objects[0]
    assert only.boxes.tolist() == BOXES and only.boxes.dtype == np.float64
    assert only.visible.tolist() == [True, False, False] and only.scored == (1, 2)
    assert sequence.attributes == {'full occlusion': 'yes', 'out of view': 'yes'}


def test_lasot_by_a_list_of_names(lasot):
    (lasot / 'testing_set.txt').write_text('airplane-1\nbird-12\n')
    data = open_dataset('lasot', lasot)
    assert open_dataset('lasot', lasot, 'all').names == ('airplane-1',)
    assert data.names == ('airplane-1', 'bird-12')
    with pytest.raises(DatasetError, match='bird/bird-12/img holds no images'):
        data.sequence('bird-12')


def test_got10k(got10k):
    data = Got10k(got10k)
    sequence = data.sequence(*data.names)
    assert sequence.objects[0].boxes[0].tolist() == [10.5, 20, 30, 40]
    assert sequence.objects[0].visible.tolist() == [True, True, False]
    assert sequence.attributes['object_class'] == 'bear'


def test_got10k_test_shows_the_first_box_only(got10k):
    (got10k / 'val').rename(got10k / 'test')
    folder = got10k / 'test' / 'GOT-10k_Val_000001'
    (folder / 'groundtruth.txt').write_text('10.5,20,30,40\n')
    sequence = Got10k(got10k, 'test').sequence('GOT-10k_Val_000001')
    only = sequence.objects[0]
    assert only.scored == () and only.boxes.tolist() == [[10.5, 20, 30, 40], [0] * 4, [0] * 4]
    (folder / 'groundtruth.txt').write_text(lines(BOXES))
    with pytest.raises(DatasetError, match='has 3 boxes; in the test split it has one'):
        Got10k(got10k, 'test').sequence('GOT-10k_Val_000001')


@pytest.mark.parametrize('separator', [',', '\t', ' '])
def test_utb180(tmp_path, separator):
    folder = tmp_path / 'Video_0001'
    images(folder / 'imgs', digits=4)
    (folder / 'groundtruth_rect.txt').write_text(lines(BOXES, separator))
    data = Utb180(tmp_path)
    sequence = data.sequence(*data.names)
    only = sequence.objects[0]
    assert only.boxes.tolist() == BOXES and only.visible.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ('file', 'text', 'sentence'),
    [
        ('groundtruth.txt', None, r'groundtruth.txt cannot be read: No such file'),
        ('groundtruth.txt', '', r'groundtruth.txt is empty'),
        ('groundtruth.txt', '1,2,3,4\n1,2,x,4\n', r"groundtruth.txt, line 2: '1,2,x,4' is not 4 numbers"),
        ('groundtruth.txt', '1,2,3\n', r'line 1: .* is not 4 numbers'),
        ('groundtruth.txt', '1,2,3,4\n', r'groundtruth.txt has 1 boxes, but airplane-1 has 3 images'),
        ('full_occlusion.txt', '0,0,2', r"full_occlusion.txt must hold 0 and 1 only, but holds '2'"),
        ('out_of_view.txt', '0,0', r'out_of_view.txt has 2 marks, but airplane-1 has 3 images'),
    ],
)
def test_a_damaged_data_set_names_the_file(lasot, file, text, sentence):
    path = lasot / 'airplane' / 'airplane-1' / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(DatasetError, match=sentence):
        Lasot(lasot).sequence('airplane-1')


def test_what_is_no_data_set(tmp_path, got10k):
    with pytest.raises(DatasetError, match='is it the folder of LaSOT'):
        _ = Lasot(tmp_path / 'nowhere').names
    with pytest.raises(DatasetError, match='is it the folder of UTB180'):
        _ = Utb180(tmp_path / 'nowhere').names
    with pytest.raises(ValueError, match="no split 'dev'; accepted are train, val, test"):
        Got10k(got10k, 'dev')
    (got10k / 'val' / 'GOT-10k_Val_000001' / 'meta_info.ini').write_text('no section\n')
    with pytest.raises(DatasetError, match=r'meta_info\.ini cannot be read'):
        Got10k(got10k).sequence('GOT-10k_Val_000001')


def test_numbers_and_flags(tmp_path):
    file = tmp_path / 'table.txt'
    file.write_text('1, 2.5\n\n3 4\n')
    assert read_numbers(file, columns=2).tolist() == [[1, 2.5], [3, 4]]
    file.write_text('0\n1\n1\n')
    assert read_flags(file).tolist() == [False, True, True]
    file.write_bytes(b'\xff\xfe\x00')
    with pytest.raises(DatasetError, match='it is no text'):
        read_flags(file)
