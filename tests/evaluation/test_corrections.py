"""Correction clicks on held-out clips: what is compared with what, and the page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.evaluation import corrections
from sam2_ros.evaluation.datasets.clips import TargetClip
from sam2_ros.evaluation.datasets.synthetic import SUBSETS, benchmark_clip
from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.protocols.corrections import Correction, correct
from sam2_ros.evaluation.protocols.first_frame import box_prompt
from sam2_ros.model import Sam2Network
from sam2_ros.tracking import VideoTracker
from tests.evaluation.filmed import draw_labels, write_clip

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def clip() -> TargetClip:
    plain = SUBSETS['plain']
    return benchmark_clip(replace(plain, scene=replace(plain.scene, height=96, width=128, frames=6)), 0)


def test_what_is_left_alone_is_what_the_tracker_makes_of_it(micro128: Sam2Network, clip: TargetClip) -> None:
    tracker = VideoTracker(micro128, 'sam2')
    tracker.step(clip.images[0], [box_prompt('target', clip.truth[0])])
    masks = np.stack([tracker.step(image)['target'].mask for image in clip.images[1:]])
    alone = region_similarity(masks, clip.truth[1:])
    result = correct(micro128, 'sam2', clip, frame=2, clicks=2)
    assert result.by_click[0] == alone[1] and result.left_alone == pytest.approx(alone[2:].mean())
    assert len(result.by_click) == 3 and len({result.by_click[0], *result.by_click[1:]}) > 1
    assert result.corrected != result.left_alone
    boxed = VideoTracker(micro128, 'sam2')
    boxed.step(clip.images[0], [box_prompt('target', clip.truth[0])])
    boxed.step(clip.images[1])
    corrected = boxed.step(clip.images[2], [box_prompt('target', clip.truth[2])])['target'].mask
    assert result.by_box == region_similarity(corrected, clip.truth[2])


def test_a_hidden_target_is_corrected_when_it_shows_again(micro128: Sam2Network, clip: TargetClip) -> None:
    hidden = clip.truth.copy()
    hidden[2:4] = False
    later = correct(micro128, 'sam2', TargetClip(clip.images, hidden, clip.seed), frame=2, clicks=1)
    assert later.by_click == correct(micro128, 'sam2', clip, frame=4, clicks=1).by_click
    hidden[2:] = False
    with pytest.raises(ValueError, match='the target cannot be seen in frame 2 or a later one that has a next frame'):
        correct(micro128, 'sam2', TargetClip(clip.images, hidden, clip.seed), frame=2, clicks=1)


def test_the_page_has_a_column_for_every_click(
    micro_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corrections.main(
        [
            '--checkpoint',
            str(micro_weights),
            '--subsets',
            'plain',
            '--clips',
            '2',
            '--frame',
            '1',
            '--after',
            '1',
            '--clicks',
            '2',
            '--output',
            str(tmp_path),
        ]
    )
    page = Path(capsys.readouterr().out.strip()).read_text()
    rows = [line.strip('| ').split(' | ') for line in page.splitlines() if line.startswith('|')]
    assert rows[0] == [
        'subset',
        'clips',
        'frame',
        'before',
        'click 1',
        'click 2',
        'new box',
        'frames after, left alone',
        'frames after, corrected',
    ]
    assert rows[2][:3] == ['plain', '2', '1'] and len(rows) == 3
    assert all(0 <= float(cell.split()[0]) <= 1 for cell in rows[2][3:])


def test_differences_are_those_on_the_same_clip() -> None:
    """All clips gain the same, however different they are; of three clips one hides its target to the end."""
    runs = [Correction(frame, (low, low + 0.125), low + 0.25, low, low - 0.5) for frame, low in ((20, 0.5), (24, 0.75))]
    assert corrections._row('occlusion', [[runs[0]], [], [runs[1]]]) == [
        'occlusion',
        '2 of 3',
        '20 to 24',
        '0.625 ± 0.125',
        '0.750 (+0.125 ± 0.000)',
        '0.875 (+0.250 ± 0.000)',
        '0.625 ± 0.125',
        '0.125 (-0.500 ± 0.000)',
    ]
    with pytest.raises(ValueError, match='no clip of re_entry shows its target in time; choose another --frame'):
        corrections._row('re_entry', [[], []])


def test_clips_with_many_objects_count_as_much_as_those_with_one() -> None:
    runs = [Correction(20, (low, low + 0.25), low, low, low) for low in (0.0, 0.0, 0.25, 0.5)]
    by_object = corrections._row('real', [[run] for run in runs])
    by_clip = corrections._row('real', [runs[:3], runs[3:]])
    assert by_object[1:5] == ['4', '20', '0.188 ± 0.120', '0.438 (+0.250 ± 0.000)']
    assert by_clip[1:5] == ['2', '20', '0.292 ± 0.208', '0.542 (+0.250 ± 0.000)']


def test_objects_of_filmed_clips_are_corrected(
    micro_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The late object is corrected on the second frame after it came; that which hides is not."""
    write_clip(tmp_path / 'films/street', draw_labels({1: range(6), 2: range(2), 3: range(2, 6)}, frames=6))
    corrections.main(
        [
            *('--real', str(tmp_path / 'films'), '--frame', '2', '--after', '1', '--clicks', '1'),
            *('--checkpoint', str(micro_weights), '--output', str(tmp_path)),
        ]
    )
    page = Path(capsys.readouterr().out.strip())
    assert page.name == 'corrections_real.md'  # beside that of synthetic clips
    rows = [line.strip('| ').split(' | ') for line in page.read_text().splitlines() if line.startswith('|')]
    assert [row[:3] for row in rows[2:]] == [['real, per object', '2 of 3', '2'], ['real, per clip', '1', '2']]
    assert rows[2][3].split()[0] == rows[3][3]
    assert '- Clips: 1 of the 1 in films' in page.read_text() and str(tmp_path) not in page.read_text()
