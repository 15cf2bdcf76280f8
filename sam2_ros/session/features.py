"""The encoded images of a video, each encoded once as long as it is kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch

from sam2_ros.model import ImageFeatures, Network
from sam2_ros.tracking.frame_encoder import encode_pixels
from sam2_ros.tracking.preprocessing import check_image, shrink


class FeatureCache:
    """Encodes frames when they are asked for, and keeps those used last.

    Args:
        model: the network.
        frames: (H, W, 3) uint8 each.
        resize: see `MaskOptions`.
        max_bytes: most bytes on the network's device; the frame used last stays in any case.
    """

    def __init__(self, model: Network, frames: Sequence[np.ndarray], *, resize: str, max_bytes: int) -> None:
        self._model = model
        self._frames = frames
        self._resize = resize
        self._max_bytes = max_bytes
        self._kept: OrderedDict[int, tuple[ImageFeatures, tuple[int, int]]] = OrderedDict()
        self._nbytes = 0

    @torch.inference_mode()
    def get(self, frame_index: int) -> tuple[ImageFeatures, tuple[int, int]]:
        """Features of a frame, and its (height, width) in pixels."""
        if frame_index in self._kept:
            self._kept.move_to_end(frame_index)
            return self._kept[frame_index]
        rgb = self._frames[frame_index]
        check_image(rgb)
        features = encode_pixels(self._model, shrink(rgb, self._model.image_size, self._resize))
        self._kept[frame_index] = features, rgb.shape[:2]
        self._nbytes += features.nbytes
        while self._nbytes > self._max_bytes and len(self._kept) > 1:
            _, (oldest, _) = self._kept.popitem(last=False)
            self._nbytes -= oldest.nbytes
        return features, rgb.shape[:2]

    def clear(self) -> None:
        """Drop all of them."""
        self._kept.clear()
        self._nbytes = 0
