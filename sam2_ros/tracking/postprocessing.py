"""From low-resolution logits to masks and boxes of the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F

FILLED_LOGIT = 0.1  # weakly positive, as the official predictor sets filled holes
REMOVED_LOGIT = -0.1
_PIECE = 0.1  # a piece smaller than this share of the largest piece is a speck


def resize_logits(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bilinear (N, h, w) -> (N, H, W) float32 on the same device; pixel centres lie at half-integers."""
    logits = logits.float()
    if logits.device.type == 'cpu':
        return torch.from_numpy(np.stack([_resize_on_host(one, size) for one in logits.numpy()]))
    return F.interpolate(logits[:, None], size, mode='bilinear', align_corners=False)[:, 0]


def masks_at(logits: torch.Tensor, size: tuple[int, int]) -> list[np.ndarray]:
    """Logits (N, h, w) -> N bool masks of `size` (height, width) on the host, each in memory of its own."""
    if logits.device.type == 'cpu':  # one at a time: the resized logits of one object stay in the cache
        return [_resize_on_host(one, size) > 0 for one in logits.float().numpy()]
    return [mask.copy() for mask in (resize_logits(logits, size) > 0).cpu().numpy()]


def _resize_on_host(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One object's logits (h, w) -> (H, W); OpenCV computes the same as torch, many times faster."""
    height, width = size
    return cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)


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


def clean_logits(logits: torch.Tensor, *, max_hole_area: int, max_speck_area: int) -> torch.Tensor:
    """Fill small holes, then remove small components, both 8-connected.

    Args:
        logits: (N, h, w), > 0 is object; returned unchanged when both limits are 0.
        max_hole_area, max_speck_area: the largest holes to fill and components to remove, in pixels of this grid.
    """
    if not max_hole_area and not max_speck_area:
        return logits
    host = logits.float().cpu().numpy().copy()
    for one in host:
        one[_small_components(one <= 0, max_hole_area)] = FILLED_LOGIT
        one[_small_components(one > 0, max_speck_area)] = REMOVED_LOGIT
    return torch.from_numpy(host).to(logits.device)


def _small_components(mask: np.ndarray, max_area: int) -> np.ndarray:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] <= max_area
    small[0] = False  # row 0 is what lies outside the mask
    return small[labels]


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
