"""Clicks and boxes made from the truth, as an operator or a detector would give them."""

from __future__ import annotations

import cv2
import numpy as np

from sam2_ros.model.prompt_encoder import NEGATIVE, POSITIVE


def _deepest(region: np.ndarray) -> tuple[float, tuple[int, int]]:
    """Distance from the deepest pixel of a region to its edge, and that pixel (x, y); the first in row-major order."""
    padded = np.pad(region.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(distance[row, column]), (int(column), int(row))


def next_click(true_mask: np.ndarray, predicted_mask: np.ndarray | None = None) -> tuple[tuple[int, int], int]:
    """The next click of the standard protocol, in the middle of the larger error region.

    The click is positive where object was missed, and negative where the prediction covers something else. Equally
    large regions give a negative click. Without a prediction it is the middle of the object.

    Args:
        true_mask: (H, W) bool.
        predicted_mask: (H, W) bool.

    Returns:
        ((x, y), label) in pixels of the masks.

    Raises:
        ValueError: for masks of different shapes, or with other than two dimensions.
    """
    true_mask = np.asarray(true_mask, bool)
    predicted = np.zeros_like(true_mask) if predicted_mask is None else np.asarray(predicted_mask, bool)
    if true_mask.ndim != 2 or predicted.shape != true_mask.shape:
        raise ValueError(f'next_click needs two masks of one shape (H, W), got {true_mask.shape} and {predicted.shape}')
    missed, missed_at = _deepest(true_mask & ~predicted)
    spilled, spilled_at = _deepest(predicted & ~true_mask)
    return (missed_at, POSITIVE) if missed > spilled else (spilled_at, NEGATIVE)


def mask_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Half-open box (x0, y0, x1, y1) in pixels around all pixels of a mask (H, W) bool.

    Raises:
        ValueError: if the mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError('an empty mask has no box')
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
