"""Sources of frames: order, size, rate, starting again, and what is said when one cannot be read."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.video.source import SourceError, open_source

HEIGHT, WIDTH = 48, 64
COLOUR = np.array([200, 120, 40], np.uint8)  # RGB, so that a swap of channels shows


def _frame(brightness: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.full((height, width, 3), COLOUR // 10 * brightness, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images whose brightness is the number in their name: 1, 2, 10."""
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f'frame_{number}.png'), _frame(number)[..., ::-1])
    (tmp_path / 'notes.txt').write_text('not an image')
    return tmp_path


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of rising brightness at 12.5 Hz."""
    file = tmp_path_factory.mktemp('video') / 'clip.avi'
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*'MJPG'), 12.5, (WIDTH, HEIGHT))
    for brightness in range(1, 9):
        writer.write(_frame(brightness)[..., ::-1])
    writer.release()
    return file


def test_images_of_a_folder_come_in_the_order_of_their_numbers(folder: Path) -> None:
    source = open_source(str(folder))
    assert (source.size, source.frame_count) == ((HEIGHT, WIDTH), 3)
    np.testing.assert_array_equal(list(source), [_frame(number) for number in (1, 2, 10)])


def test_frames_of_a_video(video: Path) -> None:
    source = open_source(str(video))
    assert (source.size, source.frame_count, source.frame_rate) == ((HEIGHT, WIDTH), 8, 12.5)
    frames = list(source)
    assert len(frames) == 8
    for brightness, frame in enumerate(frames, start=1):
        assert np.abs(frame.astype(int) - _frame(brightness)).mean() < 4


@pytest.mark.parametrize('kind', ['folder', 'video', 'synthetic', 'ladybirds'])
def test_iterating_again_starts_at_the_first_frame(kind: str, folder: Path, video: Path) -> None:
    source = open_source({'folder': str(folder), 'video': str(video)}.get(kind, kind), width=128)
    first = list(itertools.islice(source, 2))
    np.testing.assert_array_equal(list(itertools.islice(source, 2)), first)


@pytest.mark.parametrize(
    ('asked', 'size'),
    [
        ({}, (48, 64)),
        ({'width': 32}, (24, 32)),
        ({'height': 96}, (96, 128)),
        ({'width': 10, 'height': 30}, (30, 10)),
        ({'width': 1}, (1, 1)),
    ],
)
def test_frames_are_resized(asked: dict[str, int], size: tuple[int, int], folder: Path, video: Path) -> None:
    for name in (str(folder), str(video)):
        source = open_source(name, **asked)
        assert source.size == size
        assert [frame.shape for frame in source] == [(*size, 3)] * source.frame_count


@pytest.mark.parametrize('name', ['synthetic', 'ladybirds'])
def test_drawn_scenes_are_endless_and_of_any_size(name: str) -> None:
    source = open_source(name, height=90)
    assert (source.name, source.size, source.frame_count) == (name, (90, 160), None)
    assert next(iter(source)).shape == (90, 160, 3)
    assert open_source(name).size == (720, 1280)


def test_drawn_scenes_differ() -> None:
    first, second = (next(iter(open_source(name, height=90))) for name in ('synthetic', 'ladybirds'))
    assert (first != second).any(axis=2).mean() > 0.5


@pytest.mark.parametrize('name', ['no/such/file.mp4', 'no_such_folder/', ''])
def test_what_does_not_exist_is_said_so(name: str) -> None:
    with pytest.raises(SourceError, match='does not exist; accepted are a video file, a folder'):
        open_source(name)


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'holds no images; accepted are \.jpg'):
        open_source(str(tmp_path))


def test_a_damaged_image_is_named(folder: Path) -> None:
    (folder / 'frame_2.png').write_bytes(b'no image')
    with pytest.raises(SourceError, match=r'frame_2\.png cannot be read as an image'):
        list(open_source(str(folder)))


@pytest.mark.parametrize(
    ('suffix', 'padding'),
    [*((suffix, 0) for suffix in ('.jpg', '.png', '.bmp', '.tif', '.webp', '.ppm')), ('.jpg', 5000)],
)
def test_an_image_that_is_cut_off_is_refused(tmp_path: Path, suffix: str, padding: int) -> None:
    """Also where the rest of the file is zeros, as after a crash; padding after the end does no harm."""
    rng = np.random.default_rng(0)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (96, 128, 3), np.uint8), (5, 5), 0)
    file = tmp_path / f'image{suffix}'
    cv2.imwrite(str(file), pixels)
    data = file.read_bytes()
    file.write_bytes(data + bytes(padding))
    assert len(list(open_source(str(tmp_path)))) == 1
    for cut in (1, 2, 100, len(data) // 2):
        file.write_bytes(data[:-cut] + bytes(padding))
        with pytest.raises(SourceError, match=rf'image\{suffix} cannot be read as an image'):
            open_source(str(tmp_path))


def test_the_end_of_a_preview_is_not_that_of_the_picture(tmp_path: Path) -> None:
    """Cameras put a small JPEG into the head of their files."""
    _, preview = cv2.imencode('.jpg', _frame(1, 8, 8))
    _, jpeg = cv2.imencode('.jpg', np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))
    head = b'Exif\0\0' + preview.tobytes()
    data = b'\xff\xd8\xff\xe1' + (len(head) + 2).to_bytes(2, 'big') + head + jpeg.tobytes()[2:]
    file = tmp_path / 'image.jpg'
    file.write_bytes(data)
    assert open_source(str(tmp_path)).size == (96, 128)
    file.write_bytes(data[:-500])
    with pytest.raises(SourceError, match='cannot be read as an image'):
        open_source(str(tmp_path))


def test_an_image_is_not_turned(tmp_path: Path) -> None:
    """Masks fit the pixels of the file, whatever its EXIF orientation (here a quarter turn) says."""
    _, jpeg = cv2.imencode('.jpg', _frame(5))
    orientation = b'Exif\0\0MM\0*\0\0\0\x08\0\x01' + b'\x01\x12\0\x03\0\0\0\x01\0\x06\0\0' + bytes(4)
    head = b'\xff\xe1' + (len(orientation) + 2).to_bytes(2, 'big') + orientation
    (tmp_path / 'image.jpg').write_bytes(b'\xff\xd8' + head + jpeg.tobytes()[2:])
    assert cv2.imread(str(tmp_path / 'image.jpg')).shape == (WIDTH, HEIGHT, 3)  # this is what would be turned
    assert open_source(str(tmp_path)).size == (HEIGHT, WIDTH)


def test_images_of_different_sizes_are_refused(folder: Path) -> None:
    cv2.imwrite(str(folder / 'frame_3.png'), _frame(3, 20, 30))
    with pytest.raises(SourceError, match=r'frame_3\.png is 30 x 20 pixels, but frame_1\.png is 64 x 48'):
        list(open_source(str(folder)))


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / 'clip.mp4').write_bytes(b'no video' * 100)
    with pytest.raises(SourceError, match=r'clip\.mp4.* cannot be opened as a video'):
        open_source(str(tmp_path / 'clip.mp4'))


def test_a_file_that_is_cut_off_gives_what_is_there_and_a_warning(tmp_path: Path) -> None:
    file = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*'MJPG'), 12.5, (128, 96))
    rng = np.random.default_rng(0)
    for _ in range(40):
        writer.write(rng.integers(0, 256, (96, 128, 3), np.uint8))
    writer.release()
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.warns(UserWarning, match=r'ended after \d+ of 40 frames'):
        frames = list(open_source(str(file)))
    assert 10 < len(frames) < 30


def test_a_webcam_that_is_not_there() -> None:
    with pytest.raises(SourceError, match="'97' cannot be opened as a video"):
        open_source('97')


def test_a_negative_size_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match='the size -1 x 0 is negative'):
        open_source(str(folder), width=-1)


def test_a_synthetic_scene_that_is_too_small() -> None:
    with pytest.raises(SourceError, match='needs at least 64 x 64'):
        open_source('synthetic', height=20)
