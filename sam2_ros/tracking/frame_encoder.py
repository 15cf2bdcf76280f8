"""Computes the features of recent images, each only once."""

from __future__ import annotations

import torch
from torch import Tensor

from sam2_ros.model import ImageFeatures, Network
from sam2_ros.model.normalization import normalize


def encode_pixels(model: Network, pixels: Tensor) -> ImageFeatures:
    """Features of one image: (3, S, S) in [0, 255]."""
    on_device = pixels.to(model.device, torch.float32) / 255
    return model.encode_image(normalize(on_device)[None].to(model.dtype))


class EncodedImage:
    """An image whose features are computed when they are first asked for.

    Attributes:
        pixels: (3, S, S) in [0, 255].
        known: its features, if they are known.
    """

    def __init__(self, model: Network, pixels: Tensor) -> None:
        self._model = model
        self.pixels = pixels
        self.known: ImageFeatures | None = None

    @property
    def features(self) -> ImageFeatures:
        if self.known is None:
            self.known = encode_pixels(self._model, self.pixels)
        return self.known


class FrameEncoder:
    """Keeps the features of the newest frame and of the past image that was used last.

    Two images count as the same if they are the same tensor object; values are not compared.
    """

    def __init__(self, model: Network) -> None:
        self._model = model
        self._newest: EncodedImage | None = None
        self._past: EncodedImage | None = None

    def newest(self, pixels: Tensor) -> EncodedImage:
        """A new frame: (3, S, S) in [0, 255]."""
        self._newest = self._image(pixels)
        return self._newest

    def past(self, pixels: Tensor) -> EncodedImage:
        """A past image: (3, S, S) in [0, 255]. Several objects that catch up may share it."""
        self._past = self._image(pixels)
        return self._past

    def forget(self) -> None:
        """Drop all features."""
        self._newest = self._past = None

    def _image(self, pixels: Tensor) -> EncodedImage:
        for known in (self._newest, self._past):
            if known is not None and known.pixels is pixels:
                return known
        return EncodedImage(self._model, pixels)
