"""Simulated prompts: clicks, boxes and masks as a user or a detector would give them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

POSITIVE, NEGATIVE, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT, PADDING = 1, 0, 2, 3, -1
BOX_NOISE_SHARE = 0.1  # of the box side, at most ...
BOX_NOISE_PIXELS = 20  # ... so many pixels at 1024


def _deepest(region: np.ndarray) -> tuple[float, tuple[int, int]]:
    """Distance to the region's edge at its deepest pixel, and that pixel (x, y); the first in row-major order."""
    padded = np.pad(region.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(distance[row, column]), (int(column), int(row))


def next_click(true_mask: np.ndarray, predicted_mask: np.ndarray | None = None) -> tuple[tuple[int, int], int]:
    """The click ((x, y), label) of the standard protocol on masks (H, W) bool; pixels of the masks' own grid.

    The centre of the larger error region: positive where object was missed, negative where the prediction spills.
    Without a prediction it is the centre of the object. Equally large regions give a negative click.
    Raises ValueError for masks of different shape or of another kind than two-dimensional.
    """
    true_mask = np.asarray(true_mask, bool)
    predicted = np.zeros_like(true_mask) if predicted_mask is None else np.asarray(predicted_mask, bool)
    if true_mask.ndim != 2 or predicted.shape != true_mask.shape:
        raise ValueError(f'next_click needs two masks of one shape (H, W), got {true_mask.shape} and {predicted.shape}')
    missed, missed_at = _deepest(true_mask & ~predicted)
    spilled, spilled_at = _deepest(predicted & ~true_mask)
    return (missed_at, POSITIVE) if missed > spilled else (spilled_at, NEGATIVE)


def mask_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Half-open box (x0, y0, x1, y1) in pixels of a mask (H, W) with at least one pixel; ValueError without."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError('an empty mask has no box')
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def noisy_box(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask's box as two corners (2, 2) float pixels, each side moved by up to 10 % of its length."""
    height, width = mask.shape
    x0, y0, x1, y1 = mask_box(mask)
    limit = np.minimum(BOX_NOISE_SHARE * np.array([x1 - x0, y1 - y0]), BOX_NOISE_PIXELS / 1024 * max(height, width))
    corners = np.array([[x0, y0], [x1, y1]]) + rng.uniform(-1, 1, (2, 2)) * limit
    return np.clip(corners, 0, (width, height)).astype(np.float32)


def first_click(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A positive click (1, 2) float pixels: the mask's centre, or (half of the time) any of its pixels."""
    if rng.random() < 0.5:
        return np.array([next_click(mask)[0]], np.float32)
    rows, columns = np.nonzero(mask)
    pick = int(rng.integers(len(rows)))
    return np.array([[columns[pick], rows[pick]]], np.float32)


def random_error_click(
    true_masks: Tensor, predicted_masks: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One click per object, drawn uniformly from the wrong pixels: points (N, 1, 2) pixels and labels (N, 1).

    Masks are (N, H, W) bool. Where nothing is wrong the click is a negative one on the background, or a positive one
    where the object fills the image.
    """
    wrong = true_masks ^ predicted_masks
    weights = wrong.flatten(1).float()
    right = ~wrong.flatten(1).any(1)
    weights[right] = (~true_masks[right]).flatten(1).float() + 1e-6
    pick = torch.multinomial(weights.cpu(), 1, generator=generator).to(true_masks.device)
    width = true_masks.shape[2]
    points = torch.stack([pick % width, pick // width], dim=-1).float()
    return points, true_masks.flatten(1).gather(1, pick).long()
