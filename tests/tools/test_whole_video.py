"""`track_video --offline`: prompts on any frame, carried through the whole video both ways."""

import pytest

from sam2_ros.model import build_sam2
from sam2_ros.tools.track_video import main, track_whole_video
from sam2_ros.tracking import Prompt
from sam2_ros.video.source import open_source
from tests.tools.conftest import FRAMES, box_of, rows_of

pytestmark = pytest.mark.slow


@pytest.fixture
def run(video, micro_weights, tmp_path):
    """Runs the command line on the video and returns its exit status."""
    network = ['--checkpoint', str(micro_weights), '--image-size', '128']

    def run(*words, source=None):
        return main([str(source or video), '--offline', '--out', str(tmp_path / 'out'), *network, *words])

    return run


def test_prompts_on_any_frame(run, scene, tmp_path, capsys):
    """An object that is prompted in the middle is known from the first frame on, and the files are those of any run."""
    later = next(mask for mask in scene.masks(3).values() if mask.any())
    assert run('--name', 'bird', '--box', f'3:{box_of(later)}', '--point', '5:2,2,0') == 0
    rows = rows_of(tmp_path / 'out')
    assert [int(row['frame']) for row in rows] == list(range(FRAMES))
    ways = [row['memory_reason'].split(';')[0] for row in rows]
    assert ways[:4] == ['tracked backwards'] * 3 + ['prompt']
    assert ways[5] == 'correction', 'a click corrects what was propagated before'
    assert len(list((tmp_path / 'out' / 'masks' / 'bird').glob('*.png'))) == FRAMES
    assert open_source(str(tmp_path / 'out' / 'overlay.mp4')).frame_count == FRAMES
    assert sorted(file.name for file in (tmp_path / 'out').iterdir()) == ['masks', 'objects.csv', 'overlay.mp4']
    assert 'bird: visible in' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'source', 'message'),
    [
        (['--point', '2:5,5,0', '--name', 'x', '--point', '4:5,5'], None, 'needs a positive point'),
        (['--box', '9:1,1,9,9'], None, 'the last frame is 5'),
        (['--box', '1,1,9,9'], 'synthetic', 'has no end'),
        (['--box', '1,1,9,9', '--frames', '0'], None, '1 or more'),
    ],
)
def test_what_cannot_be_tracked(run, tmp_path, capsys, words, source, message):
    assert run(*words, source=source) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out' / 'objects.csv').exists()


def test_a_run_that_is_interrupted_leaves_what_was_found(video, micro_weights, tmp_path):
    prompts = {0: [Prompt('bird', box=(10, 10, 60, 60))]}
    model = build_sam2('sam2.1_hiera_micro', micro_weights, image_size=64)
    asked = []

    def stopped():
        asked.append(None)
        return len(asked) >= 3

    written = track_whole_video(open_source(str(video)), model, prompts=prompts, out=tmp_path / 'out', stopped=stopped)
    assert written.frames == FRAMES
    assert [int(row['frame']) for row in rows_of(tmp_path / 'out')] == [0, 1, 2], 'the other frames are without masks'
