"""Folders of videos are labelled in one process, in several, and on a Ray cluster: with the same files in the end."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest

from sam2_ros.labelling import Labels
from sam2_ros.masklets import read_masklets
from sam2_ros.tools.label import main
from sam2_ros.video.sink import VideoSink
from tests.common import REPOSITORY
from tests.labelling.world import draw_world
from tests.processes import assert_all_end, children_of, ray_workers_of

PATIENCE = 120  # seconds
NAMES = ('disc', 'film', 'sign')
FAST = ['--points-per-side', '6', '--every', '4', '--image-size', '128']
needs_ray = pytest.mark.skipif(importlib.util.find_spec('ray') is None, reason="needs Ray: pip install '.[cluster]'")


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of images, a video file, one that is damaged, and what is no video."""
    root = tmp_path_factory.mktemp('folders') / 'videos'
    images = draw_world().images
    for name, shown in ((NAMES[0], images), (NAMES[2], images[::-1])):
        (root / name).mkdir(parents=True)
        for number, image in enumerate(shown):
            cv2.imwrite(str(root / name / f'{number:03d}.png'), image[..., ::-1])
    with VideoSink(root / NAMES[1], frame_rate=10) as sink:
        for image in images[:6]:
            sink.write(image)
    (root / 'broken.mp4').write_bytes(b'this is no video')
    (root / 'notes.txt').write_text('neither is this')
    return root


@pytest.fixture(scope='module')
def undisturbed(videos: Path) -> Path:
    """Of a run in one process."""
    out = videos.parent / 'undisturbed'
    assert main([str(videos), '--out', str(out), *FAST]) == 1
    return out


def assert_same_files(out: Path, undisturbed: Path) -> None:
    """To the bit, and no others."""
    found, expected = ({file.relative_to(one) for file in one.rglob('*')} for one in (out, undisturbed))
    assert found == expected
    for file in expected:
        assert (out / file).is_dir() or (out / file).read_bytes() == (undisturbed / file).read_bytes(), file


@contextmanager
def command(videos: Path, out: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, which ends with the block."""
    words = [sys.executable, '-m', 'sam2_ros.tools.label', str(videos), '--out', str(out), *FAST, *more]
    process = subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begun(out: Path) -> list[Path]:
    """The labels of videos on which work has begun."""
    return [file for file in out.glob('labels/*.json') if Labels.load(file).next_look]


def pool_workers_of(process: subprocess.Popen[str]) -> list[str]:
    """The processes that do the work, without the one that Python adds to look after them."""
    return [child for child in children_of(process.pid) if b'spawn_main' in Path(f'/proc/{child}/cmdline').read_bytes()]


def test_a_folder_of_videos(videos: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read gets a sentence, all others are labelled; the same command again changes nothing."""
    made = {path.name for path in undisturbed.iterdir()}
    assert made == {*(f'{name}.mp4' for name in NAMES), 'labels', 'masklets-coco-video.json'}
    read = list(read_masklets(undisturbed / 'masklets-coco-video.json'))
    assert [(video.name, video.frame_count) for video in read] == [('disc', 12), ('film', 6), ('sign', 12)]
    assert all(video.masklets for video in read)
    before = {file: file.stat().st_mtime_ns for name in NAMES for file in undisturbed.glob(f'**/{name}.*')}
    capsys.readouterr()
    assert main([str(videos), '--out', str(undisturbed), *FAST]) == 1
    printed = capsys.readouterr()
    assert 'error: broken: ' in printed.err and 'cannot be opened as a video' in printed.err
    assert f'masklets are in {undisturbed / "masklets-coco-video.json"}, of 3 of 4 videos' in printed.out
    assert {file: file.stat().st_mtime_ns for file in before} == before, 'what is done is not done again'


def test_a_folder_that_becomes_more(videos: Path, undisturbed: Path, tmp_path: Path) -> None:
    """From an earlier result that knows one of two videos: the other one is begun."""
    first, both = tmp_path / 'first', tmp_path / 'both'
    film = next(videos.glob('film.*'))
    assert main([str(videos / 'disc'), '--out', str(first), *FAST]) == 0
    assert main([str(videos / 'disc'), str(film), '--out', str(both), '--start-from', str(first), *FAST]) == 0
    for name in NAMES[:2]:
        file = Path('labels') / f'{name}.json'
        assert (both / file).read_bytes() == (undisturbed / file).read_bytes()


def test_corrections_of_one_of_several_videos(videos: Path, undisturbed: Path, tmp_path: Path) -> None:
    file = tmp_path / 'corrections.json'
    file.write_text('{"corrections": [{"video": "sign", "object": 1, "verdict": "drop"}]}')
    words = ['--start-from', str(undisturbed), '--corrections', str(file), '--out', str(tmp_path / 'out'), *FAST]
    assert main([str(videos), *words]) == 1, 'one is still damaged'
    dropped = {name: Labels.load(tmp_path / 'out' / 'labels' / f'{name}.json').objects[1].dropped for name in NAMES}
    assert dropped == {'disc': False, 'film': False, 'sign': True}


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['VIDEOS', 'VIDEOS/disc', '--out', 'OUT'], 'two videos have the same name: disc; rename'),
        (['VIDEOS', '--out', 'VIDEOS'], 'holds the videos; give another --out'),
        (['VIDEOS', '--out', 'OUT', '--gpus', '0.5'], '--gpus is for --ray'),
        (['VIDEOS', '--out', 'OUT', '--corrections', 'BROKEN'], "broken.mp4' cannot be opened as a video"),
    ],
)
def test_what_is_refused(
    videos: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / 'broken.json'
    broken.write_text('{"corrections": [{"video": "broken", "object": 1, "verdict": "drop"}]}')
    places = {'VIDEOS': str(videos), 'OUT': str(tmp_path / 'out'), 'BROKEN': str(broken)}
    given = [word.replace('VIDEOS', places['VIDEOS']) if word.startswith('VIDEOS') else word for word in words]
    assert main([places.get(word, word) for word in given] + FAST) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_two_processes_make_the_same_files(
    videos: Path, undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    assert main([str(videos), '--out', str(out), *FAST, '--processes', '2']) == 1
    printed = capsys.readouterr()
    assert 'error: broken: ' in printed.err and printed.out.count('look at') == 3
    assert_same_files(out, undisturbed)


@pytest.mark.slow
def test_a_killed_process_loses_nothing(videos: Path, undisturbed: Path, tmp_path: Path) -> None:
    """It is told, and the same command goes on from what all of them had done."""
    out = tmp_path / 'out'
    with command(videos, out, '--processes', '2') as process:
        wait_for(lambda: begun(out), process)
        workers = pool_workers_of(process)
        os.kill(int(workers[0]), signal.SIGKILL)
        _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and 'a process was ended from outside' in error and 'Traceback' not in error
    assert begun(out) and not list(out.glob('masklets*'))
    assert_all_end(workers)
    assert main([str(videos), '--out', str(out), *FAST, '--processes', '2']) == 1
    assert_same_files(out, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_all_processes_at_once(
    videos: Path, undisturbed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / 'out'
    with command(videos, out, '--processes', '2') as process:
        wait_for(lambda: begun(out), process)
        workers = pool_workers_of(process)
        process.send_signal(number)
        _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and 'the same command goes on from there' in error and 'Traceback' not in error
    assert_all_end(workers)
    assert not list(out.glob('masklets*')), 'it was not finished'
    assert main([str(videos), '--out', str(out), *FAST]) == 1
    assert_same_files(out, undisturbed)


@pytest.mark.slow
@needs_ray
def test_a_killed_process_of_a_ray_cluster_is_replaced(videos: Path, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    with command(videos, out, '--ray', 'local', '--processes', '2') as process:
        wait_for(lambda: begun(out) and ray_workers_of(process.pid), process)
        os.kill(ray_workers_of(process.pid)[0], signal.SIGKILL)
        assert not list(out.glob('masklets*')), 'it came too late'
        _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and error.count('error') == 1 and 'error: broken' in error
    assert_same_files(out, undisturbed)
