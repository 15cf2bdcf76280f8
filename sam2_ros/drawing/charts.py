"""Charts and film strips for the result pages, drawn with OpenCV, so that no plotting library is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

Colour = tuple[int, int, int]

# Okabe and Ito's colours, which colour-blind people can tell apart, too.
_CURVE_COLOURS: tuple[Colour, ...] = (
    (213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (0, 0, 0),
)  # fmt: skip
_INK, _GRID, _PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SIZE = (900, 420)  # width, height of a chart in pixels
_MARGINS = (60, 160, 40, 45)  # left, right (the legend), top, bottom
_OVERSAMPLING = 2  # charts are drawn larger and shrunk: smoother lines and letters

_PREDICTED: Colour = (255, 64, 129)
_TRUE: Colour = (255, 255, 255)
_TILE_HEIGHT = 180  # pixels


def line_chart(curves: Mapping[str, np.ndarray], *, title: str, x_label: str) -> np.ndarray:
    """Draw values in [0, 1] over their index, one line per curve. NaN leaves a gap.

    Args:
        curves: (T,) values by the name in the legend.
        title: above the chart.
        x_label: below the chart.

    Returns:
        RGB image, (H, W, 3) uint8.
    """
    width, height = (side * _OVERSAMPLING for side in _SIZE)
    left, right, top, bottom = (margin * _OVERSAMPLING for margin in _MARGINS)
    canvas = np.full((height, width, 3), _PAPER, np.uint8)
    longest = max(len(values) for values in curves.values())

    def to_pixel(x: float, y: float) -> tuple[int, int]:
        across = left + x / max(longest - 1, 1) * (width - left - right)
        return round(across), round(height - bottom - y * (height - top - bottom))

    for y in np.linspace(0, 1, 6):
        cv2.line(canvas, to_pixel(0, y), to_pixel(longest - 1, y), _GRID, _OVERSAMPLING)
        _text(canvas, f'{y:.1f}', (left - 38 * _OVERSAMPLING, to_pixel(0, y)[1] + 5 * _OVERSAMPLING))
    for x in range(0, longest, max(10, 10 * round(longest / 80))):
        _text(canvas, str(x), (to_pixel(x, 0)[0] - 8 * _OVERSAMPLING, height - bottom + 18 * _OVERSAMPLING))
    for index, (name, values) in enumerate(curves.items()):
        colour = _CURVE_COLOURS[index % len(_CURVE_COLOURS)]
        for x in range(len(values) - 1):
            if np.isfinite(values[x : x + 2]).all():
                ends = to_pixel(x, values[x]), to_pixel(x + 1, values[x + 1])
                cv2.line(canvas, *ends, colour, 2 * _OVERSAMPLING, cv2.LINE_AA)
        row = top + 22 * _OVERSAMPLING * index
        mark = (width - right + 12 * _OVERSAMPLING, row), (width - right + 32 * _OVERSAMPLING, row)
        cv2.line(canvas, *mark, colour, 3 * _OVERSAMPLING, cv2.LINE_AA)
        _text(canvas, name, (mark[1][0] + 8 * _OVERSAMPLING, row + 5 * _OVERSAMPLING))
    _text(canvas, title, (left, 24 * _OVERSAMPLING))
    _text(canvas, x_label, (left, height - 8 * _OVERSAMPLING))
    return cv2.resize(canvas, _SIZE, interpolation=cv2.INTER_AREA)


def film_strip(
    frames: Sequence[np.ndarray], predicted: np.ndarray, truth: np.ndarray, captions: Sequence[str]
) -> np.ndarray:
    """Put frames side by side, with the prediction in pink and the outline of the truth in white.

    Args:
        frames: RGB images, (H, W, 3) uint8.
        predicted, truth: (len(frames), H, W) bool.
        captions: one line for each frame.

    Returns:
        RGB image, (h, w, 3) uint8.
    """
    return np.hstack([_tile(*tile) for tile in zip(frames, predicted, truth, captions, strict=True)])


def save_picture(file: Path, rgb: np.ndarray) -> None:
    """Write an RGB image (H, W, 3) uint8 in the format of the file's suffix. Missing folders are made.

    Raises:
        OSError: if the file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(file.suffix, rgb[..., ::-1])
    file.write_bytes(data.tobytes())  # cv2.imwrite does not notice a full disk


def _tile(rgb: np.ndarray, predicted: np.ndarray, truth: np.ndarray, caption: str) -> np.ndarray:
    size = (round(rgb.shape[1] * _TILE_HEIGHT / rgb.shape[0]), _TILE_HEIGHT)
    tile = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    for mask, colour, opacity in ((predicted, _PREDICTED, 0.4), (truth, _TRUE, 0.0)):
        small = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        inside = small > 0
        tile[inside] = (1 - opacity) * tile[inside] + opacity * np.array(colour)
        contours, _ = cv2.findContours(small, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(tile, contours, -1, colour, 1, cv2.LINE_AA)
    (width, _), _ = cv2.getTextSize(caption, _FONT, 0.4, 1)
    tile[:18, : width + 12] = _INK
    cv2.putText(tile, caption, (6, 13), _FONT, 0.4, _PAPER, 1, cv2.LINE_AA)
    return cv2.copyMakeBorder(tile, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=_PAPER)


def _text(canvas: np.ndarray, text: str, origin: tuple[int, int]) -> None:
    cv2.putText(canvas, text, origin, _FONT, 0.45 * _OVERSAMPLING, _INK, _OVERSAMPLING, cv2.LINE_AA)
