"""The images of one camera as RGB, by the parameters of the tracker."""

from __future__ import annotations

from typing import Any

import numpy as np

from sam2_ros.live.settings import Settings
from sam2_ros.nodes.edge.decode_images import compressed_to_rgb, image_to_rgb
from sam2_ros.nodes.edge.stretch import AdaptiveRange, stretched


class ImageConverter:
    """Turns sensor_msgs/Image and CompressedImage into RGB. For one thread.

    Images of 16 bits are brought to 8 bits with one range for all. Parameters fix it, or it follows the images in the
    order in which they are converted.
    """

    def __init__(self, settings: Settings) -> None:
        """`settings`: max_image_pixels, intensity_low and intensity_span."""
        self._settings = settings
        self._range = AdaptiveRange()

    def to_rgb(self, message: Any) -> np.ndarray:
        """(H, W, 3) uint8, see `image_to_rgb` and `compressed_to_rgb`.

        Raises:
            ConversionError: as they do.
        """
        return (image_to_rgb if hasattr(message, 'encoding') else compressed_to_rgb)(
            message, max_pixels=self._settings['max_image_pixels'], to_bytes=self._to_bytes
        )

    def _to_bytes(self, values: np.ndarray) -> np.ndarray:
        low, span = self._settings['intensity_low'], self._settings['intensity_span']
        return stretched(values, *((low, low + span) if span else self._range.follow(values)))
