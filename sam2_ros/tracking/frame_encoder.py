"""Computes the features of recent images, each only once."""

from __future__ import annotations

import torch
from torch import Tensor

from sam2_ros.model import ImageFeatures, Network
from sam2_ros.model.normalization import normalize


def encode_pixels(model: Network, pixels: Tensor) -> ImageFeatures:
    """Features of one image: (3, S, S) in [0, 255], on the host."""
    on_device = pixels.to(model.device, torch.float32) / 255
    return model.encode_image(normalize(on_device)[None].to(model.dtype))


class FrameEncoder:
    """Runs the image encoder. Keeps the features of the newest frame and of the past image that was used last.

    Two images count as the same if they are the same tensor object; values are not compared.
    """

    def __init__(self, model: Network) -> None:
        self._model = model
        self._newest: tuple[Tensor, ImageFeatures] | None = None
        self._past: tuple[Tensor, ImageFeatures] | None = None

    def newest(self, pixels: Tensor) -> ImageFeatures:
        """Features of a new frame: (3, S, S) in [0, 255], on the host."""
        features = self._encode(pixels)
        self._newest = (pixels, features)
        return features

    def past(self, pixels: Tensor) -> ImageFeatures:
        """Features of a past image: (3, S, S) in [0, 255], on the host. Several objects that catch up may share it."""
        features = self._encode(pixels)
        self._past = (pixels, features)
        return features

    def forget(self) -> None:
        """Drop all features."""
        self._newest = self._past = None

    def _encode(self, pixels: Tensor) -> ImageFeatures:
        for known in (self._newest, self._past):
            if known is not None and known[0] is pixels:
                return known[1]
        return encode_pixels(self._model, pixels)
