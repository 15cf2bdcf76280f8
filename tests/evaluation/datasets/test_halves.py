"""Clips of one's own by halves: for choosing by one and reporting the other."""

from pathlib import Path

import pytest

from sam2_ros.evaluation.datasets.dataset import DatasetError
from sam2_ros.evaluation.datasets.registry import open_dataset
from tests.evaluation.filmed import write_clip
from tests.evaluation.layouts import ALONE


def test_the_halves_take_turns_by_name(tmp_path: Path) -> None:
    for name in ('c', 'a', 'e', 'b', 'd'):
        write_clip(tmp_path / name, ALONE)
    named = {
        split: ''.join(open_dataset('folder', tmp_path, split).names) for split in ('first-half', 'second-half', '')
    }
    assert named == {'first-half': 'ace', 'second-half': 'bd', '': 'abcde'}


def test_one_clip_has_no_second_half(tmp_path: Path) -> None:
    write_clip(tmp_path / 'street', ALONE)
    assert open_dataset('folder', tmp_path, 'first-half').names == ('street',)
    with pytest.raises(DatasetError, match='holds one clip only, so it has no second half'):
        _ = open_dataset('folder', tmp_path, 'second-half').names


@pytest.mark.parametrize('between', ['', '480p'])
def test_the_layout_of_davis_gives_the_same(tmp_path: Path, between: str) -> None:
    write_clip(tmp_path / 'flat/street', ALONE)
    davis = tmp_path / 'DAVIS'
    write_clip(davis / 'JPEGImages' / between / 'street', ALONE, masks=davis / 'Annotations' / between / 'street')
    (davis / 'README.md').touch()
    flat, other = open_dataset('folder', tmp_path / 'flat'), open_dataset('folder', davis)
    assert list(other.names) == [f'{between}/street'.strip('/')]
    one, same = flat.sequence('street'), other.sequence(other.names[0])
    assert all((one.image(frame) == same.image(frame)).all() for frame in range(len(one.frames)))
    assert all((one.masks(frame)['1'] == same.masks(frame)['1']).all() for frame in range(len(one.frames)))
