"""What the overlay shows of the objects: their masks and names, or an effect that may hide them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sam2_ros.drawing.overlay import draw_overlay
from sam2_ros.effects import EFFECTS, EffectOptions, HeldMasks, apply_effect
from sam2_ros.live.settings import Settings
from sam2_ros.tracking import FrameResult

MASKS = 'masks'
MARGIN = 0.015  # of the height of the image by which masks are widened when objects are hidden


class OverlayEffect:
    """Draws the overlays of one camera, one after the other."""

    def __init__(self, settings: Settings) -> None:
        """`settings`: overlay_effect, overlay_effect_objects."""
        self._settings = settings
        self._held = HeldMasks()

    def draw(
        self, rgb: np.ndarray, result: FrameResult, *, labels: Mapping[str, int], classes: Mapping[str, str]
    ) -> np.ndarray:
        """The overlay of an image.

        Args:
            rgb: (H, W, 3) uint8; it is not changed.
            result: the objects in it.
            labels: by object id, for the colours of masks.
            classes: by object id, the name of the class; empty if it is not known.

        Returns:
            (H, W, 3) uint8.
        """
        name = self._settings['overlay_effect']
        if name == MASKS:
            return draw_overlay(rgb, result, labels=labels)
        wanted = set(self._settings['overlay_effect_objects'])
        masks = {
            object_id: tracked.mask
            for object_id, tracked in result.items()
            if not wanted or object_id in wanted or classes.get(object_id) in wanted
        }
        if not EFFECTS[name].hides:
            return apply_effect(name, rgb, list(masks.values()))
        options = EffectOptions(margin=round(MARGIN * rgb.shape[0]))
        return apply_effect(name, rgb, self._held.update(result.frame_index, masks), options)
