"""The protocol of correction clicks: what is compared with what, and the page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.evaluation.__main__ import main
from sam2_ros.evaluation.datasets.dataset import ClipChoice, VideoSequence
from sam2_ros.evaluation.datasets.registry import open_dataset
from sam2_ros.evaluation.datasets.synthetic import SUBSETS, SyntheticClips
from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.pages.corrections import correction_cells
from sam2_ros.evaluation.protocols.corrections import Corrections
from sam2_ros.evaluation.protocols.first_prompts import box_prompt
from sam2_ros.evaluation.protocols.protocol import SequenceScore, TrackScore
from sam2_ros.model import Sam2Network
from sam2_ros.tracking import VideoTracker
from tests.evaluation.filmed import draw_labels, write_clip
from tests.evaluation.protocols.tracks import scored
from tests.evaluation.test_command_lines import table

FRAMES = 6


def drawn(folder: Path, shown: dict[int, range | list[int]]) -> VideoSequence:
    write_clip(folder / 'street', draw_labels(shown, frames=FRAMES))
    return open_dataset('folder', folder).sequence('street')


def figures(model: Sam2Network, protocol: Corrections, sequence: VideoSequence) -> dict[str, float]:
    return protocol.figures([scored(protocol, sequence, protocol.run(model, 'sam2', sequence))])


@pytest.mark.slow
def test_what_is_left_alone_is_what_the_tracker_makes_of_it(micro128: Sam2Network) -> None:
    plain = SUBSETS['plain']
    small = replace(plain, scene=replace(plain.scene, height=96, width=128))
    sequence = SyntheticClips('heldout', ClipChoice(frames=FRAMES), subsets={'plain': small}).sequence('plain/000')
    truth = [sequence.masks(frame)['1'] for frame in range(FRAMES)]
    tracker = VideoTracker(micro128, 'sam2')
    tracker.step(sequence.image(0), [box_prompt('target', truth[0])])
    masks = [tracker.step(sequence.image(frame))['target'].mask for frame in range(1, FRAMES)]
    alone = region_similarity(np.stack(masks), np.stack(truth[1:]))
    found = figures(micro128, Corrections(frame=2, clicks=2), sequence)
    assert list(found) == [
        'before',
        'click 1',
        'click 2',
        'new box',
        'frames after, left alone',
        'frames after, corrected',
    ]
    assert found['before'] == alone[1] and found['frames after, left alone'] == pytest.approx(alone[2:].mean())
    assert len({found[name] for name in ('before', 'click 1', 'click 2')}) > 1
    assert found['frames after, corrected'] != found['frames after, left alone']
    boxed = VideoTracker(micro128, 'sam2')
    boxed.step(sequence.image(0), [box_prompt('target', truth[0])])
    boxed.step(sequence.image(1))
    corrected = boxed.step(sequence.image(2), [box_prompt('target', truth[2])])['target'].mask
    assert found['new box'] == region_similarity(corrected, truth[2])


@pytest.mark.slow
def test_a_hidden_object_is_corrected_when_it_shows_again(micro128: Sam2Network, tmp_path: Path) -> None:
    sequence = drawn(tmp_path, {1: [0, 1, 4, 5], 2: [0, 1], 3: range(3, FRAMES)})
    protocol = Corrections(frame=2, clicks=1, after=3)
    tracks = protocol.run(micro128, 'sam2', sequence)
    assert {(track.object_id, track.run): track.frames for track in tracks} == {
        ('1', 'left alone'): (4, 5),
        ('1', 'click 1'): (4,),
        ('1', 'new box'): (4,),
        ('1', 'corrected'): (5,),
    }, '2 is hidden to the end, and 3 has no frame after its second one'
    score = scored(protocol, sequence, tracks)
    assert correction_cells(protocol, [score], per='object')[:2] == ['1 of 3', '4']
    assert correction_cells(protocol, [score], per='clip')[:2] == ['1', '4']


def clip(name: str, *lows: float, frame: int = 20) -> SequenceScore:
    """Every object gains the same by each correction, however low it is; one that is NaN is hidden to the end."""

    def tracks(number: int, low: float) -> list[TrackScore]:
        if np.isnan(low):
            return [TrackScore(str(number), 'left alone', (), {})]
        runs = {'left alone': [low, low], 'click 1': [low + 0.125], 'new box': [low + 0.25], 'corrected': [low - 0.5]}
        return [
            TrackScore(
                str(number), run, tuple(range(len(own))), {'J': np.array(own), 'frame': np.full(len(own), frame)}
            )
            for run, own in runs.items()
        ]

    return SequenceScore(
        name, (48, 64), 31, tuple(one for number, low in enumerate(lows) for one in tracks(number, low))
    )


def test_differences_are_those_on_the_same_clip() -> None:
    """All clips gain the same, however different they are; of three clips one hides its target to the end."""
    protocol = Corrections(clicks=1)
    clips = [clip('a', 0.5), clip('b', np.nan), clip('c', 0.75, frame=24)]
    assert correction_cells(protocol, clips, per='clip') == [
        '2 of 3',
        '20 to 24',
        '0.625 ± 0.125',
        '0.750 (+0.125 ± 0.000)',
        '0.875 (+0.250 ± 0.000)',
        '0.625 ± 0.125',
        '0.125 (-0.500 ± 0.000)',
    ]
    assert correction_cells(protocol, [clip('b', np.nan)], per='clip') == ['0 of 1', '', '', '', '', '', '']


def test_clips_with_many_objects_count_as_much_as_those_with_one() -> None:
    clips = [clip('a', 0.0, 0.0, 0.25), clip('b', 0.5)]
    by_object, by_clip = (correction_cells(Corrections(clicks=1), clips, per=per)[:4] for per in ('object', 'clip'))
    assert by_object == ['4', '20', '0.188 ± 0.120', '0.312 (+0.125 ± 0.000)']
    assert by_clip == ['2', '20', '0.292 ± 0.208', '0.417 (+0.125 ± 0.000)']


@pytest.mark.slow
def test_the_page_has_a_row_for_every_memory_and_weight(
    micro_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('sam2_ros.evaluation.protocols.registry.Corrections', lambda: Corrections(2, 1, 1))
    drawn(tmp_path / 'films', {1: range(FRAMES), 2: range(2)})
    network = ['--checkpoint', str(micro_weights), '--image-size', '128', '--output', str(tmp_path / 'out')]
    assert main(['folder', str(tmp_path / 'films'), '--protocol', 'corrections', *network]) == 0
    rows = table((tmp_path / 'out/results.md').read_text(), 'memory | per | count | frame | before')
    assert [row[:4] for row in rows] == [
        [memory, *counted, '2'] for memory in ('sam2', 'dam') for counted in (('object', '1 of 2'), ('clip', '1'))
    ]
    assert all(0 <= float(cell.split()[0]) <= 1 for row in rows for cell in row[4:])
