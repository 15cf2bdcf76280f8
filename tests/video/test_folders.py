"""Folders of videos: what in them is a video, and what is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.video.folders import videos_of
from sam2_ros.video.source import SourceError, open_source


def image(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.zeros((8, 8, 3), np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    image(tmp_path / 'clip_2' / '0.png')
    image(tmp_path / 'deep' / 'er' / '0.png')
    image(tmp_path / '.thumbnails' / '0.png')
    for name in ('clip_10.MP4', 'clip_9.mkv', '._clip_9.mkv', 'notes.txt', 'clip_9.json'):
        (tmp_path / name).write_bytes(b'x')
    (tmp_path / 'empty').mkdir()
    return tmp_path


def test_video_files_and_folders_of_images_in_the_order_of_their_numbers(folder: Path) -> None:
    assert videos_of(str(folder)) == [str(folder / name) for name in ('clip_2', 'clip_9.mkv', 'clip_10.MP4')]


def test_a_folder_with_images_is_one_video(folder: Path) -> None:
    image(folder / '1.jpg')
    assert videos_of(str(folder)) == [str(folder)]
    assert open_source(str(folder)).frame_count == 1


@pytest.mark.parametrize('source', ['synthetic', 'nowhere/clip.mp4', 'rtsp://camera', '0', ''])
def test_other_sources_stand_for_themselves(source: str) -> None:
    assert videos_of(source) == [source]


def test_a_folder_without_videos_is_told(folder: Path) -> None:
    with pytest.raises(SourceError, match=r'empty holds no images and no videos; accepted are images \(\.jpg.*\.mp4'):
        videos_of(str(folder / 'empty'))
