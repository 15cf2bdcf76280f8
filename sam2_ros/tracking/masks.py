"""Boxes and overlaps of masks of the image, in numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

_PIECE = 0.1  # a piece smaller than this share of the largest piece is a speck


def box_of(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """Half-open box x0, y0, x1, y1 around the pieces of a mask, without its specks.

    A piece is 8-connected; its size is the number of pixels within its outline, holes included. A speck is a piece
    smaller than a tenth of the largest one. Specks may lie anywhere and would stretch the box across the image. An
    object that is cut apart by something in front of it keeps its pieces.

    Args:
        mask: (H, W) bool.

    Returns:
        None if the mask is empty.
    """
    outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    sizes = [_pixels_within(outline) for outline in outlines]
    least = _PIECE * max(sizes)
    x, y, width, height = cv2.boundingRect(
        np.concatenate([outline for outline, size in zip(outlines, sizes, strict=True) if size >= least])
    )
    return x, y, x + width, y + height


def _pixels_within(outline: np.ndarray) -> float:
    """Number of pixels within an outline (N, 1, 2) that has every pixel on its way.

    Pick's theorem gives it many times faster than labelling the pixels.
    """
    steps = len(outline) if len(outline) > 1 else 0
    return float(cv2.contourArea(outline)) + steps / 2 + 1


def resolve_overlaps(masks: Sequence[np.ndarray], logits_of: Callable[[int], np.ndarray]) -> list[np.ndarray]:
    """Make masks share no pixels: each contested pixel goes to the object with the highest logit, the first if equal.

    Args:
        masks: N (H, W) bool masks.
        logits_of: gives the (H, W) logits of object n; called only for objects that overlap with another.
    """
    count = np.zeros(masks[0].shape, dtype=np.uint16) if masks else np.zeros((0, 0), dtype=np.uint16)
    for mask in masks:
        count += mask
    contested = count > 1
    if not contested.any():
        return list(masks)
    owner = np.full(contested.shape, -1)
    best = np.full(contested.shape, -np.inf, dtype=np.float32)
    rivals = [index for index, mask in enumerate(masks) if (mask & contested).any()]
    for index in rivals:
        logits = logits_of(index)
        wins = contested & masks[index] & (logits > best)
        owner[wins], best[wins] = index, logits[wins]
    return [mask & (~contested | (owner == index)) for index, mask in enumerate(masks)]
