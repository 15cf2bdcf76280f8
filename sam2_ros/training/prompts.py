"""Random prompts for training: noisy boxes, clicks anywhere on the object, clicks on errors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sam2_ros.evaluation.protocols.simulated_prompts import mask_box, next_click

BOX_NOISE_SHARE = 0.1  # largest move of a side, in lengths of the box, and at most ...
BOX_NOISE_PIXELS = 20  # ... this many pixels of an image of 1024 pixels


def noisy_box(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The corners (2, 2) of the box of a mask (H, W) in float pixels; each side is moved by up to 10 % of its
    length.
    """
    height, width = mask.shape
    x0, y0, x1, y1 = mask_box(mask)
    limit = np.minimum(BOX_NOISE_SHARE * np.array([x1 - x0, y1 - y0]), BOX_NOISE_PIXELS / 1024 * max(height, width))
    corners = np.array([[x0, y0], [x1, y1]]) + rng.uniform(-1, 1, (2, 2)) * limit
    return np.clip(corners, 0, (width, height)).astype(np.float32)


def first_click(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A positive click (1, 2) in float pixels: half of the time the middle of a mask (H, W), else any of its pixels."""
    if rng.random() < 0.5:
        return np.array([next_click(mask)[0]], np.float32)
    rows, columns = np.nonzero(mask)
    pick = int(rng.integers(len(rows)))
    return np.array([[columns[pick], rows[pick]]], np.float32)


def random_error_click(
    true_masks: Tensor, predicted_masks: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One click for each object, drawn from its wrong pixels, all equally likely.

    If no pixel is wrong, the click is a negative one on the background, or a positive one if the object fills the
    image.

    Args:
        true_masks, predicted_masks: (N, H, W) bool.
        generator: random numbers.

    Returns:
        Points (N, 1, 2) in pixels and labels (N, 1).
    """
    wrong = true_masks ^ predicted_masks
    weights = wrong.flatten(1).float()
    right = ~wrong.flatten(1).any(1)
    weights[right] = (~true_masks[right]).flatten(1).float() + 1e-6
    pick = torch.multinomial(weights.cpu(), 1, generator=generator).to(true_masks.device)
    width = true_masks.shape[2]
    points = torch.stack([pick % width, pick // width], dim=-1).float()
    return points, true_masks.flatten(1).gather(1, pick).long()
