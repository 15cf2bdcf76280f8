"""The colours of objects, the same wherever they are shown."""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]

DARK: Colour = (20, 20, 24)
LIGHT: Colour = (255, 255, 255)

# Eight colours that differ in hue and lightness. Later labels go round the colour circle by the golden angle, so that
# the hues of neighbouring labels differ much.
_FIRST_COLOURS: tuple[Colour, ...] = (
    (255, 176, 0),
    (64, 156, 255),
    (255, 64, 129),
    (0, 208, 132),
    (178, 102, 255),
    (255, 240, 80),
    (0, 214, 240),
    (255, 110, 60),
)


def label_colour(label: int) -> Colour:
    """The colour of a label (1 and up): RGB, 0..255. The same label always has the same colour."""
    if 1 <= label <= len(_FIRST_COLOURS):
        return _FIRST_COLOURS[label - 1]
    hue = (label * 0.6180339887) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, (0.9, 0.6)[label % 2], (1.0, 0.85)[label // 2 % 2])
    return round(255 * red), round(255 * green), round(255 * blue)
