"""What a user, an operator or a detector says about one object on one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sam2_ros.tracking.checks import quoted

MAX_NAME = 64  # characters of an object_id
BOX_CORNER_LABELS = (2, 3)  # the network's labels of a box: top-left, bottom-right


@dataclass(frozen=True, eq=False)
class Prompt:
    """Points, a box or a mask for one object.

    Points and a box may be combined; a mask stands alone, because the network returns a mask prompt unchanged.
    Coordinates are pixels of the image that the prompt is for, x right, y down. They enter the network exactly as in
    the official predictor: integer clicks are not shifted to pixel centres.

    Args:
        object_id: name of the object, 1 to 64 printable characters. An unknown name starts a new object.
        points: (P, 2) x, y pixels inside the image.
        labels: (P,) 1 = belongs to the object, 0 = does not. All 1 when left out.
        box: x0, y0, x1, y1 pixels with x0 < x1 and y0 < y1; may reach beyond the image.
        mask: (H, W) bool (or 0/1) of the size of the image. An empty mask says 'hidden in this image'.

    Raises:
        TypeError, ValueError: with a sentence that says what was wrong and what is accepted.
    """

    object_id: str
    points: Any = ()
    labels: Any = None
    box: Any = None
    mask: Any = None

    def __post_init__(self) -> None:
        check_object_id(self.object_id)
        points = _points(self.points)
        _set(self, points=points, labels=_labels(self.labels, len(points)), box=_box(self.box), mask=_mask(self.mask))
        if self.mask is not None and (len(points) or self.box is not None):
            raise ValueError('a mask prompt stands alone: give either a mask, or points and a box')
        if self.mask is None and self.box is None and not len(points):
            raise ValueError(f'the prompt for {self.object_id!r} is empty: give points, a box or a mask')

    def check_fits(self, height: int, width: int) -> None:
        """Raise ValueError if the prompt lies outside an image of this size in pixels."""
        if self.mask is not None and self.mask.shape != (height, width):
            raise ValueError(
                f'the mask is {_size(*self.mask.shape)} but the image is {_size(height, width)}; they must be equal'
            )
        outside = (self.points < 0).any(axis=1) | (self.points > (width, height)).any(axis=1)
        if outside.any():
            x, y = self.points[outside][0]
            raise ValueError(f'the point ({x:g}, {y:g}) lies outside the image of {_size(height, width)}')
        if self.box is not None and not (self.box[:2] < (width, height)).all() & (self.box[2:] > 0).all():
            raise ValueError(f'the box {tuple(self.box.tolist())} lies outside the image of {_size(height, width)}')

    def check_starts_object(self) -> None:
        """Raise ValueError if the prompt cannot start a new object, because nothing in it says what belongs to the
        object.
        """
        if self.mask is not None and not self.mask.any():
            raise ValueError(f'{self.object_id!r} is a new object, and an empty mask does not say where it is')
        if self.mask is None and self.box is None and not (self.labels == 1).any():
            raise ValueError(f'{self.object_id!r} is a new object and needs a positive point, a box or a mask')

    @property
    def only_refines(self) -> bool:
        """Whether the prompt is points alone. Points refine what an object is; a box or a mask says it anew."""
        return self.box is None and self.mask is None

    def says_anew(self, after: Prompt | None) -> bool:
        """Whether the prompt says anew what the object is, and its mask and memory so far may be of another thing.

        A box or a mask does. There are two exceptions: a box that was given before and now comes with more clicks,
        which refines the object as clicks do, and an empty mask, which only says 'hidden'.

        Args:
            after: the prompt before it for the object on this image; None if there is none.
        """
        if self.mask is not None:
            return bool(self.mask.any())
        return self.box is not None and (after is None or after.box is None or not np.array_equal(after.box, self.box))

    @property
    def is_box_only(self) -> bool:
        return self.box is not None and not len(self.points)

    def network_points(self) -> tuple[np.ndarray, np.ndarray]:
        """Points (P, 2) in image pixels and labels (P,) as the network takes them: corners of the box first."""
        if self.box is None:
            return self.points, self.labels
        return np.concatenate([self.box.reshape(2, 2), self.points]), np.concatenate([BOX_CORNER_LABELS, self.labels])


def check_object_id(object_id: Any) -> None:
    """Raise TypeError or ValueError unless this may be the name of an object.

    Names become part of logs, tables, pictures and file names.
    """
    if not isinstance(object_id, str) or not object_id:
        raise TypeError(f'object_id must be a non-empty string, not {quoted(object_id)}')
    if len(object_id) > MAX_NAME:
        raise ValueError(f'object_id has {len(object_id)} characters, but at most {MAX_NAME} are accepted')
    if not object_id.isprintable():
        raise ValueError(f'object_id must be printable characters, without line breaks, not {quoted(object_id)}')


def _set(prompt: Prompt, **fields: Any) -> None:
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False  # a prompt is decoded again when its frame is tracked again
        object.__setattr__(prompt, name, value)


def _floats(values: Any, what: str) -> np.ndarray:
    try:
        array = np.array(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise TypeError(f'{what} must be numbers, not {quoted(values)}') from error
    if not np.isfinite(array).all():
        raise ValueError(f'{what} must be finite numbers, not {quoted(values)}')
    return array


def _points(values: Any) -> np.ndarray:
    points = _floats(() if values is None else values, 'points')
    if points.size == 0:
        return points.reshape(0, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f'points must be a list of (x, y) pairs, not an array of shape {points.shape}')
    return points


def _labels(values: Sequence[int] | None, count: int) -> np.ndarray:
    labels = np.ones(count) if values is None else _floats(values, 'labels')
    if labels.shape != (count,):
        raise ValueError(f'there are {count} points but labels have the shape {labels.shape}; give one label per point')
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f'labels must be 1 (belongs to the object) or 0 (does not), not {quoted(values)}')
    return labels.astype(np.int64)


def _box(values: Any) -> np.ndarray | None:
    if values is None:
        return None
    box = _floats(values, 'box')
    if box.shape != (4,):
        raise ValueError(f'box must be the four numbers x0, y0, x1, y1, not an array of shape {box.shape}')
    if not (box[:2] < box[2:]).all():
        raise ValueError(f'box must have x0 < x1 and y0 < y1, not {tuple(box.tolist())}')
    return box


def _mask(values: Any) -> np.ndarray | None:
    if values is None:
        return None
    try:
        mask = np.array(values)
    except ValueError as error:
        raise ValueError('mask must be a (height, width) array, not rows of different lengths') from error
    if mask.ndim != 2:
        raise ValueError(f'mask must be a (height, width) array, not one of shape {mask.shape}')
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise ValueError('mask must be boolean or hold only 0 and 1')
    return mask.astype(bool)


def _size(height: int, width: int) -> str:
    return f'{width}x{height} pixels'
