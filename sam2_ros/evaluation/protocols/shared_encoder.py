"""One image encoder for several trackers that see the same images."""

from __future__ import annotations

import torch
from torch import Tensor

from sam2_ros.model import ImageFeatures, Network


class SharedEncoder:
    """A network that encodes an image once, if several trackers get that image one after the other."""

    def __init__(self, model: Network) -> None:
        self._model = model
        self._images: Tensor | None = None
        self._features: ImageFeatures | None = None
        self.without_memory = model.without_memory
        self.condition_on_memory = model.condition_on_memory
        self.embed_prompts = model.embed_prompts
        self.decode_masks = model.decode_masks
        self.choose_candidates = model.choose_candidates
        self.use_mask_as_output = model.use_mask_as_output
        self.encode_memory = model.encode_memory

    @property
    def image_size(self) -> int:
        return self._model.image_size

    @property
    def device(self) -> torch.device:
        return self._model.device

    @property
    def dtype(self) -> torch.dtype:
        return self._model.dtype

    def encode_image(self, images: Tensor) -> ImageFeatures:
        if self._images is None or self._features is None or not torch.equal(images, self._images):
            self._images, self._features = images, self._model.encode_image(images)
        return self._features
