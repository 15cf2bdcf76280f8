"""From intensities of 16 bits to 8 bits."""

from __future__ import annotations

import cv2
import numpy as np

PERCENTILES = (1, 99)  # of the intensities; what lies outside is black or white
ADAPTATION = 0.05  # share of the way to the range of an image that is gone with it, and at most of the range itself
MIN_SPAN = 16  # counts; the noise of an even picture is not blown up to more than this allows
SAMPLES = 20_000  # pixels that are looked at


class AdaptiveRange:
    """The range of intensities that is shown of a stream of images.

    It follows the percentiles of each image slowly, so that the picture does not flicker when something hot comes in.
    It jumps when half of an image is darker or brighter than the whole range. An image of one intensity, as of a closed
    shutter, changes nothing.
    """

    def __init__(self) -> None:
        self._range: np.ndarray = np.zeros(2)  # the values for black and white

    def follow(self, values: np.ndarray) -> tuple[int, int]:
        """The intensities of black and of white for the next image, (H, W) or (H, W, C) uint16. They differ."""
        stride = max(1, int((values.shape[0] * values.shape[1] / SAMPLES) ** 0.5))
        low, middle, high = np.percentile(values[::stride, ::stride], (PERCENTILES[0], 50, PERCENTILES[1]))
        newest = np.array([low, high])
        span = np.ptp(self._range)
        if span < MIN_SPAN or not self._range[0] <= middle <= self._range[1]:
            self._range = newest
        elif np.ptp(newest) >= MIN_SPAN:
            self._range = self._range + ADAPTATION * np.clip(newest - self._range, -span, span)
        low, high = self._range
        missing = max(0.0, MIN_SPAN - (high - low))
        black = max(0, round(low - missing / 2))
        return black, max(black + MIN_SPAN, round(high + missing / 2))


def stretched(values: np.ndarray, black: int, white: int) -> np.ndarray:
    """(H, W) or (H, W, C) uint16 -> uint8. `black` and less becomes 0, `white` and more 255, linear in between."""
    return cv2.convertScaleAbs(np.maximum(values, np.uint16(black)) - np.uint16(black), alpha=255 / (white - black))


def stretched_alone(values: np.ndarray) -> np.ndarray:
    """As `stretched`, with the range of this one image."""
    return stretched(values, *AdaptiveRange().follow(values))
