"""Which of the depths behind a mask are those of the object: clusters along the ray."""

from __future__ import annotations

import numpy as np

from sam2_ros.spatial.points import GAP_SLOPE, gap_at

BINS_PER_GAP = 4
SPARSE = 0.002  # a bin with less than this share of the points counts as empty: few flying points make no bridge
TIE = 0.8  # a cluster of so much of the largest one competes with it; then the nearest wins


def depth_range(depth: np.ndarray, *, gap: float) -> tuple[float, float]:
    """The nearest and the furthest depth of the largest cluster, widened by one gap on either side.

    Two depths are of one cluster if between them is no hole wider than `gap_at`. A hole may hold single points.

    Args:
        depth: (N,) metres, positive; N at least 1.
        gap: metres, see `gap_at`.
    """
    # equal steps of this are equal parts of a gap, which grows with the distance
    scale = BINS_PER_GAP / GAP_SLOPE
    steps = scale * np.log(gap_at(depth, gap))
    first = float(steps.min())
    counts = np.bincount((steps - first).astype(np.intp))
    full = np.flatnonzero(counts >= max(1.0, SPARSE * len(depth)))
    if not full.size:  # so many depths that each bin is sparse
        full = np.flatnonzero(counts)
    ends = np.append(np.flatnonzero(np.diff(full) > BINS_PER_GAP), len(full) - 1)
    starts = np.append(0, ends[:-1] + 1)
    total = np.append(0, np.cumsum(counts))
    sizes = total[full[ends] + 1] - total[full[starts]]
    chosen = int(np.flatnonzero(sizes >= TIE * sizes.max())[0])  # from the nearest to the furthest
    low, high = (
        (float(np.exp((first + step) / scale)) - gap) / GAP_SLOPE
        for step in (full[starts[chosen]], full[ends[chosen]] + 1)
    )
    return float(low - gap_at(low, gap)), float(high + gap_at(high, gap))
