"""Frames in any order: always those that reading from the start gives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_ros.video import seeking
from sam2_ros.video.frames import VideoFrames
from sam2_ros.video.source import FrameSource, open_source

FRAMES, HEIGHT, WIDTH = 60, 48, 64
CODECS = {'mp4v': 'clip.mp4', 'MJPG': 'clip.avi', 'mp4v in avi': 'clip2.avi', 'mp4v in mkv': 'clip.mkv'}


def _write(file: Path, codec: str, *, count: int = FRAMES) -> Path:
    """Frames with a bar whose height is the number of the frame, on noise that makes keyframes differ from others."""
    rng = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*codec[:4]), 12.5, (WIDTH, HEIGHT))
    for number in range(count):
        image = rng.integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        image[:, : number + 2] = (40, 120, 220)
        writer.write(image)
    writer.release()
    return file


@pytest.fixture(scope='module', params=CODECS)
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp('video') / CODECS[request.param], request.param)


@settings(max_examples=10)
@given(order=st.lists(st.integers(0, FRAMES - 1), min_size=1, max_size=12))
def test_any_order_gives_what_reading_from_the_start_gives(video: Path, order: list[int]) -> None:
    source = open_source(str(video))
    expected = list(source)
    frames = VideoFrames(open_source(str(video)))
    assert len(frames) == FRAMES == len(expected)
    for index in order:
        assert np.array_equal(frames[index], expected[index]), index


def test_backwards(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where only a few frames are kept at a time; and the file is not decoded from its start for each."""
    monkeypatch.setattr(seeking, 'MAX_CHUNK', 8)
    expected = list(open_source(str(video)))
    frames = VideoFrames(open_source(str(video)))
    grabbed = 0
    grab = seeking.SeekingCapture._grab

    def counted(capture: seeking.SeekingCapture) -> bool:
        nonlocal grabbed
        grabbed += 1
        return grab(capture)

    monkeypatch.setattr(seeking.SeekingCapture, '_grab', counted)
    for index in reversed(range(FRAMES)):
        assert np.array_equal(frames[index], expected[index]), index
    assert grabbed <= 2.5 * FRAMES


def test_files_whose_frames_have_no_times_of_their_own(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a jump cannot be checked, the file is read from its start."""
    monkeypatch.setattr(seeking, 'SAME_TIME', 1e9)
    frames, expected = VideoFrames(open_source(str(video))), list(open_source(str(video)))
    for index in (50, 3, 59, 20, 4):
        assert np.array_equal(frames[index], expected[index])


def test_a_file_that_ends_early_becomes_shorter(tmp_path: Path) -> None:
    source = open_source(str(_write(tmp_path / 'short.avi', 'MJPG', count=9)))
    assert source.access is not None
    pretended = FrameSource(
        source.name,
        source.size,
        source.frame_rate,
        12,
        source.read,
        access=type(source.access)(source.access.of, lambda: 12),
    )
    frames = VideoFrames(pretended)
    assert len(frames) == 12
    with pytest.warns(UserWarning, match='ends before frame 9'), pytest.raises(IndexError):
        frames[9]
    assert len(frames) == 9
    assert frames[-1].shape == (HEIGHT, WIDTH, 3)


def test_frames_are_counted_where_the_file_does_not_say(video: Path) -> None:
    capture = seeking.SeekingCapture(lambda: cv2.VideoCapture(str(video)))
    assert capture.count() == FRAMES
    assert capture.read(5) is not None
    assert capture.count() == FRAMES
    assert capture.read(FRAMES) is None


def test_folders_and_scenes(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((HEIGHT, WIDTH, 3), number, np.uint8))
    folder = VideoFrames(open_source(str(tmp_path), width=32))
    assert [int(folder[index].max()) for index in (2, 0, 1, -1)] == [10, 1, 2, 10]
    assert [image.shape for image in folder[1:]] == [(24, 32, 3)] * 2
    with pytest.raises(IndexError, match='no frame 3 among the 3'):
        folder[3]
    scene = open_source('synthetic', width=160)
    with pytest.raises(ValueError, match='has no end: say how many'):
        VideoFrames(scene)
    *_, last = (rgb for rgb, _ in zip(scene, range(5), strict=False))
    assert np.array_equal(VideoFrames(scene, max_frames=5)[4], last)
