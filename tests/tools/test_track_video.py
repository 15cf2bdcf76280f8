"""The command line that tracks a video, from a video file to the files it leaves."""

import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest

from sam2_ros.model import build_sam2
from sam2_ros.tools.track_video import CSV_COLUMNS, main, track_video
from sam2_ros.tracking import Prompt, VideoTracker
from sam2_ros.video.source import FrameSource, open_source
from tests.results import frame_result, object_result
from tests.tools.conftest import FRAMES, HEIGHT, WIDTH, box_of, rows_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def micro_model(micro_weights):
    return build_sam2('sam2.1_hiera_micro', micro_weights, image_size=64)


@pytest.fixture
def run(video, micro_weights, tmp_path):
    """Runs the command line on the video and returns its exit status."""

    def run(*words, source=None):
        return main(
            [
                str(source or video),
                '--out',
                str(tmp_path / 'out'),
                '--checkpoint',
                str(micro_weights),
                '--image-size',
                '128',
                *words,
            ]
        )

    return run


def visible_ladybirds(scene):
    return {name: mask for name, mask in scene.masks(0).items() if mask.any()}


def mask_of(folder, name, index):
    return cv2.imread(str(folder / 'masks' / name / f'{index:06d}.png'), cv2.IMREAD_UNCHANGED)


def test_two_objects_one_of_them_later(run, scene, tmp_path, capsys):
    first, second, *_ = visible_ladybirds(scene).values()
    assert run('--name', 'red', '--box', box_of(first), '--name', 'late', '--box', f'2:{box_of(second)}') == 0
    out = tmp_path / 'out'
    rows = rows_of(out)
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [(int(row['frame']), row['id']) for row in rows] == [
        (index, name) for index in range(FRAMES) for name in ('red', 'late') if name == 'red' or index >= 2
    ]
    for row in rows:
        mask = mask_of(out, row['id'], int(row['frame']))
        assert mask.shape == (HEIGHT, WIDTH) and set(np.unique(mask)) <= {0, 255}
        edges = [row[edge] for edge in ('x0', 'y0', 'x1', 'y1')]
        x0, y0, x1, y1 = (int(edge or 0) for edge in edges)
        mask[:, :x0] = mask[:, x1:] = mask[:y0] = mask[y1:] = 0  # specks, which neither box nor area has
        assert (mask > 0).sum() == int(row['area'])
        assert ','.join(edges) == (box_of(mask) if mask.any() else ',,,')
        assert float(row['occlusion_probability']) == pytest.approx(
            1 / (1 + np.exp(float(row['object_score_logit']))), abs=1e-3
        )
    assert (rows[0]['memory_event'], rows[0]['memory_reason'], rows[0]['anchors']) == ('prompt', 'first prompt', '0')
    assert {row['memory_event'] for row in rows if int(row['frame']) > 2} <= {'none', 'recent', 'anchor'}
    assert all(row['memory_reason'] for row in rows)
    mask = mask_of(out, 'red', 0) > 0
    assert (mask & first).sum() / (mask | first).sum() > 0.4  # the object that was prompted, not another
    capture = cv2.VideoCapture(str(out / 'overlay.mp4'))
    width, height, count = (
        capture.get(field) for field in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_COUNT)
    )
    assert (width, count) == (WIDTH, FRAMES)
    assert height > HEIGHT and height % 2 == 0  # the curves of the scores are below the image
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(15)
    printed = capsys.readouterr().out
    assert 'red: visible in' in printed and f'of {FRAMES} frames' in printed and 'overlay.mp4' in printed


def test_the_overlay_shows_the_prompts_where_they_were_given(micro_model, tmp_path):
    """On their own frames only: white dashes along the box."""
    still = np.full((360, 640, 3), 90, np.uint8)
    source = FrameSource('stream', (360, 640), 10.0, None, lambda: iter([still] * 4))
    prompts = {0: [Prompt('a', box=(100, 100, 300, 250))], 2: [Prompt('b', box=(350, 50, 600, 200))]}
    track_video(source, VideoTracker(micro_model), prompts=prompts, out=tmp_path / 'out')
    capture = cv2.VideoCapture(str(tmp_path / 'out/overlay.mp4'))
    frames = [capture.read()[1] for _ in range(4)]
    for row, columns, at in ((100, slice(100, 300), 0), (50, slice(350, 600), 2)):
        dashes = [(frame[row - 1 : row + 2, columns].min(2) > 190).any(0).mean() for frame in frames]
        assert dashes[at] > 0.25 and max(dashes[:at] + dashes[at + 1 :]) < 0.1, dashes


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


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        ([], '--box x0,y0,x1,y1'),
        ([], '160x96'),
        (['--box', '500,10,520,30'], 'outside the image of 160x96'),
        (['--box', '50,10,20,30'], 'x0 < x1'),
        (['--point', '10,10,0'], 'positive point'),
        (['--box', f'{FRAMES}:10,10,20,30'], f'the last frame is {FRAMES - 1}'),
        (['--box', '10,10,20,30', '--device', 'cuda:77'], 'cuda:77'),
        (['--box', '10,10,20,30', '--image-size', '100'], '32'),
        (['--box', '10,10,20,30', '--frames', '0'], '1 or more, got 0'),
    ],
)
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
        track_video(
            source,
            VideoTracker(micro_model),
            prompts={0: [Prompt('a', box=(5, 5, 60, 60))]},
            out=tmp_path / 'out',
            max_frames=frames,
        )
        assert len(list((tmp_path / 'out/masks/a').iterdir())) == frames


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_endless_source_ends_with_a_signal(micro_weights, tmp_path, number):
    """The table grows with the frames; the video is finished at the end."""
    out = tmp_path / 'out'
    words = [
        'synthetic',
        '--out',
        str(out),
        '--box',
        '600,300,700,400',
        '--checkpoint',
        str(micro_weights),
        '--image-size',
        '64',
    ]
    process = subprocess.Popen(
        [sys.executable, '-m', 'sam2_ros.tools.track_video', *words],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 120
    while not (out / 'masks/object_1/000002.png').exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(rows_of(out)) >= 3
    process.send_signal(number)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    frames = int(cv2.VideoCapture(str(out / 'overlay.mp4')).get(cv2.CAP_PROP_FRAME_COUNT))
    assert frames >= 3 and f'of {frames} frames' in printed
    assert len(rows_of(out)) == len(list(out.glob('masks/object_1/*.png'))) == frames


def place(real, output, how):
    """Make `output` one and the same as `real`; returns what is given as the source."""
    output.parent.mkdir(parents=True)
    if how == 'an output that is a link to it':
        output.symlink_to(real)
    elif how == 'an output that is a hard link':
        output.hardlink_to(real)
    else:
        real.rename(output)
    if how == 'a link to an output':
        real.symlink_to(output)
    return {'an output': output, 'its address': f'file://{output}'}.get(how, real)


def contents(folder):
    return {file: file.read_bytes() for file in folder.rglob('*') if file.is_file()}


@pytest.fixture
def images(scene, tmp_path):
    """A folder of two images that are named as masks are."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for index in range(2):
        cv2.imwrite(str(folder / f'{index:06d}.png'), cv2.cvtColor(scene.frame(index), cv2.COLOR_RGB2BGR))
    return folder


@pytest.mark.parametrize(
    ('name', 'output', 'how'),
    [
        ('mine.mp4', 'overlay.mp4', 'an output'),
        ('mine.mp4', 'overlay.mp4', 'its address'),
        ('mine.mp4', 'overlay.mp4', 'a link to an output'),
        ('mine.mp4', 'overlay.mp4', 'an output that is a link to it'),
        ('mine.mp4', 'overlay.mp4', 'an output that is a hard link'),
        ('mine.mp4', 'overlay.avi', 'an output'),
        ('mine.mp4', 'masks/object_1/a.mp4', 'an output'),
        ('images', 'masks/object_1', 'an output'),
        ('images', 'masks/cup', 'an output'),
        ('images', 'masks', 'an output'),
        ('images', 'masks/object_1', 'a link to an output'),
        ('images', 'masks/object_1', 'an output that is a link to it'),
    ],
)
def test_a_source_among_the_outputs_is_refused(run, video, images, tmp_path, capsys, name, output, how):
    (tmp_path / 'mine.mp4').write_bytes(video.read_bytes())
    source = place(tmp_path / name, tmp_path / 'out' / output, how)
    before = contents(tmp_path)
    assert run('--box', '5,5,60,60', source=source) == 1
    assert 'is an input and would be overwritten' in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_folder_of_links_to_outputs_is_refused(run, images, tmp_path, capsys):
    place(images, tmp_path / 'out/masks/object_1', 'an output')
    images.mkdir()
    for file in (tmp_path / 'out/masks/object_1').iterdir():
        (images / file.name).symlink_to(file)
    before = contents(tmp_path)
    assert run('--box', '5,5,60,60', source=images) == 1
    assert 'is an input and would be overwritten' in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_mask_to_read_is_not_written_over(run, scene, tmp_path, capsys):
    (given, *_) = visible_ladybirds(scene).values()
    file = tmp_path / 'out/masks/object_1/000000.png'
    file.parent.mkdir(parents=True)
    cv2.imwrite(str(file), given.astype(np.uint8) * 255)
    before = contents(tmp_path)
    assert run('--mask', str(file)) == 1
    assert f'{file} is an input' in capsys.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.parametrize('name', ['mine.mp4', 'images'])
def test_results_may_lie_beside_the_source(run, video, images, tmp_path, name):
    (tmp_path / 'mine.mp4').write_bytes(video.read_bytes())
    source = place(tmp_path / name, tmp_path / 'out' / name, 'an output')
    (tmp_path / 'out/masks').mkdir()
    before = contents(tmp_path)
    assert run('--box', '5,5,60,60', '--frames', '1', source=source) == 0
    assert before.items() <= contents(tmp_path).items()


@contextmanager
def no_file_larger_than(size):
    """Writing more into a file fails, as on a full disk. `size` in bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_video_that_could_not_be_written_is_noticed(run, tmp_path, capsys):
    with no_file_larger_than(4000):
        assert run('--box', '5,5,60,60') == 1
    error = capsys.readouterr().err
    out = tmp_path / 'out'
    assert f'overlay.mp4 is not whole, its {FRAMES} frames cannot be found' in error
    assert f'The first {FRAMES} frames are whole in {out}: objects.csv, masks\n' in error
    assert [int(row['frame']) for row in rows_of(out)] == list(range(FRAMES))
    assert [mask_of(out, 'object_1', index).shape for index in range(FRAMES)] == [(HEIGHT, WIDTH)] * FRAMES


class NoisyTracker:
    """Says that the object has vanished, and from the third frame on that it is noise, which makes large files."""

    def __init__(self):
        self.frames = 0

    def step(self, rgb, prompts):
        mask = np.random.default_rng(0).random(rgb.shape[:2]) < (0.5 if self.frames >= 2 else 0)
        result = frame_result(object_result('a', mask), image_size=rgb.shape[:2])
        self.frames += 1
        return replace(result, frame_index=self.frames - 1)


def test_a_mask_that_could_not_be_written_ends_the_run(video, tmp_path):
    out = tmp_path / 'out'
    prompts = {0: [Prompt('a', box=(5, 5, 60, 60))]}
    reason = r'000002\.png cannot be written: File too large'
    with no_file_larger_than(1000), pytest.raises(OSError, match=reason) as end:
        track_video(open_source(str(video)), NoisyTracker(), prompts=prompts, out=out)
    assert f'The first 2 frames are whole in {out}: objects.csv, masks' in str(end.value)
    assert sorted(file.name for file in (out / 'masks/a').iterdir()) == ['000000.png', '000001.png']


def test_a_table_that_cannot_be_written_is_said(run, tmp_path, capsys):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/objects.csv').symlink_to('/dev/full')
    assert run('--box', '5,5,60,60') == 1
    assert 'objects.csv cannot be written: No space left on device' in capsys.readouterr().err


def test_what_was_tracked_before_a_damaged_image_is_whole(run, images, tmp_path, capsys):
    (images / '000001.png').write_bytes(b'no image')
    assert run('--box', '5,5,60,60', source=images) == 1
    error = capsys.readouterr().err
    assert '000001.png cannot be read as an image. The first 1 frames are whole' in error
    assert cv2.VideoCapture(str(tmp_path / 'out/overlay.mp4')).get(cv2.CAP_PROP_FRAME_COUNT) == 1


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
