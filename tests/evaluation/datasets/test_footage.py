"""Movers are found without labels, and only a mask on the mover itself counts."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.evaluation.__main__ import main
from sam2_ros.evaluation.datasets import footage
from sam2_ros.evaluation.datasets.dataset import ClipChoice
from sam2_ros.evaluation.datasets.registry import open_dataset
from sam2_ros.evaluation.protocols.movers import is_followed
from tests.evaluation.test_command_lines import table

HEIGHT, WIDTH, FRAMES = 240, 320, 30


def film(*movers: tuple[int, int, float], wide: int = 12) -> list[np.ndarray]:
    """Walkers 12 x 36 pixels before a still, noisy ground: x and y of the first frame, pixels per frame."""
    rng = np.random.default_rng(1)
    ground = rng.integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    frames = []
    for number in range(FRAMES):
        frame = ground.copy()
        for x, y, speed in movers:
            left = round(x + speed * number)
            frame[y : y + 36, left : left + wide] = (220, 40, 60)
        frames.append(frame)
    return frames


def test_a_mover_has_its_box_in_every_frame() -> None:
    (mover,) = footage.find_movers(film((20, 100, 4.0)), length=FRAMES)
    assert mover.start == 0
    for number, box in enumerate(mover.boxes):
        np.testing.assert_allclose(box, (20 + 4 * number, 100, 32 + 4 * number, 136), atol=1)


def test_two_that_meet_are_followed_only_until_they_touch() -> None:
    meeting = film((20, 100, 4.0), (220, 104, -4.0))  # they touch in frame 23
    assert len(footage.find_movers(meeting, length=20)) >= 2
    assert footage.find_movers(meeting, length=25) == []


@pytest.mark.slow
def test_two_who_walk_side_by_side_are_nobody_s_box() -> None:
    """Their common box is still of a walker's size and overlaps with each one's own by half."""
    side_by_side = film((20, 100, 4.0), (30, 100, 4.4), wide=9)  # the second draws away from the first
    boxes = footage.moving_boxes(side_by_side)
    assert [len(found) for found in boxes[:9]] == [1] * 9 and len(boxes[-1]) == 2  # found as one at first
    assert [mover.start for mover in footage.find_movers(side_by_side, length=15) if mover.start == 0] == []
    overtaking = film((60, 100, 2.0), (40, 100, 3.5), wide=9)  # they touch from frame 8 to 18
    assert len(footage.find_movers(overtaking, length=6)) >= 2
    assert [mover for mover in footage.find_movers(overtaking, length=20) if mover.start < 8] == []


def test_attempts_at_the_same_mover_have_its_number() -> None:
    movers = footage.find_movers(film((20, 60, 4.0), (60, 140, 4.0)), length=20)
    at = [(mover.start, mover.boxes[0][1] > 100) for mover in movers]
    assert {start for start, _ in at} == {0, 5, 10} and len(at) == 6
    numbers = footage.number_movers(movers)
    assert set(numbers) == {1, 2}
    assert len({(lower, number) for (_, lower), number in zip(at, numbers, strict=True)}) == 2


def test_what_stands_still_is_no_mover() -> None:
    assert footage.find_movers(film((50, 80, 0.0)), length=FRAMES) == []


@pytest.mark.parametrize(
    ('painted', 'followed'),
    [
        ((100, 50, 112, 86), True),
        ((100, 50, 112, 60), True),  # a part of it
        ((100, 50, 106, 54), False),  # too little of it
        ((100, 50, 160, 86), False),  # much else as well
        ((200, 50, 212, 86), False),
        ((0, 0, 0, 0), False),
    ],
)
def test_followed_is_a_mask_on_the_mover(painted: tuple[int, int, int, int], followed: bool) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    x0, y0, x1, y1 = painted
    mask[y0:y1, x0:x1] = True
    assert is_followed(mask, (100, 50, 112, 86)) is followed


def write(folder: Path, frames: list[np.ndarray]) -> Path:
    folder.mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f'{number:02}.png'), frame[..., ::-1])
    return folder


def test_every_attempt_is_a_video_of_its_own(tmp_path: Path) -> None:
    frames = film((20, 100, 4.0))
    data = open_dataset('footage', write(tmp_path / 'film', frames), choice=ClipChoice(frames=21))
    assert list(data.names) == ['1/0', '1/5']
    sequence = data.sequence('1/5')
    (mover,) = sequence.objects
    assert len(sequence.frames) == 21 and mover.scored == tuple(range(1, 21))
    for frame in range(21):
        np.testing.assert_array_equal(sequence.image(frame), frames[5 + frame])
        np.testing.assert_allclose(mover.boxes[frame], (40 + 4 * frame, 100, 12, 36), atol=1)


@pytest.mark.slow
def test_the_page_has_a_row_for_every_attempt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video, out = write(tmp_path / 'film', film((20, 100, 4.0))), tmp_path / 'out'
    network = ('--memory', 'sam2', '--image-size', '256', '--output', str(out))
    assert main(['footage', str(video), '--frames', '26', *network]) == 0
    page = (out / 'results.md').read_text()
    rows = table(page, 'mover | first frame:box, frames followed of 25 | sam2')
    assert rows[0][:2] == ['1', '0:20,100,32,136'] and 20 <= int(rows[0][2]) <= 25  # a plain mover is easy
    assert rows[-1] == ['all', 'mean of 1', f'{int(rows[0][2])}.0']
    assert 'footage film --frames' in page and str(tmp_path) not in page


def test_what_cannot_be_followed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = write(tmp_path / 'film', film())
    frames = len(film())
    for video, length, words in (
        (still, 20, 'moves alone before a still camera for 20 frames'),
        (tmp_path / 'none', 20, 'does not exist; it must be a video or a folder of images'),
        (still, 1, '--frames must be at least 2'),
        (still, frames + 1, f'has only {frames} frames; --frames can be at most that'),
    ):
        assert main(['footage', str(video), '--frames', str(length), '--output', str(tmp_path / 'out')]) == 1
        assert words in capsys.readouterr().err
