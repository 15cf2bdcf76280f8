"""Effects that need one image and the masks in it. To add one, add a function and a line to `EFFECTS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Colour = tuple[int, int, int]

_DIMMED = 0.25  # brightness around a spotlight
_SOFT = 1.0  # pixels, spread of the edge of a cut-out
_LEAST_CELL = 4  # pixels; details smaller than this are hidden in any case


@dataclass(frozen=True)
class EffectOptions:
    """How effects look.

    Attributes:
        colour: RGB, 0..255, of `colourise`, `fill` and `outline`.
        cells: blocks of `pixelate` along the longer side of an object; `blur` spreads as far as one of them. The fewer,
            the less can be recognised.
        margin: masks are widened by this many pixels.

    Raises:
        ValueError: for a value out of its range.
    """

    colour: Colour = (255, 64, 129)
    cells: int = 8
    margin: int = 0

    def __post_init__(self) -> None:
        if len(self.colour) != 3 or not all(0 <= part <= 255 for part in self.colour):
            raise ValueError(f'a colour is red, green and blue from 0 to 255, got {self.colour}')
        if self.cells < 1 or self.margin < 0:
            raise ValueError(
                f'cells must be 1 or more and margin 0 or more, got {self.cells} cells and a margin of {self.margin}'
            )


@dataclass(frozen=True)
class Effect:
    """One effect.

    Attributes:
        description: what it does to the objects.
        draw: changes an image (H, W, 3) uint8 where a mask (H, W) bool with pixels is.
        hides: the object cannot be recognised afterwards.
    """

    description: str
    draw: Callable[[np.ndarray, np.ndarray, EffectOptions], None]
    hides: bool = False


def apply_effect(
    name: str, rgb: np.ndarray, masks: Sequence[np.ndarray], options: EffectOptions | None = None
) -> np.ndarray:
    """Draw an effect on objects of an image.

    Args:
        name: a key of `EFFECTS`.
        rgb: (H, W, 3) uint8; it is not changed.
        masks: (H, W) bool, one for each object. For the background give the inverse of the union of all masks.
        options: how it looks.

    Returns:
        A new (H, W, 3) uint8 image.

    Raises:
        ValueError: for an unknown name, or masks of another size.
    """
    if name not in EFFECTS:
        raise ValueError(f'there is no effect {name!r}; accepted are {", ".join(EFFECTS)}')
    options = options or EffectOptions()
    canvas = rgb.copy(order='C')
    if name == 'spotlight':  # one light falls on all objects
        masks = [np.any(masks, axis=0)] if len(masks) else [np.zeros(rgb.shape[:2], bool)]
    for mask in masks:
        if mask.shape != rgb.shape[:2]:
            raise ValueError(f'a mask has shape {mask.shape}, but the image has {rgb.shape[:2]}')
        if mask.any() or name == 'spotlight':
            EFFECTS[name].draw(canvas, widened(mask, options.margin), options)
    return canvas


def widened(mask: np.ndarray, margin: int) -> np.ndarray:
    """A mask (H, W) bool with all pixels that are at most `margin` away from it."""
    if not margin:
        return mask
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def cut_out(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The objects alone: (H, W, 4) uint8 RGBA, transparent elsewhere, with soft edges. Colours stay everywhere."""
    return np.dstack((rgb, np.round(255 * _alpha(mask)).astype(np.uint8)))


def replace_background(rgb: np.ndarray, mask: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The objects before another image, which is cut and scaled to fill the frame.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) bool, all objects.
        background: (h, w, 3) uint8.
    """
    alpha = _alpha(mask)[..., None]
    behind = _filling(background, (rgb.shape[0], rgb.shape[1]))
    return np.round(alpha * rgb + (1 - alpha) * behind).astype(np.uint8)


def _alpha(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32 in 0..1: the mask with soft edges."""
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _SOFT)


def _filling(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of an image, in the shape and size (height, width) of a frame."""
    height, width = image.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    rows, columns = (min(side, round(wanted / scale)) for side, wanted in ((height, size[0]), (width, size[1])))
    top, left = (height - rows) // 2, (width - columns) // 2
    part = image[top : top + rows, left : left + columns]
    return cv2.resize(part, size[::-1], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _around(mask: np.ndarray, margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns of the box around a mask, widened by `margin` pixels as far as the image goes."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return (
        slice(max(0, y - margin), min(mask.shape[0], y + height + margin)),
        slice(max(0, x - margin), min(mask.shape[1], x + width + margin)),
    )


def _cell(part: np.ndarray, options: EffectOptions) -> int:
    return max(_LEAST_CELL, -(-max(part.shape[:2]) // options.cells))


def _pixelate(canvas: np.ndarray, mask: np.ndarray, options: EffectOptions) -> None:
    box = _around(mask)
    part = canvas[box]
    cell = _cell(part, options)
    rows, columns = (-(-side // cell) for side in part.shape[:2])
    whole = cv2.copyMakeBorder(
        part, 0, rows * cell - part.shape[0], 0, columns * cell - part.shape[1], cv2.BORDER_REPLICATE
    )
    small = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    blocks = cv2.resize(small, (columns * cell, rows * cell), interpolation=cv2.INTER_NEAREST)
    part[mask[box]] = blocks[: part.shape[0], : part.shape[1]][mask[box]]


def _blur(canvas: np.ndarray, mask: np.ndarray, options: EffectOptions) -> None:
    spread = _cell(canvas[_around(mask)], options)
    box = _around(mask, 3 * spread)  # what lies around shines in
    part = canvas[box]
    part[mask[box]] = cv2.GaussianBlur(part, (0, 0), spread)[mask[box]]


def _fill(canvas: np.ndarray, mask: np.ndarray, options: EffectOptions) -> None:
    canvas[mask] = options.colour


def _grey_levels(part: np.ndarray) -> np.ndarray:
    """(h, w) uint8 brightness."""
    return cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)


def _grey(canvas: np.ndarray, mask: np.ndarray, _: EffectOptions) -> None:
    box = _around(mask)
    canvas[box][mask[box]] = _grey_levels(canvas[box])[mask[box], None]


def _colourise(canvas: np.ndarray, mask: np.ndarray, options: EffectOptions) -> None:
    """Black stays black, white stays white, and the grey between has the colour."""
    box = _around(mask)
    levels = np.arange(256)[:, None] / 255
    colour = np.array(options.colour)
    ramp = np.where(levels < 0.5, 2 * levels * colour, colour + (2 * levels - 1) * (255 - colour))
    canvas[box][mask[box]] = np.round(ramp).astype(np.uint8)[_grey_levels(canvas[box])[mask[box]]]


def _spotlight(canvas: np.ndarray, mask: np.ndarray, _: EffectOptions) -> None:
    light = _DIMMED + (1 - _DIMMED) * _alpha(mask)[..., None]
    canvas[:] = np.round(canvas * light)


def _outline(canvas: np.ndarray, mask: np.ndarray, options: EffectOptions) -> None:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, contours, -1, options.colour, max(2, round(canvas.shape[0] / 240)), cv2.LINE_AA)


EFFECTS = {
    'pixelate': Effect('in blocks of one colour', _pixelate, hides=True),
    'blur': Effect('blurred', _blur, hides=True),
    'fill': Effect('covered with one colour', _fill, hides=True),
    'grey': Effect('without colours', _grey),
    'colourise': Effect('in shades of one colour', _colourise),
    'spotlight': Effect('bright, everything else dark', _spotlight),
    'outline': Effect('with a line around', _outline),
}
