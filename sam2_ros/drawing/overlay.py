"""Draws tracked objects, prompts and scores over camera images and under them, for the node and the tools."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sam2_ros.drawing.colours import DARK, LIGHT, Colour, label_colour
from sam2_ros.drawing.masks import draw_mask
from sam2_ros.tracking.masks import box_of
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.states import ObjectState

if TYPE_CHECKING:  # the recorder draws without torch
    from sam2_ros.tracking import ObjectResult

STRIP_FRAMES = 300  # number of frames in a strip of scores; older ones are dropped at the left
STRIP_LIMIT = 10.0  # logit at the upper edge of a strip; larger logits are drawn at the edge
_HIDDEN_COLOUR: Colour = (200, 200, 205)
_ZERO_LINE: Colour = (105, 105, 112)
_LONGEST_NAME = 24  # characters of an object id that fit on a plate
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class _Style:
    """Sizes in pixels that grow with the image, so that text is readable at 240p and at 4K."""

    font_scale: float
    line: int
    padding: int
    text_height: int

    @property
    def plate_height(self) -> int:
        return self.text_height + 2 * self.padding


@dataclass(frozen=True)
class _Rect:
    left: int
    top: int
    right: int
    bottom: int

    def overlaps(self, other: _Rect) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def draw_overlay(
    rgb: np.ndarray, result: Mapping[str, ObjectResult], *, labels: Mapping[str, int] | None = None
) -> np.ndarray:
    """Draw every object of `result` over the image it was tracked on.

    A visible object gets a translucent mask with a contour, a box, and a plate. The plate has its id, the probability
    that it is visible (0..1) and its state. While the object catches up, its box is dashed. A hidden object gets a line
    of text with an empty ring in the upper left corner instead.

    Args:
        rgb: (H, W, 3) uint8; it is not changed.
        result: the objects by id.
        labels: number (1 and up) of each object id, which gives its colour. When left out, objects are numbered in the
            order of `result`.

    Returns:
        A new (H, W, 3) uint8 image.

    Raises:
        ValueError: if `rgb` is of another shape or type, or not of the size of the masks.
        KeyError: if an object has no label.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f'rgb is {rgb.dtype} of shape {rgb.shape}, but must be uint8 of shape (H, W, 3)')
    if labels is None:
        labels = {object_id: number for number, object_id in enumerate(result, start=1)}
    canvas = rgb.copy(order='C')
    style = _style(canvas.shape[0])
    colours = {object_id: label_colour(labels[object_id]) for object_id in result}
    seen = {object_id: tracked for object_id, tracked in result.items() if tracked.box is not None}
    for object_id, tracked in seen.items():
        if tracked.mask.shape != rgb.shape[:2]:
            raise ValueError(
                f'the mask of {object_id!r} has shape {tracked.mask.shape}, but the image has {rgb.shape[:2]}'
            )
        draw_mask(canvas, tracked.mask, _pixel_box(tracked, canvas.shape), colour=colours[object_id], line=style.line)
    for object_id, tracked in seen.items():
        _draw_box(canvas, tracked, colours[object_id], style)
    hidden = {object_id: tracked for object_id, tracked in result.items() if tracked.box is None}
    taken = _list_hidden(canvas, hidden, colours, style)
    for object_id, tracked in seen.items():
        text = _text(object_id, tracked)
        taken.append(_draw_plate(canvas, tracked, text, colours[object_id], style, taken))
    return canvas


def draw_prompts(rgb: np.ndarray, prompts: Iterable[Prompt], *, labels: Mapping[str, int]) -> np.ndarray:
    """Draw prompts: boxes dashed in white and the object's colour, masks by their contour, points as discs.

    A disc has a plus (on the object) or a minus (beside it). The object id is written under each box and mask.

    Args:
        rgb: (H, W, 3) uint8, usually an overlay; it is not changed.
        prompts: the prompts of this image.
        labels: as for `draw_overlay`.

    Returns:
        A new (H, W, 3) uint8 image.
    """
    canvas = rgb.copy(order='C')
    style = _style(canvas.shape[0])
    for prompt in prompts:
        colour = label_colour(labels[prompt.object_id])
        if prompt.mask is not None:
            contours, _ = cv2.findContours(prompt.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(canvas, contours, -1, LIGHT, style.line, cv2.LINE_AA)
        edges = prompt.box if prompt.mask is None else box_of(prompt.mask)
        if edges is not None:
            left, top, right, bottom = (round(float(edge)) for edge in edges)
            if prompt.mask is None:
                _draw_dashes(canvas, _Rect(left, top, right, bottom), (colour, LIGHT), style)
            _draw_prompt_plate(canvas, _Rect(left, top, right, bottom), f'{_short(prompt.object_id)}  prompt', style)
        for (x, y), label in zip(prompt.points, prompt.labels, strict=True):
            _draw_point(canvas, (round(float(x)), round(float(y))), bool(label), colour, style)
    return canvas


class ScoreStrip:
    """Curves of the object scores of the newest frames, to be drawn under a video.

    A score is the tracker's logit: above zero the object is visible, below zero it is hidden.
    """

    def __init__(self) -> None:
        self._frames: deque[dict[str, float]] = deque(maxlen=STRIP_FRAMES)

    def add(self, scores: Mapping[str, float]) -> None:
        """Add the scores of the next frame by object id. The curve of an object without a score has a gap there."""
        self._frames.append(dict(scores))

    def draw_under(self, rgb: np.ndarray, *, labels: Mapping[str, int]) -> np.ndarray:
        """Draw the strip under an image. Time runs to the right; the zero line is in the middle of the strip.

        Args:
            rgb: (H, W, 3) uint8.
            labels: as for `draw_overlay`.

        Returns:
            A new image (H + h, W, 3) uint8. H + h is even, because video encoders need that.
        """
        height, width = rgb.shape[:2]
        style = _style(height)
        rows = max(height // 7, 2 * style.plate_height)
        strip = np.full((rows + (height + rows) % 2, width, 3), DARK, np.uint8)
        middle, reach = (strip.shape[0] - 1) / 2, (strip.shape[0] - 1) / 2 - style.line - 1
        cv2.line(strip, (0, round(middle)), (width - 1, round(middle)), _ZERO_LINE, style.line)
        for word, bottom in (('seen', round(middle)), ('hidden', strip.shape[0])):
            cv2.putText(
                strip,
                word,
                (style.padding, bottom - style.padding),
                _FONT,
                style.font_scale,
                _ZERO_LINE,
                1,
                cv2.LINE_AA,
            )
        for object_id in dict.fromkeys(object_id for frame in self._frames for object_id in frame):
            colour = label_colour(labels[object_id])
            before: tuple[int, int] | None = None
            for number, frame in enumerate(self._frames):
                if object_id not in frame:
                    before = None
                    continue
                height_of_score = max(-1.0, min(1.0, frame[object_id] / STRIP_LIMIT))
                here = round(number * (width - 1) / (STRIP_FRAMES - 1)), round(middle - reach * height_of_score)
                cv2.line(strip, before or here, here, colour, style.line + 1, cv2.LINE_AA)
                before = here
        return np.concatenate((rgb, strip))


def _style(image_height: int) -> _Style:
    font_scale = min(2.5, max(0.4, 0.55 * image_height / 720))
    (_, text_height), _ = cv2.getTextSize('Ag', _FONT, font_scale, 1)
    return _Style(font_scale, max(1, round(image_height / 360)), max(4, round(11 * font_scale)), text_height)


def _text(object_id: str, tracked: ObjectResult) -> str:
    state = tracked.state.value.replace('_', ' ')
    return f'{_short(object_id)}  {1 - tracked.occlusion_probability:.2f} {state}'


def _short(object_id: str) -> str:
    return object_id if len(object_id) <= _LONGEST_NAME else object_id[: _LONGEST_NAME - 3] + '...'


def _pixel_box(tracked: ObjectResult, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    left, top, right, bottom = (int(edge) for edge in tracked.box or (0, 0, 0, 0))
    return max(left, 0), max(top, 0), min(right, shape[1]), min(bottom, shape[0])


def _draw_box(canvas: np.ndarray, tracked: ObjectResult, colour: Colour, style: _Style) -> None:
    left, top, right, bottom = _pixel_box(tracked, canvas.shape)
    first, last = (left, top), (right - 1, bottom - 1)
    cv2.rectangle(canvas, first, last, DARK, style.line + 2)
    if tracked.state is not ObjectState.CATCHING_UP:
        cv2.rectangle(canvas, first, last, colour, style.line)
        return
    _draw_dashes(canvas, _Rect(left, top, right, bottom), (colour,), style)


def _draw_dashes(canvas: np.ndarray, box: _Rect, colours: tuple[Colour, ...], style: _Style) -> None:
    """Draw the edges of a box: dashes of the first colour and, in the gaps, of the second colour if there is one."""
    dash = 6 * style.line
    for number, colour in enumerate(colours):
        for x in range(box.left + number * dash, box.right, 2 * dash):
            for y in (box.top, box.bottom - 1):
                cv2.line(canvas, (x, y), (min(x + dash, box.right - 1), y), colour, style.line)
        for y in range(box.top + number * dash, box.bottom, 2 * dash):
            for x in (box.left, box.right - 1):
                cv2.line(canvas, (x, y), (x, min(y + dash, box.bottom - 1)), colour, style.line)


def _draw_prompt_plate(canvas: np.ndarray, box: _Rect, text: str, style: _Style) -> None:
    """Draw a plate below the box; the plate of a tracked object is above it."""
    width, height = _plate_width(text, style), style.plate_height
    left = max(0, min(box.left, canvas.shape[1] - width))
    top = max(0, min(box.bottom + 2 * style.line, canvas.shape[0] - height))
    _draw_text(canvas, _Rect(left, top, left + width, top + height), text, LIGHT, style, indent=0)


def _draw_point(canvas: np.ndarray, centre: tuple[int, int], positive: bool, colour: Colour, style: _Style) -> None:
    radius = style.text_height
    (x, y), reach = centre, radius // 2
    cv2.circle(canvas, centre, radius, colour if positive else DARK, -1, cv2.LINE_AA)
    cv2.circle(canvas, centre, radius, LIGHT, style.line, cv2.LINE_AA)
    cv2.line(canvas, (x - reach, y), (x + reach, y), LIGHT, style.line)
    if positive:
        cv2.line(canvas, (x, y - reach), (x, y + reach), LIGHT, style.line)


def _draw_plate(
    canvas: np.ndarray, tracked: ObjectResult, text: str, colour: Colour, style: _Style, taken: list[_Rect]
) -> _Rect:
    """Write `text` above the box, or as near to it as the edges of the image and other plates allow."""
    left, top, _, bottom = _pixel_box(tracked, canvas.shape)
    bar = style.padding // 2
    width, height = _plate_width(text, style) + bar, style.plate_height
    x = max(0, min(left, canvas.shape[1] - width))
    above, below, lowest = top - height - style.line, bottom + style.line, max(0, canvas.shape[0] - height)
    places = [above, below, *range(above - height, above - 4 * height, -height), below + height]
    inside = [y for y in places if 0 <= y <= lowest] or [min(max(0, above), lowest)]
    plates = [_Rect(x, y, x + width, y + height) for y in inside]
    plate = next((plate for plate in plates if not any(plate.overlaps(other) for other in taken)), plates[0])
    _draw_text(canvas, plate, text, LIGHT, style, indent=bar)
    cv2.rectangle(canvas, (plate.left, plate.top), (plate.left + bar - 1, plate.bottom - 1), colour, -1)
    return plate


def _list_hidden(
    canvas: np.ndarray, hidden: Mapping[str, ObjectResult], colours: Mapping[str, Colour], style: _Style
) -> list[_Rect]:
    """Write one line for each hidden object in the corner, as far as there is room, and how many more there are."""
    room = max(1, (canvas.shape[0] - style.padding) // (style.plate_height + style.line))
    lines = [(_text(object_id, tracked), colours[object_id]) for object_id, tracked in hidden.items()]
    if len(lines) > room:
        lines[room - 1 :] = [(f'{len(lines) - room + 1} more', _HIDDEN_COLOUR)]
    return [_draw_hidden(canvas, text, colour, style, row) for row, (text, colour) in enumerate(lines)]


def _draw_hidden(canvas: np.ndarray, text: str, colour: Colour, style: _Style, row: int) -> _Rect:
    """Write `text` into row `row` of the list, with an empty ring instead of a filled mark."""
    ring = style.text_height // 2
    indent = 2 * ring + style.padding
    left, top = style.padding, style.padding + row * (style.plate_height + style.line)
    plate = _Rect(left, top, left + _plate_width(text, style) + indent, top + style.plate_height)
    _draw_text(canvas, plate, text, _HIDDEN_COLOUR, style, indent=indent)
    centre = (plate.left + style.padding + ring, (plate.top + plate.bottom) // 2)
    cv2.circle(canvas, centre, ring, colour, max(1, style.line), cv2.LINE_AA)
    return plate


def _plate_width(text: str, style: _Style) -> int:
    return cv2.getTextSize(text, _FONT, style.font_scale, 1)[0][0] + 2 * style.padding


def _draw_text(canvas: np.ndarray, plate: _Rect, text: str, colour: Colour, style: _Style, *, indent: int) -> None:
    """Write `text` on a dark plate that is slightly transparent."""
    region = canvas[plate.top : plate.bottom, plate.left : plate.right]
    if not region.size:  # an image smaller than the margin of the list
        return
    cv2.addWeighted(region, 0.2, np.full_like(region, DARK), 0.8, 0, dst=region)
    origin = (plate.left + style.padding + indent, plate.bottom - style.padding)
    cv2.putText(canvas, text, origin, _FONT, style.font_scale, colour, 1, cv2.LINE_AA)
