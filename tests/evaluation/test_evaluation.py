"""The command of evaluations: results that are kept and continued, the page, archives for servers, and the plan."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.evaluation.__main__ import main
from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.datasets.vot_regions import region_mask
from sam2_ros.evaluation.protocols import vots
from sam2_ros.evaluation.protocols.boxes import BoxTracking
from sam2_ros.evaluation.protocols.protocol import Track
from sam2_ros.evaluation.protocols.semi_supervised import SemiSupervised
from sam2_ros.files.masks import read_labels
from tests.evaluation import layouts
from tests.evaluation.filmed import write_clip
from tests.evaluation.protocols.tracks import nothing, right, track_of
from tests.evaluation.test_command_lines import table

Command = Callable[..., int]


@pytest.fixture
def command(micro_weights: Path, tmp_path: Path) -> Command:
    """Runs it on the data set in `tmp_path / 'data'`, into `tmp_path / 'out'`."""

    def run(dataset: str, *more: str, size: int = 128) -> int:
        network = ('--checkpoint', str(micro_weights), '--image-size', str(size))
        return main([dataset, str(tmp_path / 'data'), *network, '--out', str(tmp_path / 'out'), *more])

    return run


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """In place of trackers: `sam2` is always right, the others never see anything. Notes memories and videos."""
    done: list[tuple[str, str]] = []

    def run(self: object, model: object, memory: str, sequence: VideoSequence) -> list[Track]:
        done.append((memory, sequence.name))
        truth = (right if memory == 'sam2' else nothing)(sequence)
        if any(not one.scored for one in sequence.objects):  # the truth is hidden
            truth = lambda name, frame: sequence.first_mask(_named(sequence, name))  # noqa: E731
        return [track_of(sequence, one, truth) for one in sequence.objects]

    for protocol in (SemiSupervised, BoxTracking, vots.Vots):
        monkeypatch.setattr(protocol, 'run', run)
    monkeypatch.setattr('sam2_ros.evaluation.evaluation.loaded', lambda _: None)
    return done


def _named(sequence: VideoSequence, name: str):
    return next(one for one in sequence.objects if one.object_id == name)


def two_videos(root: Path) -> None:
    layouts.folder(root)
    write_clip(root / 'street', layouts.ALONE)


def page(folder: Path) -> str:
    return (folder / 'out/results.md').read_text()


def test_the_page_has_our_figures_beside_published_ones(
    command: Command, pretended: list[tuple[str, str]], tmp_path: Path
) -> None:
    layouts.davis2017(tmp_path / 'data')
    assert command('davis2017') == 0
    text = page(tmp_path)
    assert text.startswith('# DAVIS 2017, val: semi-supervised, mask\n')
    assert table(text, 'memory | J&F')[0] == [
        'sam2',
        '100.0',
        '100.0',
        '100.0',
        '100.0',
        '0.0',
        '100.0',
        '0.0',
        '100.0',
    ]
    rows = {row[0]: row[1:] for row in table(text, 'method | J&F')}
    assert rows['**sam2.1_hiera_micro, sam2**'] == ['**100.0**', '**this run**']
    assert rows['SAM 2 (Hiera-L)'] == ['90.7', 'published, not run here; SAM 2 (ICLR 2025)']
    assert table(text, 'video | frames') == [['bear', '6', '1', '100.0', '0.0']]
    assert '`python -m sam2_ros.evaluation davis2017 data ' in text and str(tmp_path) not in text
    html = (tmp_path / 'out/results.html').read_text()
    assert '<td class=text>Cutie-base+</td><td>88.1</td>' in html and 'class=own' in html
    for picture in ('pictures/bear.png', 'pictures/worst_bear.jpg'):
        assert f'({picture})' in text and f'src="{picture}"' in html and (tmp_path / 'out' / picture).stat().st_size


def test_what_is_there_is_not_done_again(command: Command, pretended: list[tuple[str, str]], tmp_path: Path) -> None:
    two_videos(tmp_path / 'data')
    command('folder', '--memory', 'sam2')
    assert sorted(pretended) == [('sam2', 'street'), ('sam2', 'yard')]
    first = page(tmp_path)
    (tmp_path / 'out/tracks/sam2/yard.npz').unlink()  # as if the run had been interrupted before
    pretended.clear()
    command('folder', '--memory', 'sam2')
    assert pretended == [('sam2', 'yard')] and page(tmp_path) == first
    pretended.clear()
    command('folder', '--memory', 'sam2,pres')
    assert sorted(pretended) == [('pres', 'street'), ('pres', 'yard')]
    pretended.clear()
    command('folder', '--memory', 'sam2', '--videos', 'st*')
    assert pretended == [] and [row[0] for row in table(page(tmp_path), 'video | frames')] == ['street']


def test_scores_of_other_measures_are_made_anew(
    command: Command, pretended: list[tuple[str, str]], tmp_path: Path
) -> None:
    two_videos(tmp_path / 'data')
    command('folder', '--memory', 'sam2')
    file = tmp_path / 'out/scores/sam2/yard.json'
    before = file.read_text()
    tree = json.loads(before)
    file.write_text(json.dumps(tree | {'scoring': 'another', 'tracks': []}))
    pretended.clear()
    command('folder', '--memory', 'sam2')
    assert pretended == [] and file.read_text() == before


def test_results_of_another_network_are_kept_until_they_are_given_up(
    command: Command, pretended: list[tuple[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_videos(tmp_path / 'data')
    command('folder', '--memory', 'sam2')
    assert command('folder', '--memory', 'sam2', size=160) == 1
    assert 'holds predictions made with image_size 128 instead of 160' in capsys.readouterr().err
    pretended.clear()
    assert command('folder', '--memory', 'sam2', '--overwrite', size=160) == 0
    assert len(pretended) == 2


def test_a_damaged_video_does_not_stop_the_others(
    command: Command, pretended: list[tuple[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_videos(tmp_path / 'data')
    (tmp_path / 'data/street/00003.png').unlink()
    assert command('folder', '--memory', 'sam2,dam') == 1
    assert 'street with sam2: ' in capsys.readouterr().err
    assert '## What could not be done' in page(tmp_path) and 'has no label image' in page(tmp_path)
    assert 'One video, without those that could not be done with every memory.' in page(tmp_path)
    assert [row[0] for row in table(page(tmp_path), 'video | frames')] == ['yard']


def test_the_ablation_has_all_memories_by_their_published_names(
    command: Command, pretended: list[tuple[str, str]], tmp_path: Path
) -> None:
    layouts.vot(tmp_path / 'data', boxes=True)
    assert command('didi', '--ablation') == 0
    assert [memory for memory, _ in pretended] == ['sam2', 'pres', 'interval', 'drm1', 'drm2', 'dam']
    text = page(tmp_path)
    rows = table(text[text.index('## The published ablation') :], 'method | Q')
    assert [row[0] for row in rows[6:]] == [
        'SAM2.1', 'SAM2.1 PRES', 'SAM2.1 Δ=5', 'SAM2.1 DRM1', 'SAM2.1 DRM2', 'SAM2.1++ (DAM)',
    ]  # fmt: skip
    assert rows[0][0] == '**sam2.1_hiera_micro, sam2 = SAM2.1**' and rows[-1][1:4] == ['0.694', '0.727', '0.944']
    assert 'SAMURAI' in text


def test_attributes_have_figures_of_their_own(
    command: Command, pretended: list[tuple[str, str]], tmp_path: Path
) -> None:
    hidden = layouts.draw_labels({1: (0, 1, 4, 5)}, frames=layouts.FRAMES)
    write_clip(tmp_path / 'data/a', layouts.ALONE)
    write_clip(tmp_path / 'data/b', hidden)
    command('folder', '--memory', 'dam')
    assert table(page(tmp_path), 'attribute | value') == [
        ['hidden at times', 'no', '1', '0.0'],
        ['hidden at times', 'yes', '1', '50.0'],  # an empty mask is right in two of four frames
    ]


def test_a_server_gets_label_images_of_all_frames(
    command: Command, pretended: list[tuple[str, str]], tmp_path: Path
) -> None:
    layouts.mose_hidden(tmp_path / 'data')
    write_clip(tmp_path / 'data/valid/JPEGImages/b2', layouts.ALONE, masks=tmp_path / 'data/valid/Annotations/b2')
    assert command('mose', '--memory', 'sam2', '--videos', 'a1') == 0
    assert not (tmp_path / 'out/submission_sam2.zip').exists(), 'it would not have all videos'
    assert command('mose', '--memory', 'sam2') == 0
    with zipfile.ZipFile(tmp_path / 'out/submission_sam2.zip') as archive:
        assert archive.namelist() == [f'{name}/{n:05}.png' for name in ('a1', 'b2') for n in range(layouts.FRAMES)]
        archive.extractall(tmp_path)
    assert np.array_equal(read_labels(tmp_path / 'a1/00004.png'), layouts.ALONE[0])
    assert 'submission_sam2.zip' in page(tmp_path) and '## Figures' not in page(tmp_path)
    rows = table(page(tmp_path), 'method | J&F')
    assert rows[0] == ['**sam2.1_hiera_micro, sam2**', '', '**this run; nothing is scored here**']
    assert ['Cutie-base', '69.9', 'published, not run here; SAM 2 (ICLR 2025)'] in rows


def test_a_server_gets_the_frames_it_asks_for(
    command: Command, pretended: list[tuple[str, str]], tmp_path: Path
) -> None:
    """Of the late object none before it begins."""
    layouts.youtube_vos(tmp_path / 'data')
    layouts.jpegs(tmp_path / 'data/valid_all_frames/JPEGImages/y', [f'{n:05}' for n in range(5 * layouts.FRAMES)])
    command('youtube-vos', '--memory', 'sam2')
    with zipfile.ZipFile(tmp_path / 'out/submission_sam2.zip') as archive:
        assert archive.namelist() == [f'Annotations/y/{5 * n:05}.png' for n in range(layouts.FRAMES)]
        archive.extractall(tmp_path)
    found = [np.unique(read_labels(tmp_path / f'Annotations/y/{5 * n:05}.png')).tolist() for n in (0, 1, 2)]
    assert found == [[0, 1], [0, 1], [0, 1, 2]]


def test_got10k_gets_boxes_and_times(command: Command, pretended: list[tuple[str, str]], tmp_path: Path) -> None:
    name = layouts.got10k(tmp_path / 'data')

    def filled(self: object, model: object, memory: str, sequence: VideoSequence) -> list[Track]:
        return [track_of(sequence, sequence.objects[0], right(sequence))]

    BoxTracking.run = filled  # the fixture puts it back
    command('got10k', '--memory', 'sam2')
    with zipfile.ZipFile(tmp_path / 'out/submission_sam2.zip') as archive:
        assert archive.namelist() == [f'{name}/{name}_001.txt', f'{name}/{name}_time.txt']
        boxes, times = (archive.read(file).decode().splitlines() for file in archive.namelist())
    assert boxes[0] == '4.0000,8.0000,16.0000,16.0000' and boxes[1:] == ['0.0000,0.0000,0.0000,0.0000'] * 5
    assert len(times) == layouts.FRAMES and all(float(time) > 0 for time in times)


def test_vots_gets_masks_as_its_toolkit_keeps_them(
    command: Command, pretended: list[tuple[str, str]], tmp_path: Path
) -> None:
    layouts.vot(tmp_path / 'data', known=1)
    command('vots', '--memory', 'sam2')
    with zipfile.ZipFile(tmp_path / 'out/submission_sam2.zip') as archive:
        assert archive.namelist() == ['baseline/ants/ants_a_001.txt', 'baseline/ants/ants_b_001.txt']
        lines = archive.read('baseline/ants/ants_a_001.txt').decode().splitlines()
    assert lines[0] == '1' and len(lines) == layouts.FRAMES
    assert np.array_equal(region_mask(lines[1], layouts.ALONE.shape[1:]), layouts.ALONE[0] > 0)


def test_the_plan_counts_and_runs_nothing(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_videos(tmp_path / 'data')
    assert command('folder', '--plan', '--protocol', 'online') == 0
    rows = dict(table(capsys.readouterr().out, ' | '))
    assert [rows[name] for name in ('videos', 'frames', 'objects')] == ['2', '12', '3']
    assert rows['images to encode'] == '24'  # with two memories
    assert rows['objects to track in an image'] == str(2 * 8 * (6 + 6 + 4))
    assert rows['hours on GPUs'] == 'no speed is published for sam2.1_hiera_micro'
    assert any(name.startswith('hours here (') and float(value) > 0 for name, value in rows.items())
    assert not (tmp_path / 'out').exists()


def test_a_list_of_names_cannot_lead_out_of_the_folder(
    command: Command, pretended: list[tuple[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layouts.davis2017(tmp_path / 'data')
    (tmp_path / 'data/ImageSets/2017/val.txt').write_text('../bear\n')
    assert command('davis2017') == 1
    assert "'../bear' cannot be the name of a video" in capsys.readouterr().err


@pytest.mark.slow
def test_several_processes_make_the_same_page(command: Command, tmp_path: Path) -> None:
    """The whole way with a real network."""
    two_videos(tmp_path / 'data')
    assert command('folder', '--prompt', 'box') == 0
    alone = page(tmp_path)
    assert all(float(row[1]) > 50 for row in table(alone, 'memory | J&F'))
    (tmp_path / 'out').rename(tmp_path / 'before')
    assert command('folder', '--prompt', 'box', '--processes', '2') == 0
    assert page(tmp_path).replace(' --processes 2', '') == alone
    for file in sorted((tmp_path / 'before/pictures').iterdir()):
        assert (tmp_path / 'out/pictures' / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ('more', 'sentence'),
    [
        (['--memory', 'sam2,sam3'], "cannot run with the memory 'sam3'; accepted are sam2, pres, interval"),
        (['--memory', 'sam2,sam2'], 'memories must be named once each, not sam2 sam2'),
        (['--memory', ''], 'memories must be named once each, not none'),
        (['--protocol', 'offline'], "cannot run with the memory 'dam'; accepted are sam2"),
        (['--split', 'val'], "Clips of your own has no split 'val'; accepted are all"),
        (['--videos', 'no*'], "no video is named 'no*'; the first of 2 is 'street'"),
    ],
)
def test_what_cannot_be_done_is_refused(
    command: Command, more: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_videos(tmp_path / 'data')
    assert command('folder', *more) == 1
    assert sentence in capsys.readouterr().err and not (tmp_path / 'out/tracks').exists()
