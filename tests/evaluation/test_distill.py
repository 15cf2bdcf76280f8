"""Ranking videos by distractors: the measure, the order on synthetic videos, kept results, and what is refused."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from sam2_ros.evaluation.distill import main
from sam2_ros.evaluation.measures.distractors import find_distractors
from sam2_ros.evaluation.measures.metrics import roc_auc
from sam2_ros.synthetic.scene import PRESETS, make_clip
from tests.evaluation import layouts
from tests.evaluation.filmed import write_clip

SIDE, CELL = 16, 8  # cells of a feature map, and pixels of a cell
Command = Callable[..., int]


@pytest.fixture
def command(micro_weights: Path, tmp_path: Path) -> Command:
    """Runs it into `tmp_path / 'out'`."""

    def run(*arguments: str) -> int:
        network = ('--checkpoint', str(micro_weights), '--image-size', '256')
        return main([*arguments, *network, '--output', str(tmp_path / 'out')])

    return run


def ranking(folder: Path) -> list[dict[str, str]]:
    with (folder / 'out/ranking.csv').open(newline='') as stream:
        return list(csv.DictReader(stream))


def scene(*squares: tuple[int, int]) -> tuple[Tensor, np.ndarray]:
    """Features of noise with squares of 4 x 4 cells that are alike, at these cells; the first is the target."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn((32, SIDE, SIDE), generator=generator)
    look = 12 * torch.randn((32, 1, 1), generator=generator)
    for y, x in squares:
        features[:, y : y + 4, x : x + 4] += look
    y, x = (CELL * cell for cell in squares[0])
    target = np.zeros((SIDE * CELL, SIDE * CELL), bool)
    target[y : y + 4 * CELL, x : x + 4 * CELL] = True
    return features, target


@pytest.mark.parametrize('is_box', [False, True])
def test_a_copy_of_the_target_is_found_and_measured(is_box: bool) -> None:
    features, target = scene((2, 2), (9, 10))
    found = find_distractors(features, target, is_box=is_box)
    copy = np.zeros((SIDE, SIDE), bool)
    copy[9:13, 10:14] = True
    assert np.count_nonzero(found.places & ~copy) == 0 and np.count_nonzero(found.places) >= 14
    inside = 16 if not is_box else 12  # the corners of the box are not in the ellipse
    assert found.ratio == np.count_nonzero(found.places) / inside


def test_without_a_copy_nothing_resembles_the_target() -> None:
    found = find_distractors(*scene((2, 2)))
    assert found.ratio == 0 and not found.places.any()


def test_what_all_features_have_in_common_changes_nothing() -> None:
    features, target = scene((2, 2), (9, 10))
    shifted = find_distractors(features + 40 * torch.ones((32, 1, 1)), target)
    np.testing.assert_array_equal(shifted.places, find_distractors(features, target).places)


def test_a_frame_without_target_or_without_anything_else_is_not_measured() -> None:
    features, target = scene((2, 2))
    assert find_distractors(features, np.zeros_like(target)) is None
    assert find_distractors(features, np.ones_like(target)) is None


def test_videos_with_look_alikes_rank_above_those_without(command: Command, tmp_path: Path) -> None:
    for first_seed, preset in ((1_000_000, 'plain'), (2_000_000, 'lookalikes')):
        settings = replace(PRESETS[preset], height=240, width=320, frames=3, gaps=(15,))
        for clip in range(5):
            made = make_clip(first_seed + 100 * clip, settings, split='heldout')
            folder = tmp_path / f'data/{preset}_{clip}'
            folder.mkdir(parents=True)
            for frame, (image, masks) in enumerate(zip(made.images, made.masks, strict=True)):
                cv2.imwrite(str(folder / f'{frame:05}.jpg'), image[..., ::-1])
                cv2.imwrite(str(folder / f'{frame:05}.png'), masks[0].astype(np.uint8))
    assert command(str(tmp_path / 'data')) == 0
    rows = ranking(tmp_path)
    order = np.arange(len(rows), 0, -1)
    assert roc_auc(order, np.array(['lookalikes' in row['video'] for row in rows])) > 0.7
    keys = [(float(row['share']), float(row['mean_ratio'])) for row in rows]
    assert keys == sorted(keys, reverse=True)
    listed = (tmp_path / 'out/list.txt').read_text().splitlines()
    assert listed == [row['video'] for row in rows if row['listed'] == 'True']
    assert [row['listed'] for row in rows] == [str(float(row['share']) > 0.333) for row in rows]
    html = (tmp_path / 'out/results.html').read_text()
    for row in rows:
        assert f'src="pictures/{row["video"]}.jpg"' in html and row['object'] == '1'
        assert (tmp_path / f'out/pictures/{row["video"]}.jpg').stat().st_size


def test_what_was_measured_is_kept_and_thresholds_choose_anew(command: Command, tmp_path: Path) -> None:
    layouts.folder(tmp_path / 'data')
    write_clip(tmp_path / 'data/street', layouts.ALONE)
    assert command(str(tmp_path / 'data')) == 0
    page = (tmp_path / 'out/results.md').read_text()
    yard, street = (tmp_path / f'out/measured/folder/data/{name}.json' for name in ('yard', 'street'))
    text, written = yard.read_bytes(), street.stat().st_mtime_ns
    yard.unlink()  # as if the run had been interrupted before
    assert command(str(tmp_path / 'data')) == 0
    assert yard.read_bytes() == text and street.stat().st_mtime_ns == written
    assert (tmp_path / 'out/results.md').read_text() == page
    command(str(tmp_path / 'data'), '--share', '0')
    assert len((tmp_path / 'out/list.txt').read_text().splitlines()) == 2
    assert street.stat().st_mtime_ns == written
    assert command(str(tmp_path / 'data'), '--frames', '2') == 1  # measured otherwise


def test_several_data_sets_are_ranked_together_and_damage_is_told(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layouts.folder(tmp_path / 'clips')
    layouts.got10k(tmp_path / 'got', split='val')
    write_clip(tmp_path / 'clips/broken', layouts.ALONE)
    (tmp_path / 'clips/broken/00003.jpg').write_bytes(b'no image')
    assert command(str(tmp_path / 'clips'), f'got10k:val={tmp_path / "got"}') == 1
    names = {row['video'].rpartition('/')[0] for row in ranking(tmp_path)}
    assert names == {'folder/clips', 'got10k/got'}
    assert 'error: folder/clips/broken: ' in capsys.readouterr().err
    page = (tmp_path / 'out/results.md').read_text()
    assert 'What could not be measured' in page and '00003.jpg' in page


def test_a_hidden_truth_is_told(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layouts.got10k(tmp_path / 'got')
    assert command(f'got10k:test={tmp_path / "got"}') == 1
    assert 'a server keeps its truth' in capsys.readouterr().err


def test_unknown_or_doubled_data_sets_are_refused(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layouts.folder(tmp_path / 'data')
    assert command(f'dvis={tmp_path / "data"}') == 1
    assert "there is no data set 'dvis'; accepted are folder, davis2016" in capsys.readouterr().err
    assert command(str(tmp_path / 'data'), str(tmp_path / 'data')) == 1
    assert 'two data sets would be folder/data' in capsys.readouterr().err
    assert command(f'davis2017:tset={tmp_path / "data"}') == 1
    assert "has no split 'tset'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command(str(tmp_path / 'data'), '--share', '1.5')
    assert "'1.5' is not a number from 0 to 1" in capsys.readouterr().err
