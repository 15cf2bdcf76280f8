"""The ladybird scene: hard, and true to the masks it gives."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_ros.synthetic.ladybirds import LADYBIRDS, PERIOD, LadybirdScene


@pytest.fixture(scope='module')
def scene() -> LadybirdScene:
    return LadybirdScene(180, 320)


@pytest.fixture(scope='module')
def areas(scene: LadybirdScene) -> dict[str, np.ndarray]:
    """Visible pixels of each ladybird in every second frame of a period."""
    masks = [scene.masks(index) for index in range(0, PERIOD, 2)]
    return {name: np.array([frame[name].sum() for frame in masks]) for name in LADYBIRDS}


def test_every_ladybird_is_whole_at_the_start_and_hidden_at_some_time(areas: dict[str, np.ndarray]) -> None:
    for name, area in areas.items():
        assert area[0] > 0.9 * area.max(), name
        hidden = (area == 0).sum() * 2
        assert 30 <= hidden <= 120, (name, hidden)  # frames: one to four seconds


def test_masks_show_red_ladybirds_and_nothing_else(scene: LadybirdScene) -> None:
    for index in range(0, PERIOD, 60):
        frame, masks = scene.frame(index).astype(int), scene.masks(index)
        everything = np.logical_or.reduce(list(masks.values()))
        assert sum(mask.sum() for mask in masks.values()) == everything.sum(), 'masks overlap'
        redness = frame[..., 0] - frame[..., 1]
        assert (redness[~everything] > 100).sum() <= 0.02 * everything.sum()
        for name, mask in masks.items():
            if mask.sum() > 150:  # not the last sliver beside the leaf
                assert (redness[mask] > 100).mean() > 0.35, (index, name)


def test_ladybirds_look_alike(scene: LadybirdScene) -> None:
    frame, masks = scene.frame(0), scene.masks(0)
    colours = np.array([frame[masks[name]].mean(0) for name in LADYBIRDS])
    assert np.abs(colours - colours[0]).max() < 12


def test_ladybirds_move_steadily(scene: LadybirdScene) -> None:
    centres = []
    for index in range(40):
        rows, columns = np.nonzero(scene.masks(index)['ladybird_2'])
        centres.append((columns.mean(), rows.mean()))
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    assert 0.3 < steps.mean() < 3
    assert steps.max() < 4
