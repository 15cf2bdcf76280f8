"""What the tests of the command lines for videos share: a short video of ladybirds."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.synthetic.ladybirds import LadybirdScene
from sam2_ros.video.sink import VideoSink

FRAMES, HEIGHT, WIDTH = 6, 96, 160


@pytest.fixture(scope='session')
def scene() -> LadybirdScene:
    return LadybirdScene(HEIGHT, WIDTH)


@pytest.fixture(scope='session')
def video(scene: LadybirdScene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with VideoSink(tmp_path_factory.mktemp('video') / 'scene', frame_rate=15) as sink:
        for index in range(FRAMES):
            sink.write(scene.frame(index))
    return sink.path


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The rows of objects.csv."""
    with open(folder / 'objects.csv', newline='') as file:
        return list(csv.DictReader(file))


def box_of(mask: np.ndarray) -> str:
    """The box around a mask, as a command line has it."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return f'{columns[0]},{rows[0]},{columns[-1] + 1},{rows[-1] + 1}'
