"""Keeps hiding an object for a while after the tracker lost sight of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

HELD_FRAMES = 15  # for so many frames the place where an object was last seen stays hidden


class HeldMasks:
    """The newest masks of objects by id.

    A tracker may lose an object for a few frames that is still to be seen. Who wants it never to be shown covers the
    place where it was last for some frames more.
    """

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, np.ndarray]] = {}

    def update(self, frame: int, masks: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Take the masks (H, W) bool of a frame, which may be empty, and return those to cover in it.

        Args:
            frame: its number, which ascends; when it does not, all is forgotten.
            masks: by object id. An object that is not among them is forgotten.
        """
        if any(before >= frame for before, _ in self._newest.values()):
            self._newest.clear()
        for object_id, mask in masks.items():
            if mask.any():
                self._newest[object_id] = (frame, mask)
        self._newest = {
            object_id: (seen, mask)
            for object_id, (seen, mask) in self._newest.items()
            if object_id in masks and frame - seen <= HELD_FRAMES and mask.shape == masks[object_id].shape
        }
        return [mask for _, mask in self._newest.values()]
