"""Which masklets are the same object, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace

from sam2_ros.labelling.labels import LabelledObject


def are_same(one: LabelledObject, other: LabelledObject, *, overlap: float) -> bool:
    """Whether two masklets show the same object; see `LabelOptions.same`."""
    both = one.masks.keys() & other.masks.keys()
    if not both or 2 * len(both) < min(len(one.masks), len(other.masks)):
        return False
    shared = total = 0
    for frame in both:
        mine, theirs = one.masks[frame], other.masks[frame]
        common = mine.shared(theirs)
        shared += common
        total += mine.area + theirs.area - common
    return shared >= overlap * total


def merged(known: LabelledObject, found: LabelledObject) -> LabelledObject:
    """One masklet of two of the same object.

    Where both have a mask, that of the higher score stays. What a person has checked or dropped stays as it is.
    """
    if known.checked or known.dropped:
        return known
    better, worse = (found, known) if found.score > known.score else (known, found)
    return replace(
        better,
        masks=_in_order({**worse.masks, **better.masks}),
        stability=_in_order({**worse.stability, **better.stability}),
        prompts=_in_order({**worse.prompts, **better.prompts}),
    )


def _in_order(by_frame: dict) -> dict:
    return dict(sorted(by_frame.items()))
