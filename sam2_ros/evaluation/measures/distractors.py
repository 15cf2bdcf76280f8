"""How much of an image resembles the target without being it, by the features of an image encoder."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d, normalize

RESEMBLES = 0.8  # a place does if its similarity is at least this share of the target's own
_SHRINKAGE = 0.3  # of the covariance, as a share of its mean variance
_ELLIPSE = 0.8  # of the sides of a box; what is nearer to them is often background
_MOST = 5.0  # a ratio that a single tiny target cannot lift a whole video with


@dataclass(frozen=True, eq=False)
class FrameDistractors:
    """What resembles the target in one frame.

    Attributes:
        ratio: area that resembles the target, by the target's own area; in [0, 5].
        places: (h, w) bool, the cells of the feature map that do.
    """

    ratio: float
    places: np.ndarray


def find_distractors(features: Tensor, target: np.ndarray, *, is_box: bool = False) -> FrameDistractors | None:
    """Find what resembles the target outside of it.

    In DiDi a place resembles the target if it is outside the target's box, and its feature is more similar to the
    target than the target's own are on average (arXiv 2411.17576). Here features are whitened first by what is outside
    the target, so that what is common to the whole image does not count, and the threshold is `RESEMBLES` of that
    average.

    Args:
        features: (C, h, w) of the frame.
        target: (H, W) bool, what is the target; of a box, all of it.
        is_box: the target is known as a box. Then an ellipse in it stands for its appearance.

    Returns:
        None if the frame shows no target, or nothing else.
    """
    height, width = features.shape[1:]
    covered = _coverage(target, (height, width))
    outside = max_pool2d((covered > 0).float()[None], 3, 1, 1)[0].flatten() == 0  # features see beyond their cell
    if not target.any() or not outside.any():
        return None
    shown = (_coverage(_ellipse(target), (height, width)) if is_box else covered).flatten()
    inside = shown >= shown.max().clamp_max(0.5)
    vectors = normalize(_whitened(features.float().cpu().flatten(1).T, outside), dim=1)
    similarity = vectors @ normalize(vectors[inside].mean(0), dim=0)
    places = outside & (similarity > RESEMBLES * similarity[inside].mean())
    ratio = int(places.sum()) / int(inside.sum())
    return FrameDistractors(min(ratio, _MOST), places.reshape(height, width).numpy())


def _coverage(mask: np.ndarray, size: tuple[int, int]) -> Tensor:
    """(h, w) share of every cell that a mask covers."""
    return adaptive_avg_pool2d(torch.from_numpy(mask)[None].float(), size)[0]


def _ellipse(box: np.ndarray) -> np.ndarray:
    """The ellipse in the middle of a filled box."""
    x, y, width, height = cv2.boundingRect(box.view(np.uint8))
    filled = np.zeros(box.shape, np.uint8)
    centre = (x + width / 2 - 0.5, y + height / 2 - 0.5)
    cv2.ellipse(filled, (centre, (_ELLIPSE * width, _ELLIPSE * height), 0), 1, cv2.FILLED)
    return filled.astype(bool) & box


def _whitened(vectors: Tensor, background: Tensor) -> Tensor:
    """(N, C) so that those of the background have zero mean and about unit covariance."""
    centred = vectors - vectors[background].mean(0)
    covariance = centred[background].T @ centred[background] / background.sum()
    ridge = (_SHRINKAGE * covariance.diagonal().mean()).clamp_min(1e-12) * torch.eye(len(covariance))
    return torch.linalg.solve_triangular(torch.linalg.cholesky(covariance + ridge), centred.T, upper=False).T
