"""Leaves out boxes that say the same as a better one (non-maximum suppression)."""

from __future__ import annotations

import numpy as np


def suppress_duplicates(boxes: np.ndarray, scores: np.ndarray, *, overlap: float) -> np.ndarray:
    """Indices of the boxes that stay, the best first.

    The best box stays, and all that overlap with it more than `overlap` go; then the best of the rest, and so on. Of
    equal scores the first is the better one. Boxes without area overlap with nothing. The same as
    `torchvision.ops.nms`, to the rounding.

    Args:
        boxes: (N, 4) x0, y0, x1, y1.
        scores: (N,), the higher the better.
        overlap: intersection over union, 0 to 1.
    """
    corners = boxes.astype(np.float32)
    left, top, right, bottom = (corners[:, side] for side in range(4))
    areas = (right - left) * (bottom - top)
    waiting = np.argsort(-scores, kind='stable')
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        width = np.minimum(right[best], right[waiting]) - np.maximum(left[best], left[waiting])
        height = np.minimum(bottom[best], bottom[waiting]) - np.maximum(top[best], top[waiting])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = areas[best] + areas[waiting] - shared
        shares = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        waiting = waiting[shares.astype(np.float64) <= overlap]
    return np.array(kept, np.int64)
