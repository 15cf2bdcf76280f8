"""SA-V's own reader, evaluator and example files, if SAM2_REPOSITORY is a clone of facebookresearch/sam2."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest

from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.masklets import AnnotatedVideo, write_masklets
from sam2_ros.masklets.sav_json import SavJson
from tests.masklets.videos import masklet, square, video

SIZE = (40, 60)


@pytest.fixture(scope='module')
def repository() -> Path:
    folder = os.environ.get('SAM2_REPOSITORY', '')
    if not folder:
        pytest.skip('SAM2_REPOSITORY is not set to a clone of facebookresearch/sam2: nothing to compare with')
    return Path(folder) / 'sav_dataset'


@pytest.fixture
def official(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let its modules be imported; they draw with matplotlib, which is not needed here."""
    monkeypatch.syspath_prepend(str(repository))
    for name in ('matplotlib', 'matplotlib.pyplot'):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))


def clip_of(shift: int, *, frames: tuple[int, ...] = (0, 4, 8, 12)) -> AnnotatedVideo:
    masks = {frame: square(4 + shift, frame + 2, 15, size=SIZE) for frame in frames[:3]}
    other = {frame: square(10, 30, 9, size=SIZE) for frame in frames}
    return video(masklet(0, masks), masklet(1, other), frames=frames, size=SIZE)


@pytest.mark.parametrize('format', ['sav-folders', 'davis'])
def test_the_evaluator_scores_our_files(official: None, tmp_path: Path, format: str) -> None:
    from utils.sav_benchmark import VideoEvaluator

    clips = {'truth': clip_of(0), 'found': clip_of(3)}
    if format == 'davis':
        clips = {name: clip.without_overlaps().numbered() for name, clip in clips.items()}
    for name, clip in clips.items():
        write_masklets([clip], tmp_path / name, format=format)
    root = 'Annotations' if format == 'davis' else 'Annotations_6fps'
    evaluator = VideoEvaluator(str(tmp_path / 'truth' / root), str(tmp_path / 'found' / root))
    _, overlaps, _ = evaluator('clip')
    for index, (truth, found) in enumerate(zip(clips['truth'].masklets, clips['found'].masklets, strict=True)):
        nothing = np.zeros(SIZE, bool)
        inner = [
            [one.masks[frame].mask() if frame in one.masks else nothing for one in (found, truth)] for frame in (4, 8)
        ]
        expected = np.mean([region_similarity(*pair) for pair in inner])
        key = f'{index:03d}' if format == 'sav-folders' else truth.number
        assert overlaps[key] == pytest.approx(100 * expected)


def test_its_reader_reads_our_json(official: None, tmp_path: Path) -> None:
    pytest.importorskip('pycocotools.mask', reason='pycocotools is not installed, which the reader needs')
    from utils.sav_utils import SAVDataset, mask_util

    clip = clip_of(0)
    automatic = replace(clip, masklets=tuple(replace(one, kind='auto') for one in clip.masklets))
    write_masklets([clip, automatic], tmp_path, format='sav')
    with mock.patch.object(SAVDataset, 'read_frames', lambda *_: [None] * len(clip.frames)):
        _, *trees = SAVDataset(str(tmp_path)).get_frames_and_annotations('clip')
    for tree in trees:
        for index, frame in enumerate(clip.frames):
            for runs, one in zip(tree['masklet'][index], clip.masklets, strict=True):
                expected = one.masks[frame].mask() if frame in one.masks else np.zeros(SIZE, bool)
                np.testing.assert_array_equal(mask_util.decode(runs), expected)


def test_its_examples_come_back_as_they_were(repository: Path, tmp_path: Path) -> None:
    """All fields that are kept, those that are computed anew included."""
    (clip,) = SavJson().read(repository / 'example')
    write_masklets([clip], tmp_path, format='sav')
    for kind in ('manual', 'auto'):
        name = f'{clip.name}_{kind}.json'
        theirs, ours = (json.loads((folder / name).read_text()) for folder in (repository / 'example', tmp_path))
        for field in ('video_environment', 'video_split'):
            theirs.pop(field)
        assert set(ours) == set(theirs)
        for field, value in theirs.items():
            assert same(ours[field], value), field


def same(ours: Any, theirs: Any) -> bool:
    """Equal, numbers to the digits that the examples have. A mask that is not seen has no score worth keeping."""
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, float):
        return ours is None or ours == pytest.approx(theirs, rel=1e-6)
    return ours == theirs
