"""The command line that draws effects on tracked objects of a video."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.labelling import LabelledObject, Labels
from sam2_ros.tools.effects import main
from sam2_ros.tracking import Prompt
from sam2_ros.video import ffmpeg
from sam2_ros.video.ffmpeg import has_ffmpeg, has_sound
from sam2_ros.video.source import open_source
from tests.effects.world import SIZE, World, psnr

WORLD = World(count=12)
FFMPEG = pytest.mark.skipif(not has_ffmpeg(), reason='there is no program ffmpeg: no sound and no ProRes to be tried')


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A folder of frames, with the result of tracking the ball beside it."""
    for index, (rgb, mask) in enumerate(WORLD):
        for file, pixels in (
            (tmp_path / f'video/{index:05d}.png', rgb[..., ::-1]),
            (tmp_path / f'result/masks/ball/{index:06d}.png', mask.astype(np.uint8) * 255),
            (tmp_path / f'result/masks/nothing/{index:06d}.png', np.zeros(SIZE, np.uint8)),
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), pixels)
    return tmp_path / 'video'


def run(video: Path, effect: str, *more: str) -> int:
    folder = video.parent.parent if video.parent.name == 'out' else video.parent
    return main([str(video), str(folder / 'result'), '--effect', effect, '--out', str(folder / 'out'), *more])


def test_erased_from_beginning_to_end(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(video, 'erase') == 0
    assert 'Look at' in capsys.readouterr().out
    frames = list(open_source(str(video.parent / 'out/erase.mp4')))
    assert len(frames) == WORLD.count
    for index, frame in enumerate(frames):
        truth, mask = WORLD.background(index), WORLD.mask(index)
        assert psnr(frame, truth, mask) > psnr(WORLD.frame(index), truth, mask) + 5  # the codec loses some, too


def test_the_result_of_label(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The masks of a number, without those that a person dropped."""
    masks = {index: RunLengths.of(WORLD.mask(index)) for index in range(WORLD.count)}
    ball = LabelledObject(masks, prompts={0: (Prompt('object', mask=WORLD.mask(0)),)})
    labels = Labels('video', SIZE, 24.0, WORLD.count, objects={4: ball, 5: replace(ball, dropped=True)})
    labels.save(video.parent / 'labelled/labels/video.json')
    command = [str(video), str(video.parent / 'labelled'), '--effect', 'fill', '--out', str(video.parent / 'out')]
    assert main([*command, '--colour', '0,255,0', '--objects', '4']) == 0
    for index, frame in enumerate(open_source(str(video.parent / 'out/fill.mp4'))):
        green = (frame[..., 1] > 180) & (frame[..., 0] < 90) & (frame[..., 2] < 90)
        assert green[WORLD.mask(index)].mean() > 0.85 and green[~WORLD.mask(index)].mean() < 0.15
    capsys.readouterr()
    assert main([*command, '--objects', '5']) == 1
    assert 'has no object 5; there are 4' in capsys.readouterr().err


@pytest.mark.parametrize('on', ['objects', 'background'])
def test_what_the_effect_goes_to(video: Path, on: str) -> None:
    assert run(video, 'fill', '--colour', '0,255,0', '--on', on, '--objects', 'ball') == 0
    for index, frame in enumerate(open_source(str(video.parent / 'out/fill.mp4'))):
        green = (frame[..., 1] > 180) & (frame[..., 0] < 90) & (frame[..., 2] < 90)
        ball = WORLD.mask(index)
        where = ball if on == 'objects' else ~ball
        assert green[where].mean() > 0.85 and green[~where].mean() < 0.15


def test_a_cut_out_is_a_folder_of_pngs_with_alpha(video: Path) -> None:
    old = video.parent / 'out/cut-out/000099.png'
    old.parent.mkdir(parents=True)
    old.touch()
    assert run(video, 'cut-out') == 0
    files = sorted((video.parent / 'out/cut-out').iterdir())
    assert [file.name for file in files] == [f'{index:06d}.png' for index in range(WORLD.count)]
    pixels = cv2.imread(str(files[3]), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(pixels[..., 3] > 127, WORLD.mask(3))
    np.testing.assert_array_equal(pixels[..., 2::-1], WORLD.frame(3))


def test_before_another_background(video: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'blue.png'), np.full((10, 30, 3), (255, 0, 0), np.uint8))
    assert run(video, 'replace', '--background', str(tmp_path / 'blue.png')) == 0
    frame = next(iter(open_source(str(video.parent / 'out/replace.mp4'))))
    assert frame[5, 80].tolist() == pytest.approx([0, 0, 255], abs=12)
    assert frame[60, 30].tolist() == pytest.approx([220, 30, 40], abs=25)


def test_a_result_that_ends_early_is_told(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(7, WORLD.count):
        for name in ('ball', 'nothing'):
            (video.parent / f'result/masks/{name}/{index:06d}.png').unlink()
    assert run(video, 'grey') == 0
    assert 'ends with frame 6' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('effect', 'more', 'message'),
    [
        ('grey', ['--objects', 'ball,cup'], 'no object cup; there are ball, nothing'),
        ('replace', [], 'needs an image, --background'),
        ('erase', ['--on', 'background'], 'objects only'),
        ('grey', ['--prores'], 'for the effect cut-out'),
        ('grey', ['--cells', '0'], '1 or more'),
        ('grey', ['--colour', '0,0,300'], 'from 0 to 255'),
    ],
)
def test_what_cannot_be_done_is_told(
    video: Path, effect: str, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(video, effect, *more) == 1
    assert message in capsys.readouterr().err
    assert not list(video.parent.glob('out/*.*'))


def test_a_result_of_another_video_is_told(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(video.parent / 'result/masks/ball/000000.png'), np.zeros((9, 9), np.uint8))
    assert run(video, 'grey') == 1
    assert 'is the result of another video?' in capsys.readouterr().err
    assert main([str(video), str(video), '--effect', 'grey', '--out', str(video.parent / 'out')]) == 1
    assert 'has no masks' in capsys.readouterr().err
    result = str(video.parent / 'result')
    assert main(['synthetic', result, '--effect', 'grey', '--out', str(video.parent / 'out')]) == 1
    assert 'no end that is known' in capsys.readouterr().err


def test_the_video_itself_is_not_overwritten(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(video, 'grey') == 0
    made = video.parent / 'out/grey.mp4'
    before = made.read_bytes()
    assert run(made, 'grey', '--out', str(made.parent)) == 1
    assert 'would be overwritten' in capsys.readouterr().err
    assert made.read_bytes() == before


def test_without_ffmpeg_the_loss_is_told(
    video: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(video, 'grey') == 0
    capsys.readouterr()
    monkeypatch.setattr(ffmpeg.shutil, 'which', lambda _: None)
    assert run(video.parent / 'out/grey.mp4', 'outline') == 0
    assert 'has no sound, because there is no program ffmpeg' in capsys.readouterr().err
    assert run(video, 'cut-out', '--prores') == 1
    assert 'no program ffmpeg' in capsys.readouterr().err


@FFMPEG
def test_sound_is_kept(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(video, 'grey') == 0
    silent, loud = video.parent / 'out/grey.mp4', video.parent / 'loud.mp4'
    tone = ['-f', 'lavfi', '-i', 'sine=frequency=440:duration=0.5', '-c:v', 'copy', '-c:a', 'aac', str(loud)]
    subprocess.run(['ffmpeg', '-loglevel', 'error', '-i', str(silent), *tone], check=True)
    assert not has_sound(silent) and has_sound(loud)
    assert run(loud, 'outline') == 0
    made = video.parent / 'out/outline.mp4'
    assert has_sound(made) and len(list(open_source(str(made)))) == WORLD.count
    assert capsys.readouterr().err.count('error') == 0


@FFMPEG
def test_prores_has_transparency(video: Path) -> None:
    assert run(video, 'cut-out', '--prores') == 0
    file = video.parent / 'out/cut-out.mov'
    raw = subprocess.run(
        ['ffmpeg', '-loglevel', 'error', '-i', str(file), '-f', 'rawvideo', '-pix_fmt', 'rgba', '-'],
        capture_output=True,
        check=True,
    ).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, *SIZE, 4)
    assert len(frames) == WORLD.count
    for index, frame in enumerate(frames):
        assert ((frame[..., 3] > 127) == WORLD.mask(index)).mean() > 0.99


@FFMPEG
def test_what_ffmpeg_cannot_write_is_told(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (video.parent / 'out/cut-out.mov').mkdir(parents=True)
    assert run(video, 'cut-out', '--prores') == 1
    assert 'cannot be written' in capsys.readouterr().err
