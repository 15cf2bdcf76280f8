"""From a video without a prompt to masklets, and from clicks of a person to better ones; the bundled network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam2_ros.evaluation.protocols.simulated_prompts import next_click
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.images import AutomaticMaskGenerator
from sam2_ros.labelling import LabelOptions, Labels, apply_corrections, find_masklets, read_corrections
from sam2_ros.labelling.correcting import Stretch, stretches
from sam2_ros.model import Sam2Network
from tests.labelling.world import FRAMES, HEIGHT, LATER, WIDTH, World, draw_world

GOOD = 0.7  # J from which on an object counts as found
OPTIONS = LabelOptions(every=4)
DISC, SIGN, LATE = range(3)


@pytest.fixture(scope='module')
def world() -> World:
    return draw_world()


@pytest.fixture(scope='module')
def generator(micro: Sam2Network) -> AutomaticMaskGenerator:
    return AutomaticMaskGenerator(micro, points_per_side=8, pred_iou_thresh=0.5, stability_score_thresh=0.75)


def empty_labels() -> Labels:
    return Labels('clip', (HEIGHT, WIDTH), 10.0, FRAMES)


@pytest.fixture(scope='module')
def steps(world: World, generator: AutomaticMaskGenerator) -> list[Labels]:
    """The labels after each step."""
    return list(find_masklets(empty_labels(), world.images, generator, options=OPTIONS))


@pytest.fixture
def labels(steps: list[Labels]) -> Labels:
    return steps[-1]


def corrected(
    labels: Labels, world: World, model: Sam2Network, entries: Sequence[dict[str, Any]], folder: Path
) -> Labels:
    file = folder / 'corrections.json'
    file.write_text(json.dumps({'corrections': entries}))
    found = read_corrections(file, {labels.name: labels.size})[labels.name]
    return [labels, *apply_corrections(labels, found, model, world.images)][-1]


def clicks_of(truth: np.ndarray, mask: np.ndarray, count: int) -> list[list[int]]:
    """Clicks as a person makes them who sees the mask and clicks where most is wrong, more than once."""
    (x, y), label = next_click(truth, mask)
    return [[x, y, int(label)]] * count


def test_all_objects_are_found_without_a_prompt(world: World, labels: Labels) -> None:
    """Also the one that comes later. Parts of an object are masklets, too; here they are the only false ones."""
    best = world.best(labels)
    assert all(score > GOOD for score, _ in best.values()), best
    false = set(labels.objects) - {number for _, number in best.values()}
    assert len(false) == 2
    assert all(world.found(labels.objects[number]).argmax() == SIGN for number in false)
    late = labels.objects[best[LATE][1]]
    assert min(late.masks) == LATER, 'it is tracked back to the frame on which it comes'
    assert list(late.prompts) == [8], 'it was found later'


def test_a_look_adds_only_what_is_not_covered(labels: Labels) -> None:
    assert sorted(frame for one in labels.objects.values() for frame in one.prompts) == [0, 0, 0, 0, 8]


def test_going_on_from_any_step_gives_the_same(
    world: World, generator: AutomaticMaskGenerator, steps: list[Labels], tmp_path: Path
) -> None:
    """Through a file, as a run does that was killed."""
    steps[-1].save(tmp_path / 'whole.json')
    for number in (0, len(steps) - 3):
        steps[number].save(tmp_path / 'part.json')
        *_, last = find_masklets(Labels.load(tmp_path / 'part.json'), world.images, generator, options=OPTIONS)
        last.save(tmp_path / 'resumed.json')
        assert (tmp_path / 'resumed.json').read_bytes() == (tmp_path / 'whole.json').read_bytes()


def test_clicks_on_two_masklets_make_them_better(
    world: World, labels: Labels, micro: Sam2Network, tmp_path: Path
) -> None:
    """Two masklets that are halves of the sign become the whole of it; all others stay as they are."""
    halves = sorted(set(labels.objects) - {number for _, number in world.best(labels).values()})
    clicks = {number: clicks_of(world.masks[SIGN, 0], labels.objects[number].masks[0].mask(), 2) for number in halves}
    entries = [{'object': number, 'frame': 0, 'clicks': given} for number, given in clicks.items()]
    after = corrected(labels, world, micro, entries, tmp_path)
    for number in labels.objects:
        before, now = labels.objects[number], after.objects[number]
        if number not in halves:
            assert now is before
            continue
        assert world.found(before)[SIGN] < 0.6
        assert world.found(now)[SIGN] > 0.8, number
        assert now.checked and now.edited == (0,)
    assert corrected(after, world, micro, entries, tmp_path) is after, 'what was applied is not applied again'


def test_only_frames_up_to_the_next_prompts_change(
    world: World, labels: Labels, micro: Sam2Network, tmp_path: Path
) -> None:
    number = world.best(labels)[DISC][1]
    half = world.masks[DISC, 6].copy()
    half[82:] = False
    anchors = [
        {'object': number, 'frame': frame, 'mask': RunLengths.of(world.masks[DISC, frame]).to_coco()}
        for frame in (3, 9)
    ]
    once = corrected(labels, world, micro, anchors, tmp_path)
    before = once.objects[number]
    assert list(before.prompts) == [3, 9], 'masks of a person say anew what it is, and not the one it was found with'
    more = [*anchors, {'object': number, 'frame': 6, 'mask': RunLengths.of(half).to_coco()}]
    now = corrected(once, world, micro, more, tmp_path).objects[number]
    assert all(now.masks[frame] == before.masks[frame] for frame in (*range(4), *range(9, FRAMES)))
    assert now.masks[6].area < 0.6 * before.masks[6].area
    assert any(now.masks[frame] != before.masks[frame] for frame in (4, 5, 7, 8))


def test_verdicts(world: World, labels: Labels, micro: Sam2Network, tmp_path: Path) -> None:
    entries = [
        {'object': 1, 'verdict': 'keep', 'class': 'ball'},
        {'object': 3, 'verdict': 'drop'},
        {'object': 40, 'frame': 8, 'box': [80, 95, 122, 120], 'class': 'egg'},
    ]
    after = corrected(labels, world, micro, entries, tmp_path)
    masklets = {one.number: one for one in after.annotated().masklets}
    assert set(masklets) == {1, 2, 4, 5, 40}
    assert (masklets[1].kind, masklets[1].class_name, masklets[1].edited_frames) == ('manual', 'ball', 0)
    assert masklets[2].kind == 'auto'
    assert (masklets[40].class_name, masklets[40].edited_frames) == ('egg', 1)
    assert masklets[40].masks, 'a new object is propagated'
    again = corrected(after, world, micro, [*entries, {'object': 3, 'verdict': 'keep'}], tmp_path)
    assert again.objects[3].masks == labels.objects[3].masks, 'what was dropped can be had again'
    assert not again.objects[3].dropped
    named = corrected(after, world, micro, [*entries, {'object': 3, 'class': 'half'}], tmp_path)
    assert named.objects[3].dropped and named.objects[3].class_name == 'half', 'a class is no verdict'


def test_what_a_person_dropped_is_not_found_again(
    world: World, labels: Labels, micro: Sam2Network, generator: AutomaticMaskGenerator, tmp_path: Path
) -> None:
    dropped = corrected(labels, world, micro, [{'object': 1, 'verdict': 'drop'}], tmp_path)
    *_, again = find_masklets(replace(dropped, next_look=0), world.images, generator, options=OPTIONS)
    assert list(again.objects) == list(labels.objects)
    assert again.objects[1].dropped


def test_nothing_is_lost_on_the_way_through_a_file(
    world: World, labels: Labels, micro: Sam2Network, tmp_path: Path
) -> None:
    entries = [{'object': 1, 'frame': 2, 'clicks': [[45, 80, 1], [3, 3, 0]], 'box': [20, 60, 62, 104], 'class': 'ball'}]
    after = corrected(labels, world, micro, entries, tmp_path)
    after.save(tmp_path / 'a.json')
    read = Labels.load(tmp_path / 'a.json')
    read.save(tmp_path / 'b.json')
    assert (tmp_path / 'a.json').read_bytes() == (tmp_path / 'b.json').read_bytes()
    assert read.annotated() == after.annotated()
    assert read.applied == after.applied


@pytest.mark.parametrize(
    ('prompted', 'new', 'expected'),
    [
        ([0], [0], [Stretch(0, 12)]),
        ([0, 5], [5], [Stretch(0, 5), Stretch(5, 7)]),
        ([5], [5], [Stretch(5, 7), Stretch(4, 5, True)]),
        ([2, 5, 9], [5], [Stretch(2, 3), Stretch(5, 4)]),
        ([2, 5, 9], [2], [Stretch(2, 3), Stretch(1, 2, True)]),
        ([2, 5, 9, 11], [11], [Stretch(9, 2), Stretch(11, 1)]),
        ([0, 3, 6, 9], [0, 9], [Stretch(0, 3), Stretch(6, 3), Stretch(9, 3)]),
    ],
)
def test_stretches_around_corrected_frames(
    prompted: Iterable[int], new: Iterable[int], expected: list[Stretch]
) -> None:
    assert stretches(tuple(prompted), tuple(new), 12) == expected


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        (3, 'correction 1: it is 3; accepted is'),
        ({'object': 1}, 'says nothing'),
        ({'object': 'disc', 'verdict': 'keep'}, 'number of an object'),
        ({'object': 1, 'verdict': 'maybe'}, 'one of keep, drop, edit'),
        ({'object': 1, 'verdict': 'edit'}, 'needs clicks, a box or a mask'),
        ({'object': 1, 'verdict': 'drop', 'frame': 0, 'clicks': [[1, 1, 1]]}, 'cannot be edited, too'),
        ({'object': 1, 'clicks': [[1, 1, 1]]}, 'frame is None'),
        ({'object': 1, 'frame': 0, 'clicks': [[1, 1]]}, r'each must be \[x, y, 1\]'),
        ({'object': 1, 'frame': 0, 'clicks': [[500, 1, 1]]}, 'outside the image'),
        ({'object': 1, 'frame': 0, 'box': [5, 5, 1, 1]}, 'x0 < x1'),
        ({'object': 1, 'frame': 0, 'mask': {'size': [2, 2], 'counts': [4]}}, 'must be equal'),
        ({'object': 1, 'frame': 0, 'mask': 'nowhere.png'}, 'cannot be read'),
        ({'object': 1, 'frame': 0, 'points': [[1, 1, 1]]}, "unknown field 'points'"),
        ({'object': 1, 'verdict': 'keep', 'video': 'other'}, "video is 'other'; it must be one of clip"),
        ({'object': 1, 'verdict': 'keep', 'class': 7}, 'must be a text'),
    ],
)
def test_a_correction_that_cannot_be_understood_is_told(tmp_path: Path, entry: Any, message: str) -> None:
    file = tmp_path / 'corrections.json'
    file.write_text(json.dumps({'corrections': [entry]}))
    with pytest.raises(ValueError, match=message):
        read_corrections(file, {'clip': (HEIGHT, WIDTH)})


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        ({'object': 9, 'verdict': 'drop'}, 'no object 9; objects: 1, 2'),
        ({'object': 9, 'frame': 0, 'clicks': [[5, 5, 0]]}, 'new and needs a positive click'),
        ({'object': 1, 'frame': 12, 'clicks': [[5, 5, 1]]}, 'last frame of clip is 11'),
        ({'object': 1, 'frame': 0, 'mask': {'size': [HEIGHT, WIDTH], 'counts': [HEIGHT * WIDTH]}}, 'nothing is left'),
        ({'object': 5, 'frame': 0, 'clicks': [[5, 5, 0]]}, r'object 5 of clip: .*no mask on frame 0'),
    ],
)
def test_a_correction_that_does_not_fit_changes_nothing(
    world: World, labels: Labels, micro: Sam2Network, tmp_path: Path, entry: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        corrected(labels, world, micro, [{'object': 1, 'verdict': 'keep'}, entry], tmp_path)


def test_files_that_are_no_labels_are_told(tmp_path: Path, labels: Labels) -> None:
    file = tmp_path / 'labels.json'
    file.write_text('{"format": "other"}')
    with pytest.raises(ValueError, match='no file of labels'):
        Labels.load(file)
    labels.save(file)
    tree = json.loads(file.read_text())
    del tree['objects']['1']['masks']
    file.write_text(json.dumps(tree))
    with pytest.raises(ValueError, match="damaged: KeyError: 'masks'"):
        Labels.load(file)


@pytest.mark.parametrize('bad', [{'every': 0}, {'least_score': 1.5}, {'largest': -1}, {'same': 'much'}])
def test_bad_options_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError), match=next(iter(bad))):
        LabelOptions(**bad)
