"""The random prompts of training: where they fall, and how often."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_ros.evaluation.protocols.simulated_prompts import next_click
from sam2_ros.model.prompt_encoder import NEGATIVE, POSITIVE
from sam2_ros.training.prompts import (
    BOX_NOISE_PIXELS,
    BOX_NOISE_SHARE,
    first_click,
    noisy_box,
    random_error_click,
)
from tests.scenes import rectangle


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 300), st.integers(0, 300), st.integers(1, 700), st.integers(1, 700))
def test_boxes_are_noisy_within_limits(seed: int, top: int, left: int, height: int, width: int) -> None:
    mask = rectangle(top, left, top + height, left + width, shape=(1024, 1024))
    box = noisy_box(mask, np.random.default_rng(seed))
    assert box.shape == (2, 2) and box.dtype == np.float32
    moved = np.abs(box - [[left, top], [left + width, top + height]])
    assert (moved <= np.minimum(BOX_NOISE_SHARE * np.array([width, height]), BOX_NOISE_PIXELS) + 1e-3).all()
    assert (box >= 0).all() and (box <= 1024).all() and (box[0] < box[1]).all()


def test_boxes_move_on_every_side() -> None:
    rng = np.random.default_rng(0)
    boxes = np.stack([noisy_box(rectangle(10, 20, 30, 50), rng) for _ in range(200)])
    limit = 20 / 1024 * 60  # less than 10 % of both sides
    for corner, clean in ((0, (20, 10)), (1, (50, 30))):
        noise = boxes[:, corner] - clean
        assert (noise.min(axis=0) < -0.8 * limit).all() and (noise.max(axis=0) > 0.8 * limit).all()


def test_first_clicks_are_on_the_object_half_of_them_in_its_centre() -> None:
    rng = np.random.default_rng(0)
    mask = rectangle(10, 20, 17, 31)
    clicks = np.concatenate([first_click(mask, rng) for _ in range(400)]).astype(int)
    assert mask[clicks[:, 1], clicks[:, 0]].all()
    centre = next_click(mask)[0]
    assert 0.4 < (clicks == centre).all(axis=1).mean() < 0.6
    assert len(np.unique(clicks, axis=0)) > 60  # of 77 pixels


def test_error_clicks_fall_evenly_on_wrong_pixels() -> None:
    true, predicted = rectangle(10, 20, 14, 24), rectangle(10, 22, 14, 24) | rectangle(30, 30, 32, 32)
    count = 2400
    masks = [torch.from_numpy(mask).expand(count, -1, -1) for mask in (true, predicted)]
    points, labels = random_error_click(*masks, torch.Generator().manual_seed(0))
    assert points.shape == (count, 1, 2) and labels.shape == (count, 1)
    x, y = points[:, 0].long().unbind(1)
    assert bool((true ^ predicted)[y, x].all())
    assert labels[:, 0].tolist() == true[y, x].tolist()
    pixels, hits = np.unique(points[:, 0].numpy(), axis=0, return_counts=True)
    assert len(pixels) == 12 and hits.min() > 150 and hits.max() < 250  # 200 each on average


def test_error_clicks_where_nothing_is_wrong() -> None:
    true = torch.zeros(3, 40, 60, dtype=torch.bool)
    true[0, 10:20, 20:30] = True  # the second object is hidden ...
    true[2] = True  # ... and the third leaves no background
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        points, labels = random_error_click(true, true.clone(), generator)
        assert labels[:, 0].tolist() == [NEGATIVE, NEGATIVE, POSITIVE]
        assert not bool(true[0, int(points[0, 0, 1]), int(points[0, 0, 0])])
