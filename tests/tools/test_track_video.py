"""The command line that tracks a video, from a video file to the files it leaves."""

import csv
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from sam2_ros.model import build_sam2
from sam2_ros.tools.synthetic_scene import SyntheticScene
from sam2_ros.tools.track_video import CSV_COLUMNS, main, track_video
from sam2_ros.tools.video_sink import VideoSink
from sam2_ros.tools.video_source import FrameSource
from sam2_ros.tracking import Prompt, VideoTracker

FRAMES, HEIGHT, WIDTH = 6, 96, 160


@pytest.fixture(scope='module')
def scene():
    return SyntheticScene(HEIGHT, WIDTH)


@pytest.fixture(scope='module')
def video(scene, tmp_path_factory):
    with VideoSink(tmp_path_factory.mktemp('video') / 'scene', frame_rate=15) as sink:
        for index in range(FRAMES):
            sink.write(scene.frame(index))
    return sink.path


@pytest.fixture(scope='module')
def micro_model(micro_weights):
    return build_sam2('sam2.1_hiera_micro', micro_weights, image_size=64)


@pytest.fixture
def run(video, micro_weights, tmp_path):
    """Runs the command line on the video and returns its exit status."""
    def run(*words, source=None):
        return main([str(source or video), '--out', str(tmp_path / 'out'), '--checkpoint', str(micro_weights),
                     '--image-size', '128', *words])
    return run


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return f'{columns[0]},{rows[0]},{columns[-1] + 1},{rows[-1] + 1}'


def visible_ladybirds(scene):
    return {name: mask for name, mask in scene.masks(0).items() if mask.any()}


def rows_of(folder):
    with open(folder / 'objects.csv', newline='') as file:
        return list(csv.DictReader(file))


def mask_of(folder, name, index):
    return cv2.imread(str(folder / 'masks' / name / f'{index:06d}.png'), cv2.IMREAD_UNCHANGED)


def test_two_objects_one_of_them_later(run, scene, tmp_path, capsys):
    first, second, *_ = visible_ladybirds(scene).values()
    assert run('--name', 'red', '--box', box_of(first), '--name', 'late', '--box', f'2:{box_of(second)}') == 0
    out = tmp_path / 'out'
    rows = rows_of(out)
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [(int(row['frame']), row['id']) for row in rows] == [
        (index, name) for index in range(FRAMES) for name in ('red', 'late') if name == 'red' or index >= 2]
    for row in rows:
        mask = mask_of(out, row['id'], int(row['frame']))
        assert mask.shape == (HEIGHT, WIDTH) and set(np.unique(mask)) <= {0, 255}
        assert (mask > 0).sum() == int(row['area'])
        assert ','.join(row[edge] for edge in ('x0', 'y0', 'x1', 'y1')) == (box_of(mask) if mask.any() else ',,,')
        assert float(row['occlusion_probability']) == pytest.approx(
            1 / (1 + np.exp(float(row['object_score_logit']))), abs=1e-3)
    assert (rows[0]['memory_event'], rows[0]['memory_reason'], rows[0]['anchors']) == ('prompt', 'first prompt', '0')
    assert {row['memory_event'] for row in rows if int(row['frame']) > 2} <= {'none', 'recent', 'anchor'}
    assert all(row['memory_reason'] for row in rows)
    mask = mask_of(out, 'red', 0) > 0
    assert (mask & first).sum() / (mask | first).sum() > 0.4  # the object that was prompted, not another
    capture = cv2.VideoCapture(str(out / 'overlay.mp4'))
    assert [capture.get(field) for field in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT,
                                             cv2.CAP_PROP_FRAME_COUNT)] == [WIDTH, HEIGHT, FRAMES]
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(15)
    printed = capsys.readouterr().out
    assert 'red: visible in' in printed and f'of {FRAMES} frames' in printed and 'overlay.mp4' in printed


def test_it_stops_after_the_frames_asked_for(run, scene, tmp_path):
    (mask, *_) = visible_ladybirds(scene).values()
    assert run('--box', box_of(mask), '--frames', '2') == 0
    assert [int(row['frame']) for row in rows_of(tmp_path / 'out')] == [0, 1]


def test_a_mask_prompt_comes_back_as_it_is(run, scene, tmp_path):
    (given, *_) = visible_ladybirds(scene).values()
    cv2.imwrite(str(tmp_path / 'mask.png'), given.astype(np.uint8) * 255)
    assert run('--mask', str(tmp_path / 'mask.png'), '--frames', '1') == 0
    found = mask_of(tmp_path / 'out', 'object_1', 0) > 0
    assert (found & given).sum() / (found | given).sum() > 0.8  # it went through the network's smaller grid


@pytest.mark.parametrize(('words', 'reason'), [
    ([], '--box x0,y0,x1,y1'),
    ([], '160x96'),
    (['--box', '500,10,520,30'], 'outside the image of 160x96'),
    (['--box', '50,10,20,30'], 'x0 < x1'),
    (['--point', '10,10,0'], 'positive point'),
    (['--box', f'{FRAMES}:10,10,20,30'], f'the last frame is {FRAMES - 1}'),
    (['--box', '10,10,20,30', '--device', 'cuda:77'], 'cuda:77'),
    (['--box', '10,10,20,30', '--image-size', '100'], '32'),
    (['--box', '10,10,20,30', '--frames', '0'], '1 or more, got 0'),
])
def test_a_mistake_is_said_in_a_sentence_and_nothing_is_written(run, tmp_path, capsys, words, reason):
    assert run(*words) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith('error: ') and reason in captured.err
    assert not (tmp_path / 'out').exists()


def test_a_video_that_ends_before_a_prompt_is_said(micro_model, scene, tmp_path):
    """Where the length is not known before."""
    source = FrameSource('stream', (HEIGHT, WIDTH), 10.0, None, lambda: map(scene.frame, range(3)))
    prompts = {0: [Prompt('a', box=(5, 5, 60, 60))], 4: [Prompt('a', points=[(9, 9)])]}
    written = track_video(source, VideoTracker(micro_model), prompts=prompts, out=tmp_path / 'out')
    assert (written.frames, written.unused) == (3, (4,))
    assert len(rows_of(tmp_path / 'out')) == 3


def test_masks_of_an_earlier_longer_run_go(micro_model, scene, tmp_path):
    source = FrameSource('stream', (HEIGHT, WIDTH), 10.0, None, lambda: map(scene.frame, range(3)))
    for frames in (3, 2):
        track_video(source, VideoTracker(micro_model), prompts={0: [Prompt('a', box=(5, 5, 60, 60))]},
                    out=tmp_path / 'out', max_frames=frames)
        assert len(list((tmp_path / 'out/masks/a').iterdir())) == frames


def test_an_endless_source_ends_with_ctrl_c(micro_weights, tmp_path):
    out = tmp_path / 'out'
    words = ['synthetic', '--out', str(out), '--box', '600,300,700,400', '--checkpoint', str(micro_weights),
             '--image-size', '64']
    process = subprocess.Popen([sys.executable, '-m', 'sam2_ros.tools.track_video', *words], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (out / 'masks/object_1/000002.png').exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    frames = int(cv2.VideoCapture(str(out / 'overlay.mp4')).get(cv2.CAP_PROP_FRAME_COUNT))
    assert frames >= 3 and f'of {frames} frames' in printed
    assert len(rows_of(out)) == len(list(out.glob('masks/object_1/*.png'))) == frames


def test_a_missing_video_is_said(run, tmp_path, capsys):
    assert run('--box', '1,1,9,9', source=tmp_path / 'missing.mp4') == 1
    assert 'missing.mp4' in capsys.readouterr().err


def test_a_folder_of_images_works_too(run, scene, tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for index in range(2):
        cv2.imwrite(str(folder / f'{index}.png'), cv2.cvtColor(scene.frame(index), cv2.COLOR_RGB2BGR))
    (mask, *_) = visible_ladybirds(scene).values()
    assert run('--box', box_of(mask), source=folder) == 0
    assert len(rows_of(tmp_path / 'out')) == 2
