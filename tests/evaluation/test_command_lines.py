"""Clips that are made here, sizes of input and times, from end to end; what is refused, before any work is done."""

from pathlib import Path

import pytest

from sam2_ros.evaluation.__main__ import main
from sam2_ros.evaluation.measures import speed
from tests.evaluation.filmed import draw_labels, write_clip


def table(page: str, first: str) -> list[list[str]]:
    """Rows of the table whose heading begins with `first`, without heading and rule."""
    lines = page.split(f'| {first} |', 1)[1].split('\n\n')[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--checkpoint', 'nowhere.pt'], f'there is no checkpoint {Path("nowhere.pt").absolute()}'),
        (['--model', 'sam2.1_hiera_large'], 'sam2.1_hiera_large has no bundled weights; give a file with --checkpoint'),
        (['--split', 'test'], "Synthetic clips has no split 'test'; accepted are heldout, train"),
        (['--videos', 'hard/*'], "no video is named 'hard/*'; the first of 56 is 'plain/000'"),
        (['--image-size', '100'], 'multiple of 32'),
        (['--time', 'plain/000', '--frames', '16'], 'more than 16 frames, and that of plain/000 has 16'),
        (['folder'], 'Synthetic clips are made here, and not read from'),
    ],
)
def test_what_cannot_be_done_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['synthetic', *arguments, '--output', str(tmp_path)]) == 1
    assert message in capsys.readouterr().err and not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--clips', '0'], "'0' is not a whole number above 0"),
        (['--frames', '1.5'], "'1.5' is not a whole number above 0"),
        (['--image-size', '96,96'], "'96,96' names a number twice"),
        (['--image-size', ','], "'' is not a whole number above 0"),
    ],
)
def test_what_is_no_number_is_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['synthetic', *arguments])
    assert message in capsys.readouterr().err


def test_a_file_in_place_of_the_output_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / 'file'
    file.touch()
    assert main(['synthetic', '--output', str(file)]) == 1
    assert f'--output must be a folder, and {file} is something else' in capsys.readouterr().err


def test_a_folder_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['folder']) == 1
    assert 'Clips of your own: the folder is missing' in capsys.readouterr().err


@pytest.mark.slow
def test_sizes_are_compared_on_the_same_clips_and_timed(
    micro_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second call tracks nothing but what is missing, also in other processes."""
    monkeypatch.setattr(speed, 'WARM_UP_FRAMES', 2)  # so that clips may be short
    arguments = ['synthetic', '--videos', 'plain/*', '--clips', '2', '--frames', '4', '--time', 'plain/000']
    arguments += ['--image-size', '64,96', '--memory', 'dam']
    arguments += ['--checkpoint', str(micro_weights), '--output', str(tmp_path)]
    assert main(arguments) == 0
    page = (tmp_path / 'results.md').read_text()
    assert page.startswith('# Synthetic clips, heldout: first-frame, box\n')
    assert '2 objects in 2 clips of 4 frames. Hidden at times: ' in page and 'two under CC BY 2.0' in page
    rows = table(page, 'prompt | tracker | J')
    assert [row[:2] for row in rows] == [['box', '64 pixels'], ['box', '96 pixels']] and '±' in rows[0][2]
    (difference,) = table(page[page.index('difference from 64 pixels') :], 'prompt | tracker | J')
    low, high = (float(row[2].split()[0]) for row in rows)
    assert float(difference[2].split()[0]) == pytest.approx(high - low, abs=0.0011)
    assert [row[0] for row in table(page, ' | median ms')] == ['64 pixels', '96 pixels']
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.rglob('*.npz')}
    assert {file.relative_to(tmp_path).as_posix() for file in kept} == {
        f'{size}_pixels/tracks/dam/plain/00{number}.npz' for size in (64, 96) for number in (0, 1)
    }
    lost = tmp_path / '64_pixels/tracks/dam/plain/001.npz'
    lost.unlink()
    assert main([*arguments, '--processes', '2']) == 0
    now = {file: file.stat().st_mtime_ns for file in tmp_path.rglob('*.npz')}
    assert [file for file in kept if now[file] != kept[file]] == [lost] and now.keys() == kept.keys()
    again = table((tmp_path / 'results.md').read_text(), 'prompt | tracker | J')
    assert again == rows


@pytest.mark.slow
def test_memories_and_sizes_are_compared_with_other_protocols_too(micro_weights: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / 'films/street', draw_labels({1: range(4)}, frames=4))
    network = ['--image-size', '64,96', '--checkpoint', str(micro_weights), '--output', str(tmp_path / 'out')]
    assert main(['folder', str(tmp_path / 'films'), *network]) == 0
    page = (tmp_path / 'out/results.md').read_text()
    trackers = [f'{memory}, {size} pixels' for size in (64, 96) for memory in ('sam2', 'dam')]
    assert [row[0] for row in table(page, 'tracker | J&F')] == trackers
