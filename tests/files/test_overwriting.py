"""What a tool reads is not among what it writes. For track_video that is in its own tests, with all kinds of links."""

from pathlib import Path

import numpy as np
import pytest

from sam2_ros.tools.demo import main
from sam2_ros.video.sink import VideoSink


@pytest.mark.parametrize('name', ['overlay.mp4', 'overlay.avi', 'objects.csv'])
def test_the_demo_does_not_write_over_its_video(tmp_path, capsys, name):
    with VideoSink(tmp_path / 'scene', frame_rate=15) as sink:
        for brightness in (50, 200):
            sink.write(np.full((96, 128, 3), brightness, np.uint8))
    video = Path(sink.path)
    out = tmp_path / 'demo'
    out.mkdir()
    (out / name).hardlink_to(video)
    content = video.read_bytes()
    assert main(['--video', str(out / name), '--out', str(out), '--box', '900,900,901,901']) == 1
    assert f'{out / name} is an input and would be overwritten' in capsys.readouterr().err
    assert video.read_bytes() == content
    assert list(out.iterdir()) == [out / name]
