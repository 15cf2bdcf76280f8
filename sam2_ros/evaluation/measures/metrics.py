"""How good a track is: region similarity, contour accuracy, robustness, ROC AUC of the object score.

J and F follow the DAVIS benchmark (Perazzi et al., CVPR 2016) as the SA-V evaluator computes them. Robustness is the
VOTS measure. The caller decides which frames count; the benchmarks leave out the prompted one.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

BOUNDARY_TOLERANCE = 0.008  # of the image diagonal: largest distance of contours that match


def region_similarity(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """J: intersection over union of masks; 1 where both are empty.

    Args:
        prediction, truth: (..., H, W) bool, of the same shape.

    Returns:
        (...) float64 in [0, 1].

    Raises:
        TypeError, ValueError: the masks are not boolean, or not of one shape.
    """
    _check_masks(prediction, truth)
    intersection = np.count_nonzero(prediction & truth, axis=(-2, -1))
    union = np.count_nonzero(prediction | truth, axis=(-2, -1))
    return np.where(union == 0, 1.0, intersection / np.maximum(union, 1))


def mask_boundary(masks: np.ndarray) -> np.ndarray:
    """Contour pixels of a mask: those that differ from the pixel to the right, below, or below right.

    Pixels of the last column are compared only downwards, those of the last row only to the right, the last pixel not
    at all.

    Args:
        masks: (..., H, W) bool.

    Returns:
        (..., H, W) bool.
    """
    right = masks[..., :, :-1] ^ masks[..., :, 1:]
    below = masks[..., :-1, :] ^ masks[..., 1:, :]
    diagonal = masks[..., :-1, :-1] ^ masks[..., 1:, 1:]
    boundary = np.zeros_like(masks)
    boundary[..., :, :-1] |= right
    boundary[..., :-1, :] |= below
    boundary[..., :-1, :-1] |= diagonal
    return boundary


def contour_accuracy(prediction: np.ndarray, truth: np.ndarray, *, tolerance: float = BOUNDARY_TOLERANCE) -> np.ndarray:
    """F: harmonic mean of two shares: of each contour, the pixels that lie near the other contour.

    It is 1 where both contours are empty, 0 where only one is. A mask that covers the whole image has no contour.

    Args:
        prediction, truth: (..., H, W) bool, of the same shape.
        tolerance: share of the image diagonal; rounded up to whole pixels.

    Returns:
        (...) float64 in [0, 1].

    Raises:
        TypeError, ValueError: the masks are not boolean, or not of one shape.
    """
    _check_masks(prediction, truth)
    height, width = truth.shape[-2:]
    disk = _disk(math.ceil(tolerance * math.hypot(height, width)))
    predicted, true = (mask_boundary(masks).reshape(-1, height, width) for masks in (prediction, truth))
    scores = [_match(*pair, disk) for pair in zip(predicted, true, strict=True)]
    return np.array(scores, dtype=np.float64).reshape(truth.shape[:-2])


def _check_labels(values: np.ndarray, labels: np.ndarray) -> None:
    if labels.dtype != bool:  # numbers would be used as indices
        raise TypeError(f'labels must be boolean, got {labels.dtype}')
    if labels.shape != values.shape:
        raise ValueError(f'labels and values must have one shape, got {labels.shape} and {values.shape}')


def robustness(overlap: np.ndarray, visible: np.ndarray) -> float:
    """Share of the visible frames in which the mask overlaps the object at all; NaN if it is never visible.

    Args:
        overlap: (T,) region similarity of each frame.
        visible: (T,) bool, whether the object is visible.

    Raises:
        TypeError, ValueError: `visible` is not boolean, or the two are not of one shape.
    """
    _check_labels(overlap, visible)
    return float(np.mean(overlap[visible] > 0)) if visible.any() else math.nan


def roc_auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive example scores above a negative one. Ties count half.

    Args:
        score: (N,) any real numbers; higher means positive.
        positive: (N,) bool.

    Returns:
        A number in [0, 1]; NaN unless there are examples of both kinds.

    Raises:
        TypeError, ValueError: `positive` is not boolean, the two are not of one shape, or a score is not a number.
    """
    _check_labels(score, positive)
    if np.isnan(score).any():
        raise ValueError(f'{int(np.isnan(score).sum())} of {score.size} scores are not numbers (NaN)')
    positives = int(np.count_nonzero(positive))
    negatives = positive.size - positives
    if positives == 0 or negatives == 0:
        return math.nan
    _, group, size = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[group]  # from 1; equal scores share the mean of their ranks
    return float((rank[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def standard_error(values: np.ndarray) -> float:
    """Standard error of the mean of independent values; NaN for fewer than two."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def _check_masks(prediction: np.ndarray, truth: np.ndarray) -> None:
    if prediction.dtype != bool or truth.dtype != bool:
        raise TypeError(f'masks must be boolean arrays, not {prediction.dtype} and {truth.dtype}')
    if prediction.shape != truth.shape or prediction.ndim < 2:
        shapes = f'{prediction.shape} and {truth.shape}'
        raise ValueError(f'masks must be two (..., height, width) arrays of one shape, not {shapes}')


def _disk(radius: int) -> np.ndarray:
    """(2r + 1, 2r + 1) uint8, 1 within `radius` pixels of the centre."""
    offset = np.arange(-radius, radius + 1)
    return (offset[:, None] ** 2 + offset**2 <= radius**2).astype(np.uint8)


def _match(predicted: np.ndarray, true: np.ndarray, disk: np.ndarray) -> float:
    """F of one pair of (H, W) contours."""
    x, y, width, height = cv2.boundingRect((predicted | true).view(np.uint8))
    if width == 0:
        return 1.0
    # Only pixels of the contours count, so the rest of the image need not be dilated.
    area = (slice(y, y + height), slice(x, x + width))
    predicted, true = predicted[area], true[area]
    near_true = cv2.dilate(true.astype(np.uint8), disk) > 0
    near_predicted = cv2.dilate(predicted.astype(np.uint8), disk) > 0
    matched_prediction = np.count_nonzero(predicted & near_true)
    matched_truth = np.count_nonzero(true & near_predicted)
    if matched_prediction == 0 or matched_truth == 0:
        return 0.0
    precision = matched_prediction / np.count_nonzero(predicted)
    recall = matched_truth / np.count_nonzero(true)
    return 2 * precision * recall / (precision + recall)
