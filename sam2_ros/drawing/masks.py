"""Draws masks over an image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import cv2
import numpy as np

from sam2_ros.drawing.colours import DARK, LIGHT, Colour, label_colour

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


def draw_numbered_masks(
    rgb: np.ndarray, masks: Mapping[int, np.ndarray], *, bracketed: Collection[int] = (), note: str = ''
) -> np.ndarray:
    """Draw masks with the numbers of their objects, so that people can name them.

    Args:
        rgb: (H, W, 3) uint8; it is not changed.
        masks: (H, W) bool each, by number from 1 on, which is the label of the colour. The largest is drawn first.
        bracketed: numbers to put in brackets.
        note: text for the lower left corner.

    Returns:
        A new (H, W, 3) uint8 image.
    """
    canvas = rgb.copy(order='C')
    line = max(1, round(len(rgb) / 720))
    shown = {number: mask for number, mask in masks.items() if mask.any()}
    for number in sorted(shown, key=lambda number: -int(shown[number].sum())):
        x, y, width, height = cv2.boundingRect(shown[number].astype(np.uint8))
        box = (x, y, x + width, y + height)
        draw_mask(canvas, shown[number], box, colour=label_colour(number), line=line)
    for number, mask in shown.items():
        depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        _write(canvas, f'[{number}]' if number in bracketed else f'{number}', (int(column), int(row)), centred=True)
    if note:
        _write(canvas, note, (4, len(rgb) - 5), centred=False)
    return canvas


def _write(canvas: np.ndarray, text: str, at: tuple[int, int], *, centred: bool) -> None:
    """Write light letters with a dark edge; `at` is their lower left corner, or their middle."""
    scale = max(0.4, len(canvas) / 800)
    line = max(1, round(1.6 * scale))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
    x, y = (at[0] - width // 2, at[1] + height // 2) if centred else at
    x, y = max(0, min(x, canvas.shape[1] - width)), max(height, min(y, len(canvas) - 1))
    for colour, thickness in ((DARK, line + 2), (LIGHT, line)):
        cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
