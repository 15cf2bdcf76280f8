"""The demo: three processes over DDS, from a video file to the recording; nothing keeps running afterwards."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import cv2
import pytest

from sam2_ros.tools.demo import main, scene_prompts
from sam2_ros.video.prompts import check_prompts, prompts_by_frame
from sam2_ros.video.sink import VideoSink
from sam2_ros.video.source import SCENES
from tests.nodes import tracker_scene

FRAMES = 25
TIMEOUT = 300  # seconds; other tests share the processor
RED = ','.join(str(edge) for edge in tracker_scene.box('red', 0))


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    with VideoSink(tmp_path_factory.mktemp('video') / 'discs', frame_rate=20) as sink:
        for index in range(FRAMES):
            sink.write(tracker_scene.picture(index))
    return sink.path


@pytest.fixture
def words(video, micro_weights, tmp_path):
    return [
        '--video',
        str(video),
        '--out',
        str(tmp_path / 'demo'),
        '--checkpoint',
        str(micro_weights),
        '--image-size',
        '128',
    ]


def start(words):
    return subprocess.Popen(
        [sys.executable, '-m', 'sam2_ros.tools.demo', *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def children_of(pid):
    return [int(child) for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def wait_for(condition, what):
    deadline = time.monotonic() + TIMEOUT
    while not (found := condition()):
        assert time.monotonic() < deadline, f'waited in vain for {what}'
        time.sleep(0.05)
    return found


@pytest.fixture
def running(words):
    """A demo that plays very slowly, and its three processes."""
    demo = start([*words, '--box', RED, '--rate', '1'])
    nodes = wait_for(lambda: len(found := children_of(demo.pid)) == 3 and found, 'the nodes')
    yield demo, nodes
    for pid in (demo.pid, *nodes):
        if Path(f'/proc/{pid}').exists():
            os.kill(pid, signal.SIGKILL)
    demo.communicate()


@pytest.mark.slow
def test_an_object_is_recorded_from_the_first_image_on(words, tmp_path):
    demo = start(
        [*words, '--box', RED, '--name', 'blue', '--point', '10:{:g},{:g}'.format(*tracker_scene.centre('blue', 10))]
    )
    printed, errors = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 0, errors
    out = tmp_path / 'demo'
    summary = (out / 'summary.md').read_text()
    counts = {cells[1].strip(): cells[2].strip() for line in summary.splitlines() if len(cells := line.split('|')) == 4}
    processed, skipped = int(counts['processed']), int(counts['skipped, because a newer one was there'])
    assert int(counts['published']) == FRAMES
    assert processed + skipped == FRAMES and processed > FRAMES / 3
    assert counts['missing for other reasons'] == '0'
    assert 0 < float(counts['latency, median'].split()[0]) < 60_000
    assert summary.splitlines()[0] in printed and str(out / 'overlay.mp4') in printed
    assert int(cv2.VideoCapture(str(out / 'overlay.mp4')).get(cv2.CAP_PROP_FRAME_COUNT)) == processed
    with open(out / 'objects.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert {row['id'] for row in rows} == {'object_1', 'blue'}
    # how well the objects are followed is the evaluation's business: here every image up to the last has its row
    firsts, lasts = {}, {}
    for row in rows:
        firsts.setdefault(row['id'], int(row['frame']))
        lasts[row['id']] = row
    assert firsts['object_1'] < firsts['blue']  # frames count processed images, so skipped ones shift them
    for last in lasts.values():
        assert int(last['frame']) == processed - 1
        assert last['state'] in ('visible', 'occluded', 'lost', 'catching_up')
        assert (last['x0'] != '') or (last['state'] != 'visible')
    stamps = [float(row['stamp']) for row in rows if row['id'] == 'object_1']
    assert stamps == sorted(set(stamps))


@pytest.mark.slow
def test_the_page_is_served_until_it_is_stopped(words, tmp_path):
    demo = start([*words, '--page', '--rate', '2'])
    lines = iter(demo.stdout.readline, '')
    address = next(found[0] for line in lines if (found := re.search(r'http://localhost:\d+/', line)))
    nodes = wait_for(lambda: len(found := children_of(demo.pid)) == 3 and found, 'the nodes')
    try:
        wait_for(lambda: 'Operator page' in _page(address), 'the page')
    finally:
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 0
    assert not [pid for pid in nodes if Path(f'/proc/{pid}').exists()]


def _page(address):
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
            return answer.read().decode()
    except OSError:  # not there yet
        return ''


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_it_takes_its_nodes_along_when_it_is_stopped(running, number):
    demo, nodes = running
    demo.send_signal(number)
    demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 128 + number
    assert not [pid for pid in nodes if Path(f'/proc/{pid}').exists()]


@pytest.mark.slow
def test_a_tracker_that_dies_is_noticed(running):
    demo, nodes = running
    (tracker,) = [pid for pid in nodes if b'sam2_ros.nodes.tracker.node' in Path(f'/proc/{pid}/cmdline').read_bytes()]
    os.kill(tracker, signal.SIGKILL)
    _, errors = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 1
    assert 'the tracker ended with exit code -9' in errors
    assert not [pid for pid in nodes if Path(f'/proc/{pid}').exists()]


@pytest.mark.parametrize(
    ('more', 'reason'),
    [
        ([], 'there is no prompt'),
        (['--box', '900,1,950,9'], 'outside the image of 160x120'),
        (['--box', '1,1,9,9', '--video', 'missing.mp4'], 'missing.mp4'),
        (['--box', '1,1,9,9', '--checkpoint', __file__], 'test_demo.py'),
        (['--page', '--box', '1,1,9,9'], 'chosen in the browser'),
        (['--box', '90:1,1,9,9'], 'frame 90'),
    ],
)
def test_a_mistake_is_said_before_anything_starts(words, tmp_path, more, reason, capsys):
    assert main([*words, *more]) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / 'demo').exists()


@pytest.mark.parametrize('name', SCENES)
def test_a_scene_comes_with_prompts(name):
    scene = SCENES[name](360, 640)
    prompts = prompts_by_frame(scene_prompts(scene))
    check_prompts(prompts, size=(360, 640), frame_count=1)
    assert [prompt.object_id for prompt in prompts[0]] == list(scene.prompted)
    for prompt in prompts[0]:
        mask = scene.masks(0)[prompt.object_id]
        x0, y0, x1, y1 = prompt.box.astype(int)
        assert mask[y0:y1, x0:x1].sum() == mask.sum() > 0
