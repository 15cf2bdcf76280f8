"""Videos written are read back."""

import resource

import cv2
import numpy as np
import pytest

from sam2_ros.video import sink as video_sink
from sam2_ros.video.sink import VideoSink


def read(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (found := capture.read())[0]:
        frames.append(cv2.cvtColor(found[1], cv2.COLOR_BGR2RGB))
    return frames, capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize('formats', [video_sink.FORMATS, (('.mp4', 'none'), *video_sink.FORMATS[1:])])
@pytest.mark.parametrize('size', [(48, 64), (47, 65)])
def test_frames_come_back_in_order_and_colour(tmp_path, monkeypatch, formats, size):
    """Also with the second encoder, when the first is missing."""
    monkeypatch.setattr(video_sink, 'FORMATS', formats)
    colours = [(220, 30, 30), (30, 220, 30), (30, 30, 220)]
    with VideoSink(tmp_path / 'video', frame_rate=12.5) as sink:
        for colour in colours:
            sink.write(np.full((*size, 3), colour, np.uint8))
    frames, frame_rate = read(sink.path)
    assert sink.frames == len(frames) == 3
    assert frame_rate == pytest.approx(12.5)
    for frame, colour in zip(frames, colours, strict=True):
        assert max(abs(np.subtract(frame.shape[:2], size))) <= 1  # some encoders need even sides
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), colour, atol=12)


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path):
    with VideoSink(tmp_path / 'video', frame_rate=10) as sink:
        sink.write(np.zeros((48, 64, 3), np.uint8))
        sink.write(np.full((96, 32, 3), 200, np.uint8))
    frames, _ = read(sink.path)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 2
    assert frames[1].mean() == pytest.approx(200, abs=5)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    sink = VideoSink(tmp_path / 'missing' / 'video', frame_rate=10)
    with pytest.raises(OSError, match='missing'):
        sink.write(np.zeros((48, 64, 3), np.uint8))


@pytest.mark.parametrize('formats', [video_sink.FORMATS, video_sink.FORMATS[1:]])
def test_a_video_that_is_not_whole_is_noticed(tmp_path, monkeypatch, formats):
    """A limit on the size of files does what a full disk does."""
    monkeypatch.setattr(video_sink, 'FORMATS', formats)
    sink = VideoSink(tmp_path / 'video', frame_rate=10)
    rng = np.random.default_rng(0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        for _ in range(9):
            sink.write(rng.integers(0, 256, (96, 128, 3), np.uint8))
        with pytest.raises(OSError, match=rf'{sink.path} is not whole, its 9 frames cannot be found'):
            sink.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    sink.close()  # once is enough


def test_an_error_is_not_hidden_by_a_video_that_is_not_whole(tmp_path):
    with pytest.raises(KeyError, match='mine'), VideoSink(tmp_path / 'video', frame_rate=10) as sink:
        sink.write(np.zeros((48, 64, 3), np.uint8))
        sink.path = tmp_path / 'somewhere else'
        raise KeyError('mine')


def test_no_frames_no_file(tmp_path):
    with VideoSink(tmp_path / 'video', frame_rate=10) as sink:
        pass
    assert sink.path is None
    assert not list(tmp_path.iterdir())
