"""From low-resolution logits to masks and boxes of the image."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F

FILLED_LOGIT = 0.1  # weakly positive, as the official predictor sets filled holes
REMOVED_LOGIT = -0.1


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
