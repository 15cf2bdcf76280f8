"""Batches: item i is always the same, objects are worth tracking, prompts fit them."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sam2_ros.evaluation.protocols.simulated_prompts import mask_box
from sam2_ros.synthetic.scene import PRESETS
from sam2_ros.training.batches import (
    BOX_PROMPT,
    MASK_PROMPT,
    POINT_PROMPT,
    BatchSettings,
    ClipBatch,
    ClipBatches,
    batch_loader,
)
from tests.synthetic.material import draw_material, flat

pytestmark = pytest.mark.slow

SMALL = BatchSettings(size=64, clips=2, frames=2, objects=2, photos=0.0)
FIELDS = tuple(ClipBatch.__dataclass_fields__)


def equal(one: ClipBatch, other: ClipBatch) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in FIELDS)


def test_shapes_and_types(batch: ClipBatch) -> None:
    count = len(batch.clip)
    assert batch.images.shape == (2, 4, 64, 64, 3) and batch.images.dtype == torch.uint8
    assert batch.masks.shape == (count, 4, 64, 64) and batch.masks.dtype == torch.bool
    assert batch.points.shape == (count, 2, 2) and batch.labels.shape == batch.points.shape[:2]
    assert batch.clip.tolist() == sorted(batch.clip.tolist()) and set(batch.clip.tolist()) == {0, 1}


@pytest.mark.parametrize(('frames', 'size', 'least'), [(1, 64, 4), (3, 64, 4), (1, 256, 64)])
def test_objects_are_large_enough_to_be_prompted(frames: int, size: int, least: int) -> None:
    settings = BatchSettings(size=size, clips=6, frames=frames, objects=2, presets=('mixed', 'small'), photos=0.0)
    for index in range(4):
        made = ClipBatches(settings, seed=0)[index]
        assert made.masks.shape[1] == frames
        assert int(made.masks[:, 0].sum((1, 2)).min()) >= least
        assert int(torch.bincount(made.clip, minlength=6).min()) >= 1
        assert int(torch.bincount(made.clip).max()) <= 2


def test_objects_that_are_all_too_small_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, 'dust', replace(PRESETS['plain'], radius=(0.001, 0.002)))
    settings = BatchSettings(size=256, clips=1, frames=1, presets=('dust',), photos=0.0)
    with pytest.raises(ValueError, match='objects of dust are too small at 256 pixels'):
        ClipBatches(settings, seed=0)[0]


def test_prompts_fit_their_objects_in_the_asked_shares() -> None:
    settings = BatchSettings(size=64, clips=8, frames=1, objects=4, prompt_shares=(0.2, 0.5, 0.3), photos=0.0)
    batches = [ClipBatches(settings, seed=2)[index] for index in range(8)]
    kinds = torch.cat([made.kind for made in batches])
    shares = torch.bincount(kinds, minlength=3) / len(kinds)
    assert len(kinds) > 120 and np.abs(shares.numpy() - settings.prompt_shares).max() < 0.12
    for made in batches:
        for mask, kind, points, labels in zip(made.masks[:, 0], made.kind, made.points, made.labels, strict=True):
            if kind == POINT_PROMPT:
                x, y = points[0].long().tolist()
                assert bool(mask[y, x]) and labels.tolist() == [1, -1]
            else:
                assert kind in (MASK_PROMPT, BOX_PROMPT) and labels.tolist() == [2, 3]
                true = np.array(mask_box(mask.numpy())).reshape(2, 2)
                assert (np.abs(points.numpy() - true) <= 0.1 * (true[1] - true[0]) + 1e-4).all()


def test_shares_of_a_third_can_be_written_down() -> None:
    thirds = BatchSettings(size=64, clips=2, frames=1, prompt_shares=(0.3333333, 0.3333333, 0.3333333), photos=0.0)
    assert set(ClipBatches(thirds, seed=2)[0].kind.tolist()) <= {MASK_PROMPT, BOX_PROMPT, POINT_PROMPT}


def test_uneven_gaps_span_more_time_than_even_ones_of_one_frame() -> None:
    """Without events and other objects, what a target's mask changes by from frame to frame tells the time between."""
    even = BatchSettings(size=64, clips=24, frames=8, objects=1, max_stride=1, presets=('plain',), photos=0.0)
    shares = []
    for uneven in (0.0, 1.0):
        made = ClipBatches(replace(even, uneven=uneven), seed=5)[0]
        moved = (made.masks[:, 1:] != made.masks[:, :-1]).flatten(2).sum(-1)
        shares.append(float((moved / made.masks[:, 1:].flatten(2).sum(-1).clamp(min=1)).median()))
    assert shares[1] > 1.3 * shares[0] > 0


def test_an_item_is_always_the_same_and_items_differ() -> None:
    batches = ClipBatches(SMALL, seed=9)
    again = ClipBatches(SMALL, seed=9)
    assert equal(batches[3], again[3])
    others = [batches[4], ClipBatches(SMALL, seed=10)[3], ClipBatches(SMALL, seed=9, split='heldout')[3]]
    assert not any(torch.equal(batches[3].images, other.images) for other in others)


def test_clips_of_cutouts_come_in_their_share(tmp_path: Path) -> None:
    # drawn scenes have no frame in which every pixel is one of these two colours
    material = draw_material(tmp_path, lambda _: flat(40, 30, (250, 0, 0)), lambda _: (0, 0, 250))
    settings = replace(SMALL, clips=1, cutouts=0.5, presets=('plain',))
    made = [ClipBatches(settings, seed=4, material=material)[index].images[0, 0] for index in range(40)]
    share = np.mean([int(image[..., 1].max()) < 60 for image in made])
    assert 0.3 < share < 0.7
    alike = ClipBatches(settings, seed=4, material=material)[3].images[0, 0]
    assert torch.equal(alike, made[3])
    with pytest.raises(ValueError, match='these settings take cut-outs, and no material was given'):
        ClipBatches(settings, seed=4)


@pytest.mark.parametrize('workers', [0, 1])
def test_the_loader_keeps_the_order_with_and_without_processes(workers: int) -> None:
    dataset = ClipBatches(SMALL, seed=9)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 3)  # OpenCV has threads now, which no fork inherits
    loaded = iter(batch_loader(dataset, start=5, step=2, workers=workers))
    assert all(equal(next(loaded), dataset[index]) for index in (5, 7))


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'presets': ('mixed', 'rain')}, r"unknown scene presets \['rain'\]; available: mixed, plain"),
        ({'presets': ()}, 'available: mixed'),
        ({'size': 100}, 'multiple of 32'),
        ({'size': 0}, 'multiple of 32'),
        ({'clips': 0}, 'clips, frames, objects and max_stride must be 1 or more'),
        ({'prompt_shares': (0.5, 0.4, 0.3)}, 'add up to 1'),
        ({'prompt_shares': (1.0, 0.0)}, 'three probabilities'),
        ({'photos': 1.5}, 'in 0..1'),
        ({'uneven': -0.1}, 'in 0..1'),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BatchSettings(**changes)
