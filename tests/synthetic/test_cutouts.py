"""Folders of cut-outs and backgrounds: what is read, what is refused, and what is held out."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.synthetic.cutouts import MANIFEST_COLUMNS, Material, Picture, read_material
from tests.synthetic.material import draw_material, flat, row, write_manifest, write_png


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three red cut-outs and three grey backgrounds."""
    draw_material(tmp_path, lambda _: flat(8, 6, (200, 0, 0)), lambda _: (90, 90, 90), number=3)
    return tmp_path


def read(folder: Path) -> Material:
    return read_material(folder / 'sprites', folder / 'backgrounds')


def test_pictures_come_with_class_source_and_cut_side(folder: Path) -> None:
    first = row('sprites/00.png', source='photo 1', note='blurred cut:left', **{'class': 'dog'})
    write_manifest(folder, [first, row('sprites/01.png', use='')])
    cutouts = read(folder).cutouts
    assert cutouts == (
        Picture(folder / 'sprites/00.png', 'photo 1', 'dog', 'left'),
        Picture(folder / 'sprites/01.png', 'sprites/01.png'),
        Picture(folder / 'sprites/02.png', '02.png'),  # without a row it is its own source
    )
    assert cutouts[0].rgba().shape == (8, 6, 4) and (cutouts[0].rgba() == (200, 0, 0, 255)).all()
    grey = read(folder).backgrounds[0].rgb()
    assert grey.shape == (60, 80, 3) and (grey == 90).all()
    assert not grey.flags.writeable and not cutouts[0].rgba().flags.writeable


def test_what_the_manifest_does_not_use_is_left_out(folder: Path) -> None:
    write_manifest(folder, [row('sprites/00.png', use='weak'), row('backgrounds/01.png', use='no')])
    material = read(folder)
    assert [one.path.name for one in material.cutouts] == ['01.png', '02.png']
    assert [one.path.name for one in material.backgrounds] == ['00.png', '02.png']


def test_a_manifest_can_be_in_the_folder_itself_or_missing(folder: Path) -> None:
    (folder / 'MANIFEST.csv').unlink()
    assert [one.source for one in read(folder).cutouts] == ['00.png', '01.png', '02.png']
    write_manifest(folder / 'sprites', [row('00.png', source='photo 1')])
    assert [one.source for one in read(folder).cutouts] == ['photo 1', '01.png', '02.png']


def test_manifests_of_spreadsheets_are_read(folder: Path) -> None:
    """They begin with a mark, and may lack empty cells at the end of a row."""
    text = '\ufeff' + ','.join(MANIFEST_COLUMNS) + '\r\nsprites/00.png,sprite,dog,photo 1\r\n'
    (folder / 'MANIFEST.csv').write_text(text, encoding='utf-8')
    assert read(folder).cutouts[0] == Picture(folder / 'sprites/00.png', 'photo 1', 'dog')


@pytest.mark.parametrize('column', MANIFEST_COLUMNS)
def test_a_manifest_without_a_column_is_refused(folder: Path, column: str) -> None:
    write_manifest(folder, [row('sprites/00.png')], lacking=column)
    with pytest.raises(ValueError, match=rf'MANIFEST.csv lacks the columns {column}$'):
        read(folder)


def test_an_unknown_side_is_refused(folder: Path) -> None:
    write_manifest(folder, [row('sprites/00.png', note='cut:below')])
    with pytest.raises(ValueError, match=r"00.png is cut at \['below'\]; known sides are left, top, right, bottom"):
        read(folder)


def test_folders_without_pictures_to_use_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match='nowhere is no folder with'):
        read_material(folder / 'sprites', folder / 'nowhere')
    write_manifest(folder, [row(f'sprites/0{number}.png', use='weak') for number in range(3)])
    with pytest.raises(ValueError, match='sprites is no folder'):
        read(folder)


def test_other_files_are_refused_when_they_are_read(folder: Path) -> None:
    (folder / 'sprites/00.png').write_bytes(b'')
    (folder / 'sprites/01.png').write_bytes(b'no picture')
    write_png(folder / 'sprites/02.png', np.zeros((8, 8, 3), np.uint8))
    cv2.imwrite(str(folder / 'sprites/03.png'), np.zeros((8, 8, 4), np.uint16))
    pictures = read(folder).cutouts
    assert len(pictures) == 4
    for one in pictures:
        with pytest.raises(ValueError, match=rf'{one.path.name} is no 8-bit picture with an alpha channel'):
            one.rgba()
    for one in pictures[:2]:
        with pytest.raises(ValueError, match='is no 8-bit picture'):
            one.rgb()


def material(cutouts: list[int], backgrounds: list[int]) -> Material:
    """Pictures of numbered sources."""
    return Material(
        tuple(Picture(Path(f'c{index}'), f'photo {source}') for index, source in enumerate(cutouts)),
        tuple(Picture(Path(f'b{index}'), f'photo {source}') for index, source in enumerate(backgrounds)),
    )


SOURCES = st.lists(st.integers(0, 60), min_size=1, max_size=60)


@given(SOURCES, SOURCES)
def test_a_source_is_in_one_part_only(cutouts: list[int], backgrounds: list[int]) -> None:
    whole = material(cutouts, backgrounds)
    try:
        train, held = whole.split('train'), whole.split('heldout')
    except ValueError as error:
        assert 'cannot be divided into some for training and some held out; add more' in str(error)
        return
    for kind in ('cutouts', 'backgrounds'):
        parts = getattr(train, kind), getattr(held, kind)
        assert all(parts)
        assert sorted(parts[0] + parts[1], key=str) == sorted(getattr(whole, kind), key=str)
    sources = [{one.source for one in part.cutouts + part.backgrounds} for part in (train, held)]
    assert not sources[0] & sources[1]
    assert len({one.source for one in held.cutouts}) == -(-len(set(cutouts)) // 10)
    assert material(cutouts[::-1], backgrounds).split('heldout').backgrounds == held.backgrounds


def test_both_parts_refuse_what_one_part_would_lack() -> None:
    few = material([1], [2, 3])
    for name in ('train', 'heldout'):
        with pytest.raises(ValueError, match='1 pictures of 1 sources cannot be divided'):
            few.split(name)
    assert len(material([1, 2], [3, 4]).split('train').cutouts) == 1
