"""What the host knows of an object in an image: numbers, and its mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Corners = tuple[int, int, int, int]  # x0, y0, x1, y1 of the outermost pixels of a mask


@dataclass(frozen=True, eq=False)
class HostNumbers:
    """What is known of one object in one image, on the host.

    Attributes:
        object_score_logit: > 0 where the network sees the object.
        predicted_iou: the network's estimate of the mask's quality, in [0, 1].
        peak_logit: > 0: the low-resolution mask is not empty.
        chosen: which candidate the mask is; -1 for the single mask.
        mask: (H, W) bool at the size of the image.
        area: of the mask in pixels.
        alternatives: computes the other masks, each like `mask`. They are not always asked for.
        extent: of the mask; None if it is empty.
        outside: of each alternative, where its pixels outside the mask lie; None instead of one that has none. None for
            all: not known.
    """

    object_score_logit: float
    predicted_iou: float
    peak_logit: float
    chosen: int
    mask: np.ndarray
    area: int
    alternatives: Callable[[], Sequence[np.ndarray]]
    extent: Corners | None = None
    outside: Sequence[Corners | None] | None = None
