"""The protocol first-frame: known figures of known tracks, late objects, and prompts that share a tracker."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.evaluation.__main__ import main
from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.datasets.registry import open_dataset
from sam2_ros.evaluation.protocols.first_frame import FirstFrame
from sam2_ros.evaluation.protocols.first_prompts import box_prompt, first_prompt, point_prompt
from sam2_ros.evaluation.protocols.protocol import Track
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.model import Sam2Network
from sam2_ros.tracking import VideoTracker
from tests.evaluation.filmed import draw_labels, write_clip
from tests.evaluation.test_command_lines import table

FRAMES = 5
# of the two objects of a street one hides in two of four frames; that of the yard comes late
CLIPS = {
    'street': draw_labels({1: range(FRAMES), 2: range(3)}, frames=FRAMES),
    'yard': draw_labels({3: range(2, FRAMES)}, frames=FRAMES),
}
PROMPTS = ('box', '1-click', 'mask')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, labels in CLIPS.items():
        write_clip(tmp_path / 'films' / name, labels)
    return tmp_path / 'films'


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of trackers: `sam2` is always right, and `dam` never sees anything and scores the wrong way round."""

    def run(self: FirstFrame, model: object, memory: str, sequence: VideoSequence) -> list[Track]:
        return [
            _pretended(sequence, one.object_id, one.start, memory, run)
            for run in self.prompts
            for one in sequence.objects
        ]

    monkeypatch.setattr(FirstFrame, 'run', run)
    monkeypatch.setattr('sam2_ros.evaluation.evaluation.loaded', lambda _: None)


def _pretended(sequence: VideoSequence, name: str, start: int, memory: str, run: str) -> Track:
    frames = range(start, len(sequence.frames))
    truth = [sequence.masks(frame)[name] for frame in frames]
    score = np.where([mask.any() for mask in truth], 5, -5).astype(np.float32)
    if memory != 'sam2':
        truth, score = [np.zeros_like(mask) for mask in truth], -score
    return Track(name, run, tuple(frames), tuple(map(RunLengths.of, truth)), score)


def page(folder: Path, *more: str) -> str:
    output = folder.parent / 'output'
    assert main(['folder', str(folder), '--protocol', 'first-frame', '--output', str(output), *more]) == 0
    return (output / 'results.md').read_text()


@pytest.mark.usefixtures('pretended')
def test_figures_of_right_and_of_empty_masks_are_known(folder: Path) -> None:
    """Empty masks are right in two of four frames of one of three objects, in one of two clips."""
    text = page(folder)
    one, zero = '1.000 ± 0.000', '0.000 ± 0.000'
    by_object, by_clip = '0.167 ± 0.167', '0.125 ± 0.125'  # of 0, 0.5, 0 and of 0.25, 0
    rows = table(text, 'prompt | memory | per | J')
    assert [row[:8] for row in rows] == [
        ['box', 'sam2', 'object', one, one, one, '1.000', one],
        ['box', 'sam2', 'clip', one, one, one, '1.000', one],
        ['box', 'dam', 'object', by_object, zero, by_object, '0.167', zero],
        ['box', 'dam', 'clip', by_clip, zero, by_clip, '0.125', zero],
    ]
    assert [[cell.split()[0] for cell in row[8:]] for row in rows] == [['1.000'] * 2] * 2 + [['0.000'] * 2] * 2
    assert table(text[text.index('difference from sam2') :], 'prompt | memory | per') == [
        ['box', 'dam', 'object', '-0.833 ± 0.167', '-1.000 ± 0.000', '-0.833 ± 0.167', '-1.000 ± 0.000'],
        ['box', 'dam', 'clip', '-0.875 ± 0.125', '-1.000 ± 0.000', '-0.875 ± 0.125', '-1.000 ± 0.000'],
    ]
    assert table(text, 'clip | objects') == [
        ['street', '2', '5', '25%', '1.000', '0.250', '1.000', '0.250', '1.000', '0.000'],
        ['yard', '1', '3', '0%', '1.000', '0.000', '1.000', '0.000', '1.000', '0.000'],
    ]
    assert '3 objects in 2 clips of 5 frames. Hidden at times: 1 of them. Of all frames, 20% hide their object.' in text
    assert '`python -m sam2_ros.evaluation folder films ' in text and str(folder.parent) not in text


@pytest.mark.usefixtures('pretended')
def test_every_prompt_has_its_rows_and_the_page_its_pictures(folder: Path) -> None:
    text = page(folder, '--prompt', 'mask,box', '--split', 'first-half', '--memory', 'sam2')
    assert [row[:3] for row in table(text, 'prompt | memory')] == [
        [prompt, 'sam2', per] for prompt in ('mask', 'box') for per in ('object', 'clip')
    ]
    assert 'difference from' not in text and '## Each clip, box prompt' in text
    for picture in ('pictures/all_clips.png', 'pictures/worst_street.jpg'):
        assert f'({picture})' in text and cv2.imread(str(folder.parent / 'output' / picture)).std() > 1


@pytest.mark.usefixtures('pretended')
def test_an_object_that_never_shows_again_does_not_count(folder: Path) -> None:
    """It could be prompted, and never be found again; a clip of such objects alone has no figures."""
    write_clip(folder / 'street', draw_labels({1: range(FRAMES), 2: [1]}, frames=FRAMES))
    write_clip(folder / 'yard', draw_labels({3: [FRAMES - 1]}, frames=FRAMES))
    text = page(folder)
    assert [row[:3] for row in table(text, 'clip | objects')] == [['street', '1', '5']]
    assert [row[:2] for row in table(text, 'prompt | memory | J')] == [['box', 'sam2'], ['box', 'dam']]


def _alone(model: Sam2Network, sequence: VideoSequence, one, prompt: str):
    tracker = VideoTracker(model, 'sam2')
    prompts = [first_prompt(prompt, 'target', sequence=sequence, target=one)]
    frames = range(one.start, len(sequence.frames))
    return [tracker.step(sequence.image(frame), prompts if frame == one.start else ())['target'] for frame in frames]


@pytest.mark.slow
def test_objects_and_prompts_that_share_a_tracker_give_what_each_gives_alone(
    micro128: Sam2Network, folder: Path
) -> None:
    """Also a late object is tracked as if the clip began with it."""
    write_clip(folder / 'street', draw_labels({1: range(FRAMES), 3: range(2, FRAMES)}, frames=FRAMES))
    sequence = open_dataset('folder', folder).sequence('street')
    tracks = FirstFrame(PROMPTS).run(micro128, 'sam2', sequence)
    assert [(track.run, track.object_id) for track in tracks] == [(run, name) for run in PROMPTS for name in '13']
    objects = {one.object_id: one for one in sequence.objects}
    for track in tracks:
        alone = _alone(micro128, sequence, objects[track.object_id], track.run)
        assert track.frames == tuple(range({'1': 0, '3': 2}[track.object_id], FRAMES))
        np.testing.assert_allclose(track.object_score, [one.object_score_logit for one in alone], atol=1e-3)
        differing = [track.mask(frame) ^ one.mask for frame, one in zip(track.frames, alone, strict=True)]
        assert np.count_nonzero(differing) <= 5  # of all pixels


@pytest.mark.slow
def test_clips_are_tracked_and_scored(micro_weights: Path, folder: Path) -> None:
    """The bundled weights follow plain squares."""
    text = page(folder, '--checkpoint', str(micro_weights), '--image-size', '128', '--prompt', 'box,mask')
    rows = table(text, 'prompt | memory | per')
    assert len(rows) == 8 and all(float(row[4].split()[0]) > 0.5 for row in rows)  # J of the visible objects


def test_prompts_are_made_from_the_true_mask() -> None:
    mask = np.zeros((20, 30), bool)
    mask[4:11, 6:25] = True
    mask[7, 25:29] = True  # a thin tail, which a click in the middle avoids
    assert box_prompt('a', mask).box.tolist() == [6, 4, 29, 11]
    x, y = point_prompt('a', mask).points[0]
    assert y == 7
    assert 9 <= x <= 21
