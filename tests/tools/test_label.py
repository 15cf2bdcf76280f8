"""The command line that labels videos: its files, going on where it was, corrections, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from sam2_ros.labelling import Labels
from sam2_ros.masklets import FORMATS, format_of, read_masklets
from sam2_ros.tools.label import main
from sam2_ros.video.source import open_source
from tests.common import REPOSITORY
from tests.labelling.world import FRAMES, draw_world

NETWORK = ['--image-size', '256']
FAST = ['--points-per-side', '8', '--every', '6', *NETWORK]


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('videos') / 'clip'
    folder.mkdir()
    for number, image in enumerate(draw_world().images):
        cv2.imwrite(str(folder / f'{number:03d}.png'), image[..., ::-1])
    return folder


@pytest.fixture(scope='module')
def result(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run without corrections."""
    out = tmp_path_factory.mktemp('result')
    assert main([str(video), '--out', str(out), *FAST]) == 0
    return out


def test_files(result: Path) -> None:
    assert sorted(file.name for file in result.iterdir()) == ['clip.mp4', 'labels', 'masklets-coco-video.json']
    labels = Labels.load(result / 'labels' / 'clip.json')
    assert labels.finished and len(labels.objects) >= 3
    (clip,) = read_masklets(result / 'masklets-coco-video.json')
    assert clip == labels.annotated()
    assert clip.frame_count == FRAMES and {one.kind for one in clip.masklets} == {'auto'}
    overlay = open_source(str(result / 'clip.mp4'))
    assert (overlay.frame_count, overlay.size) == (FRAMES, (120, 160))


@pytest.mark.parametrize('format', [name for name in FORMATS if name != 'coco-video'])
def test_every_format(result: Path, video: Path, tmp_path: Path, format: str) -> None:
    """The work is done: what is left is to write."""
    copy = ['--start-from', str(result), '--out', str(tmp_path), *NETWORK, '--format', format]
    assert main([str(video), *copy]) == 0
    (written,) = tmp_path.glob('masklets-*')
    assert format_of(written).name == format
    (clip,) = read_masklets(written)
    assert len(clip.masklets) >= 3
    assert len(clip.frames) == (3 if format == 'sav' else FRAMES)


def test_corrections_are_applied_once_and_the_rest_stays(
    result: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / 'mask.png'), 255 * draw_world().masks[1, 3].astype('uint8'))
    corrections = tmp_path / 'corrections.json'
    entries = [
        {'object': 1, 'verdict': 'drop'},
        {'video': 'clip', 'object': 2, 'frame': 3, 'mask': 'mask.png', 'class': 'sign'},
    ]
    corrections.write_text(json.dumps({'corrections': entries}))
    out = tmp_path / 'out'
    command = [str(video), '--out', str(out), *NETWORK, '--corrections', str(corrections), '--start-from', str(result)]
    assert main(command) == 0
    before, after = (Labels.load(folder / 'labels' / 'clip.json') for folder in (result, out))
    assert after.objects[1].dropped and after.objects[2].edited == (3,) and after.objects[2].class_name == 'sign'
    assert all(after.objects[number].masks == one.masks for number, one in before.objects.items() if number != 2)
    assert '1 of them checked, 1 dropped' in capsys.readouterr().out
    (clip,) = read_masklets(out / 'masklets-coco-video.json')
    assert {one.number: (one.kind, one.edited_frames) for one in clip.masklets}[2] == ('manual', 1)
    state = (out / 'labels' / 'clip.json').read_bytes()
    assert main(command) == 0
    assert (out / 'labels' / 'clip.json').read_bytes() == state


def test_a_killed_run_goes_on_where_it_was(result: Path, video: Path, tmp_path: Path) -> None:
    """SIGTERM in the middle; the same command makes the same file as a run that nothing happened to."""
    command = [sys.executable, '-m', 'sam2_ros.tools.label', str(video), '--out', str(tmp_path), *FAST]
    environment = os.environ | {'PYTHONPATH': os.pathsep.join([str(REPOSITORY), os.environ.get('PYTHONPATH', '')])}
    run = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True)
    file = tmp_path / 'labels' / 'clip.json'
    limit = time.monotonic() + 120
    while not (file.exists() and Labels.load(file).next_look):
        assert run.poll() is None and time.monotonic() < limit
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    _, told = run.communicate(timeout=120)
    assert run.returncode == 130, told
    assert 'the same command goes on from there' in told
    assert not Labels.load(file).finished
    assert not list(tmp_path.glob('masklets*'))
    assert main([str(video), '--out', str(tmp_path), *FAST]) == 0
    assert file.read_bytes() == (result / 'labels' / 'clip.json').read_bytes()


def test_other_settings_are_refused_or_look_for_more(
    result: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = (result / 'labels' / 'clip.json').read_bytes()
    assert main([str(video), '--out', str(result), *NETWORK, '--every', '12']) == 1
    assert f'was begun with every 6, not 12; give the same, or another folder and --start-from {result}' in (
        capsys.readouterr().err
    )
    more = ['--points-per-side', '4', '--start-from', str(result), '--out', str(tmp_path), *NETWORK]
    assert main([str(video), *more]) == 0
    before, after = (Labels.load(folder / 'labels' / 'clip.json') for folder in (result, tmp_path))
    assert after.settings['points_per_side'] == 4 and after.settings['every'] == 6
    assert set(before.objects) <= set(after.objects)
    assert (result / 'labels' / 'clip.json').read_bytes() == state


Words = Callable[[Path, Path], list[str]]
REFUSED: dict[str, tuple[Words, str]] = {
    'two of a name': (lambda v, o: [str(v), str(v), '--out', str(o)], 'two videos have the same name: clip; rename'),
    'no end': (lambda v, o: ['synthetic', '--out', str(o)], 'has no end'),
    'no frames': (lambda v, o: [str(v), '--out', str(o), '--frames', '0'], '1 or more, got 0'),
    'no earlier result': (lambda v, o: [str(v), '--out', str(o), '--start-from', str(o / 'x')], 'does not exist'),
    'a bad option': (lambda v, o: [str(v), '--out', str(o), '--every', '0'], 'every must be'),
    'a bad grid': (lambda v, o: [str(v), '--out', str(o), '--points-per-side', '0'], 'no point in a layer'),
    'corrections that are not there': (
        lambda v, o: [str(v), '--out', str(o), '--corrections', str(o / 'no.json')],
        'cannot be read',
    ),
}


@pytest.mark.parametrize('what', REFUSED)
def test_what_is_refused(video: Path, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, message = REFUSED[what]
    assert main([*words(video, tmp_path / 'out'), *NETWORK]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_inputs_are_never_written_over(result: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = (result / 'labels' / 'clip.json').read_bytes()
    assert main([str(video), '--out', str(result), '--start-from', str(result), *NETWORK]) == 1
    assert 'would be overwritten' in capsys.readouterr().err
    assert (result / 'labels' / 'clip.json').read_bytes() == state


def test_another_video_of_the_same_name(
    result: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(video), '--out', str(result), '--frames', '7', *NETWORK]) == 1
    assert 'is of a video of 12 frames of 160 x 120 pixels, but' in capsys.readouterr().err
