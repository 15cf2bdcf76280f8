"""The command line that counts what data sets hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam2_ros.masklets import write_masklets
from sam2_ros.tools.dataset_stats import main
from tests.masklets.videos import masklet, square, video


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    blinking = masklet(1, {0: square(0, 0), 8: square(0, 0)})
    lasting = masklet(2, {frame: square(3, 3) for frame in (0, 4, 8)})
    clips = [video(blinking, lasting, name=name, frame_count=12) for name in ('one', 'two')]
    write_masklets(clips, tmp_path / 'sav', format='sav')
    write_masklets(clips, tmp_path / 'davis', format='davis')
    return tmp_path


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_one_row_for_each_data_set(data_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(data_set / 'sav'), str(data_set / 'davis'), '--frame-rate', '12']) == 0
    header, _, sav, davis = capsys.readouterr().out.splitlines()
    assert cells(header) == ['', 'videos', 'duration', 'masklets', 'masks', 'frames', 'disappearance rate']
    assert cells(sav) == ['sav', '2', '1.0 s', '4', '10', '6', '50.0%']
    assert cells(davis) == ['davis', '2', '1.5 s', '4', '10', '6', '50.0%']  # 9 frames are known, and 12 per second


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere'], 'nowhere does not exist; accepted are'),
        (['sav', '--frame-rate', '0'], 'above 0'),
        (['sav/one_manual.json', '--format', 'youtube-vis'], 'no videos'),
    ],
)
def test_what_cannot_be_counted_is_told(
    data_set: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(data_set)
    assert main(arguments) == 1
    assert message in capsys.readouterr().err
