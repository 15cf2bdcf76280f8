"""Protocols: known figures of tracks that are right or empty, which frames count, and which data set takes which."""

from pathlib import Path

import numpy as np
import pytest

from sam2_ros.evaluation.datasets.dataset import DatasetError, VideoSequence
from sam2_ros.evaluation.datasets.registry import DATASETS, open_dataset
from sam2_ros.evaluation.protocols.protocol import SequenceScore
from sam2_ros.evaluation.protocols.registry import PROTOCOL_NAMES, make_protocol
from sam2_ros.evaluation.protocols.vot_anchors import VotAnchors
from tests.evaluation import layouts
from tests.evaluation.protocols.tracks import nothing, right, scored, track_of

FRAMES = layouts.FRAMES


def only_video(name: str, root: Path, split: str = '') -> VideoSequence:
    data = open_dataset(name, root, split)
    return data.sequence(data.names[0])


def test_right_masks_have_the_best_figures_and_empty_ones_the_worst(tmp_path: Path) -> None:
    layouts.folder(tmp_path)
    sequence = only_video('folder', tmp_path)
    protocol = make_protocol('folder')
    best = scored(protocol, sequence, [track_of(sequence, one, right(sequence)) for one in sequence.objects])
    worst = scored(protocol, sequence, [track_of(sequence, one, nothing(sequence)) for one in sequence.objects])
    figures = protocol.figures([best])
    assert [figures[name] for name in ('J&F', 'J', 'F', 'J recall', 'J last')] == [1.0] * 5
    assert figures['J decay'] == 0.0 and 'G' not in figures
    assert protocol.figures([worst])['J&F'] == 0.0
    # the mean is over objects of all videos: three right ones of four
    one_right = SequenceScore('other', best.size, best.length, (best.tracks[0], worst.tracks[1]))
    assert protocol.figures([best, one_right])['J&F'] == pytest.approx(0.75)


def test_the_first_and_the_last_frame_do_not_count_but_a_late_begin_does(tmp_path: Path) -> None:
    layouts.folder(tmp_path)
    sequence = only_video('folder', tmp_path)
    score = scored(
        make_protocol('folder'), sequence, [track_of(sequence, one, right(sequence)) for one in sequence.objects]
    )
    assert [track.frames for track in score.tracks] == [(1, 2, 3, 4), (2, 3, 4)]


def test_g_of_youtube_vos(tmp_path: Path) -> None:
    """The seen object is right, the unseen one is lost."""
    layouts.youtube_vos_train(tmp_path)
    sequence = only_video('youtube-vos', tmp_path, 'train')
    for one, seen in zip(sequence.objects, ('yes', 'no'), strict=True):
        one.attributes['seen'] = seen
    early, late = sequence.objects
    tracks = [track_of(sequence, early, right(sequence)), track_of(sequence, late, nothing(sequence))]
    figures = make_protocol('youtube-vos').figures([scored(make_protocol('youtube-vos'), sequence, tracks)])
    assert [figures[name] for name in ('G', 'J seen', 'J unseen')] == [0.5, 1.0, 0.0]


@pytest.mark.parametrize('prompts', ['online', 'offline'])
def test_interactive_figures_are_means_over_numbers_of_prompted_frames(tmp_path: Path, prompts: str) -> None:
    """Everything is lost until the fifth prompted frame, and right from then on."""
    layouts.folder(tmp_path)
    sequence = only_video('folder', tmp_path)
    protocol = make_protocol('folder', prompts)
    tracks = [
        track_of(sequence, one, (nothing if number < 5 else right)(sequence), run=str(number))
        for one in sequence.objects
        for number in range(1, 9)
    ]
    figures = protocol.figures([scored(protocol, sequence, tracks)])
    assert [figures[f'J&F after {number}'] for number in range(1, 9)] == [0.0] * 4 + [1.0] * 4
    assert figures['J&F'] == 0.5


@pytest.mark.parametrize(
    ('name', 'write', 'best'),
    [
        ('lasot', layouts.lasot, {'AUC': 20 / 21, 'P': 1.0, 'Pnorm': 1.0}),  # no overlap is above 1
        ('lasot-ext', layouts.lasot, {'AUC': 20 / 21, 'P': 1.0, 'Pnorm': 1.0}),
        ('utb180', layouts.lasot, {'AUC': 20 / 21, 'P': 1.0, 'Pnorm': 1.0}),
    ],
)
def test_right_boxes_have_the_best_figures(name: str, write, best: dict[str, float], tmp_path: Path) -> None:
    write(tmp_path)
    sequence = only_video('lasot', tmp_path)
    protocol = make_protocol(name)
    tracks = [track_of(sequence, sequence.objects[0], right(sequence))]
    assert protocol.figures([scored(protocol, sequence, tracks)]) == pytest.approx(best)


def test_got10k_leaves_out_the_prompted_frame(tmp_path: Path) -> None:
    layouts.got10k(tmp_path, split='val')
    sequence = only_video('got10k', tmp_path, 'val')
    protocol = make_protocol('got10k')
    found = right(sequence)
    tracks = [track_of(sequence, sequence.objects[0], lambda name, frame: found(name, frame) & (frame > 0))]
    assert protocol.figures([scored(protocol, sequence, tracks)]) == {'AO': 1.0, 'SR 0.5': 1.0, 'SR 0.75': 1.0}


def test_vots_counts_the_prompted_frame_as_not_reported(tmp_path: Path) -> None:
    layouts.vot(tmp_path)
    sequence = only_video('vots', tmp_path)
    protocol = make_protocol('vots')
    tracks = [track_of(sequence, one, right(sequence)) for one in sequence.objects]
    figures = protocol.figures([scored(protocol, sequence, tracks)])
    share = (FRAMES - 1) / FRAMES
    assert (figures['Q'], figures['R'], figures['NRE']) == pytest.approx((share, share, 1 / FRAMES))


def test_didi_compares_boxes_without_the_last_column_and_row(tmp_path: Path) -> None:
    """A square of 16 pixels becomes a box of 15: 225 of 256."""
    layouts.vot(tmp_path, boxes=True)
    sequence = only_video('didi', tmp_path)
    protocol = make_protocol('didi')
    tracks = [track_of(sequence, sequence.objects[0], right(sequence))]
    score = scored(protocol, sequence, tracks)
    assert score.tracks[0].series['overlap'] == pytest.approx([225 / 256] * FRAMES)
    assert make_protocol('vots').figures([scored(make_protocol('vots'), sequence, tracks)])['A'] == pytest.approx(
        (FRAMES - 1) / FRAMES
    )


def test_anchors_run_to_the_further_end(tmp_path: Path) -> None:
    """One run is right for all six frames, the other fails at once."""
    layouts.vot(tmp_path, boxes=True)
    (tmp_path / 'ants/anchor.value').write_text('1\n0\n0\n0\n0\n-1\n')
    sequence = only_video('vot', tmp_path)
    protocol = make_protocol('vot')
    one = sequence.objects[0]
    assert protocol.cost(sequence).images == 2 * FRAMES
    tracks = [
        track_of(sequence, one, right(sequence), run='0'),
        track_of(sequence, one, nothing(sequence), run='5', frames=range(FRAMES - 1, -1, -1)),
    ]
    score = scored(protocol, sequence, tracks)
    assert [track.frames for track in score.tracks] == [tuple(range(FRAMES)), tuple(range(FRAMES - 1, -1, -1))]
    assert score.tracks[0].series['overlap'].tolist() == [1.0] * FRAMES
    assert not score.tracks[1].series['overlap'].any()
    assert protocol.figures([score])['R'] == 1.0  # 10 wrong frames in a row would be a failure


@pytest.mark.parametrize('name', DATASETS)
def test_every_data_set_has_its_protocols(name: str) -> None:
    protocols = [make_protocol(name, one) for one in DATASETS[name].protocols]
    assert make_protocol(name) == protocols[0]
    assert all(one.name.partition(',')[0] in PROTOCOL_NAMES and one.description for one in protocols)


@pytest.mark.parametrize(
    ('dataset', 'name', 'prompt', 'sentence'),
    [
        ('lasot', 'online', '', "LaSOT has no protocol 'online'; accepted are boxes"),
        ('sav', 'online', 'box', '--prompt is for the protocol semi-supervised; online has its own prompts'),
        ('sav', '', '2-click', "there is no prompt '2-click'; accepted are mask, box, 1-click, 3-click, 5-click"),
    ],
)
def test_what_does_not_fit_is_refused(dataset: str, name: str, prompt: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make_protocol(dataset, name, prompt=prompt)


def test_anchors_need_anchors_and_one_object(tmp_path: Path) -> None:
    layouts.vot(tmp_path)
    with pytest.raises(DatasetError, match=r'ants has no anchor\.value'):
        VotAnchors().cost(only_video('vot', tmp_path))
    (tmp_path / 'ants/anchor.value').write_text('1\n')
    with pytest.raises(DatasetError, match='ants has several objects'):
        VotAnchors().cost(only_video('vot', tmp_path))


def test_hidden_truth_leaves_nothing_to_count(tmp_path: Path) -> None:
    layouts.got10k(tmp_path)
    sequence = only_video('got10k', tmp_path)
    protocol = make_protocol('got10k')
    score = scored(protocol, sequence, [track_of(sequence, sequence.objects[0], nothing(sequence))])
    assert score.is_hidden and score.tracks[0].series['overlap'].shape == (0,)
    assert isinstance(score.tracks[0].series['predicted'], np.ndarray)
