"""Draws masks over an image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sam2_ros.drawing.colours import DARK, Colour, label_colour

MASK_OPACITY = 0.45


def draw_mask(
    canvas: np.ndarray, mask: np.ndarray, box: tuple[int, int, int, int], *, colour: Colour, line: int
) -> None:
    """Tint a mask and draw its contour: a dark line that shows on light ground, and a coloured one for dark ground.

    Args:
        canvas: (H, W, 3) uint8 RGB; it is changed.
        mask: (H, W) bool.
        box: x0, y0, x1, y1 half-open pixels; what lies outside is not drawn.
        colour: RGB, 0..255.
        line: width of the contour in pixels.
    """
    left, top, right, bottom = box
    region = canvas[top:bottom, left:right]
    part = np.ascontiguousarray(mask[top:bottom, left:right]).view(np.uint8)
    tinted = cv2.addWeighted(region, 1 - MASK_OPACITY, np.full_like(region, colour), MASK_OPACITY, 0)
    cv2.copyTo(tinted, part, region)
    contours, _ = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(left, top))
    cv2.drawContours(canvas, contours, -1, DARK, line + 2, cv2.LINE_AA)
    cv2.drawContours(canvas, contours, -1, colour, line, cv2.LINE_AA)


def draw_masks(rgb: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    """Draw many masks, the largest first, so that parts show on the whole. Each has the colour of its place in `masks`.

    Args:
        rgb: (H, W, 3) uint8; it is not changed.
        masks: (H, W) bool each.

    Returns:
        A new (H, W, 3) uint8 image.
    """
    canvas = rgb.copy(order='C')
    line = max(1, round(len(rgb) / 720))
    areas = [int(mask.sum()) for mask in masks]
    for index in sorted(range(len(masks)), key=lambda index: -areas[index]):
        x, y, width, height = cv2.boundingRect(masks[index].astype(np.uint8))
        if areas[index]:
            box = (x, y, x + width, y + height)
            draw_mask(canvas, masks[index], box, colour=label_colour(index + 1), line=line)
    return canvas
