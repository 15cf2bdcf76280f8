"""Files and folders that are whole, or what they were before."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam2_ros.files.writing import write_whole, write_whole_folder


def test_a_file_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / 'new' / 'file.txt'
    for text in (b'one', b'two'):
        write_whole(file, text)
        assert file.read_bytes() == text
    assert [path.name for path in file.parent.iterdir()] == ['file.txt']
    with pytest.raises(OSError, match=r'folder.* cannot be written: Is a directory'):
        (tmp_path / 'folder').mkdir()
        (tmp_path / 'folder' / 'x').touch()
        write_whole(tmp_path / 'folder', b'text')


def test_a_folder_is_written_anew_or_left_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / 'result'
    write_whole_folder(folder, lambda part: write_whole(part / 'a' / 'old.txt', b'1'))
    write_whole_folder(folder, lambda part: write_whole(part / 'new.txt', b'2'))
    assert [path.name for path in folder.iterdir()] == ['new.txt']

    def fail(part: Path) -> None:
        write_whole(part / 'half.txt', b'3')
        raise ValueError('no more')

    with pytest.raises(ValueError, match='no more'):
        write_whole_folder(folder, fail)
    assert [path.name for path in tmp_path.iterdir()] == ['result']
    assert [path.name for path in folder.iterdir()] == ['new.txt']
