"""The benchmark on filmed clips: known figures of known tracks, late objects, and the whole way on drawn clips."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.evaluation import real
from sam2_ros.evaluation.datasets.annotated import ClipFolder
from sam2_ros.evaluation.datasets.clips import TargetClip
from sam2_ros.evaluation.measures.scores import score_run
from sam2_ros.evaluation.predictions import Prediction, RunKey
from sam2_ros.evaluation.protocols.first_frame import box_prompt, track_clip
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, labels in CLIPS.items():
        write_clip(tmp_path / 'films' / name, labels)
    return tmp_path / 'films'


def pretended_tracks(_: object, runs: Mapping[RunKey, TargetClip]) -> dict[RunKey, Prediction]:
    """In place of trackers: `sam2` is always right, and `dam` never sees anything and scores the wrong way round."""
    tracks = {}
    for run, target in runs.items():
        visible = target.truth.any(axis=(1, 2))
        right = Prediction(target.truth, np.where(visible, 5, -5).astype(np.float32))
        wrong = Prediction(np.zeros_like(target.truth), -right.object_score)
        tracks[run] = right if run.policy == 'sam2' else wrong
    return tracks


def arguments(folder: Path, *more: str) -> list[str]:
    kept, output = folder.parent / 'kept', folder.parent / 'output'
    return [str(folder), '--workers', '1', f'--predictions={kept}', '--output', str(output), *more]


def test_figures_of_right_and_of_empty_masks_are_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Empty masks are right in two of four frames of one of three objects, in one of two clips."""
    monkeypatch.setattr('sam2_ros.evaluation.benchmark.track_clip', pretended_tracks)
    real.main(arguments(folder))
    page = Path(capsys.readouterr().out.strip()).read_text()
    one, zero = '1.000 ± 0.000', '0.000 ± 0.000'
    by_object, by_clip = '0.167 ± 0.167', '0.125 ± 0.125'  # of 0, 0.5, 0 and of 0.25, 0
    assert table(page, 'prompt | memory') == [
        ['box', 'sam2', 'object', one, one, one, '1.000', one, '1.000'],
        ['box', 'sam2', 'clip', one, one, one, '1.000', one, '1.000'],
        ['box', 'dam', 'object', by_object, zero, by_object, '0.167', zero, '0.000'],
        ['box', 'dam', 'clip', by_clip, zero, by_clip, '0.125', zero, '0.000'],
    ]
    assert table(page, 'prompt | per') == [
        ['box', 'object', '-0.833 ± 0.167', '-1.000 ± 0.000', '-0.833 ± 0.167', '-1.000 ± 0.000'],
        ['box', 'clip', '-0.875 ± 0.125', '-1.000 ± 0.000', '-0.875 ± 0.125', '-1.000 ± 0.000'],
    ]
    assert table(page, 'clip | objects') == [
        ['street', '2', '5', '25%', '1.000', '0.250', '1.000', '0.250', '1.000', '0.000'],
        ['yard', '1', '3', '0%', '1.000', '0.000', '1.000', '0.000', '1.000', '0.000'],
    ]
    assert '3 objects in 2 clips. Hidden at times: 1 of them. Of all frames, 20% hide their object.' in page
    assert '- Clips: 2 of the 2 in films, sorted by name: both halves\n' in page
    assert '`python -m sam2_ros.evaluation.real films ' in page and str(folder.parent) not in page


def test_a_half_has_its_own_clips_and_shares_what_was_predicted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr('sam2_ros.evaluation.benchmark.track_clip', pretended_tracks)
    real.main(arguments(folder, '--policies', 'sam2'))
    monkeypatch.delattr('sam2_ros.evaluation.benchmark.track_clip')  # nothing is left to predict
    for half, name in (('first', 'street'), ('second', 'yard')):
        real.main(arguments(folder, '--policies', 'sam2', '--half', half))
        page = Path(capsys.readouterr().out.splitlines()[-1]).read_text()
        assert [row[0] for row in table(page, 'clip | objects')] == [name]
        assert f'1 of the 2 in films, sorted by name: the {half} half' in page and ' against ' not in page


@pytest.mark.slow
def test_a_late_object_is_tracked_as_if_the_clip_began_with_it(micro128: Sam2Network, folder: Path) -> None:
    labels = draw_labels({1: range(FRAMES), 3: range(2, FRAMES)}, frames=FRAMES)
    write_clip(folder / 'street', labels)
    targets = ClipFolder(folder).targets(0)
    runs = {RunKey('sam2', 'box', 0, label): target for label, target in targets.items()}
    for run, track in track_clip(micro128, runs).items():
        begun, start = targets[run.target].from_start(), {1: 0, 3: 2}[run.target]
        tracker = VideoTracker(micro128, 'sam2')
        prompt = box_prompt('target', begun.truth[0])
        alone = [tracker.step(rgb, [prompt] * (frame == 0))['target'] for frame, rgb in enumerate(begun.images)]
        assert not track.masks[:start].any() and np.isnan(track.object_score[:start]).all()
        assert np.count_nonzero(track.masks[start:] ^ np.stack([one.mask for one in alone])) <= 5  # of all pixels
        np.testing.assert_allclose(track.object_score[start:], [one.object_score_logit for one in alone], atol=1e-3)
        score = score_run('real', run, predicted=track, truth=targets[run.target].truth)
        assert len(score.region) == FRAMES - start - 1 and not np.isnan(score.object_score).any()


@pytest.mark.slow
def test_clips_are_tracked_and_scored(micro_weights: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bundled weights follow plain squares; a second call only scores."""
    told = arguments(folder, '--checkpoint', str(micro_weights), '--image-size', '128', '--prompts', 'box', 'mask')
    real.main(told)
    page = Path(capsys.readouterr().out.strip()).read_text()
    rows = table(page, 'prompt | memory')
    assert [row[:3] for row in rows] == [
        [prompt, policy, per] for prompt in ('box', 'mask') for policy in ('sam2', 'dam') for per in ('object', 'clip')
    ]
    assert all(float(row[4].split()[0]) > 0.5 for row in rows)  # J of the visible objects
    kept = {file: file.stat().st_mtime_ns for file in (folder.parent / 'kept').rglob('*.npz')}
    assert len(kept) == 2 * 2 * 3
    real.main(told)
    assert {file: file.stat().st_mtime_ns for file in (folder.parent / 'kept').rglob('*.npz')} == kept


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['--half', 'third'], "invalid choice: 'third'"),
        (['--checkpoint', 'nowhere.pt'], f'there is no checkpoint {Path("nowhere.pt").absolute()}'),
        (['--prompts', 'box', 'box'], 'prompts must be named once each, not box box'),
        ([], 'has no label image'),
    ],
)
def test_what_cannot_be_done_is_refused(
    folder: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / 'yard/00003.png').unlink()
    with pytest.raises(SystemExit) as exit_info:
        real.main(arguments(folder, *more))
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err
