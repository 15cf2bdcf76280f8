"""What a tracker asks of a network: the verbs, their inputs and outputs. Every network family offers them.

Shapes: B images, N objects, S model size, h = w = S / 16, C hidden channels, Cm memory channels, P points. The shape of
a spatial memory is the network's own: (Cm, h, w) for SAM 2, see `MemoryForm`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from sam2_ros.model.prompt_encoder import PromptEmbedding


@dataclass(frozen=True)
class ImageFeatures:
    """Output of the image encoder.

    Attributes:
        stride4: (B, C/8, S/4, S/4), projected for the mask decoder; None where the encoder has stride 16 alone.
        stride8: (B, C/4, S/8, S/8), likewise.
        stride16: (B, C, h, w), raw.
    """

    stride4: Tensor | None
    stride8: Tensor | None
    stride16: Tensor

    @property
    def nbytes(self) -> int:
        """Memory that the features take."""
        return sum(one.nbytes for one in (self.stride4, self.stride8, self.stride16) if one is not None)

    def select(self, index: Tensor) -> ImageFeatures:
        """Features of the images `index`, (N,) long: one row for each object."""
        stride4, stride8 = (None if one is None else one[index] for one in (self.stride4, self.stride8))
        return ImageFeatures(stride4, stride8, self.stride16[index])


@dataclass(frozen=True)
class MemoryRead:
    """What N objects read from their memory banks, at least one memory each.

    Objects that read fewer memories or pointers than others have free places in the batch, which nothing attends to;
    what stands there must be finite.

    Attributes:
        spatial: spatial memories (N, M, ...), M >= 1, as `encode_memory` makes them; free places come first.
        temporal_index: (N, M) long: 6 for conditioning entries, 0 for the newest recent one, up to 5 for the oldest.
        pointers: object pointers (N, K, C); K may be 0; free places come last.
        pointer_position: (N, K) age in frames, divided by the largest age in the pointer horizon. Only SAM 2.1 uses it.
        key_weights: (N, M + K) factors of the keys of the memories, then of the pointers, their position codes
            included. Values are not weighted. None: all 1.
        counts: (N, 2) long, how many memories and how many pointers each object reads. None: no place is free.
    """

    spatial: Tensor
    temporal_index: Tensor
    pointers: Tensor
    pointer_position: Tensor
    key_weights: Tensor | None = None
    counts: Tensor | None = None


@dataclass(frozen=True)
class MaskDecoding:
    """Result of the mask decoder for N objects.

    Attributes:
        mask_logits: (N, S/4, S/4) float32, the chosen mask; > 0 is object.
        predicted_iou: (N,) in 0..1.
        object_score_logit: (N,), > 0 if the object is visible.
        object_pointer: (N, C), made of the token of the chosen mask.
        candidate_logits: (N, 3, S/4, S/4), the masks of the multimask tokens.
        candidate_ious: (N, 3), their predicted IoUs.
        chosen: (N,) index of the chosen candidate; -1 for the single mask of token 0.
        candidate_tokens: (N, 3, C), of which `Network.choose_candidates` makes object pointers.
    """

    mask_logits: Tensor
    predicted_iou: Tensor
    object_score_logit: Tensor
    object_pointer: Tensor
    candidate_logits: Tensor
    candidate_ious: Tensor
    chosen: Tensor
    candidate_tokens: Tensor

    def select(self, index: Tensor) -> MaskDecoding:
        """The rows `index`, (M,) long; a row may come several times."""
        return MaskDecoding(*(getattr(self, field.name)[index] for field in fields(self)))


class Network(Protocol):
    """A network without state. `Sam2Network` says what each verb computes and what it refuses."""

    @property
    def image_size(self) -> int:
        """Side S of the square input in pixels."""

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def encode_image(self, images: Tensor) -> ImageFeatures:
        """Normalised RGB images (B, 3, S, S) -> features."""

    def without_memory(self, stride16: Tensor) -> Tensor:
        """Raw features (B, C, h, w) -> features of a frame that has no memory yet."""

    def condition_on_memory(self, stride16: Tensor, read: MemoryRead) -> Tensor:
        """Raw features (1 or N, C, h, w) and the memories of N objects -> conditioned features (N, C, h, w)."""

    def embed_prompts(
        self, points: Tensor, labels: Tensor, mask_logits: Tensor | None = None, has_mask: Tensor | None = None
    ) -> PromptEmbedding:
        """Points (N, P, 2) in model pixels, labels (N, P), and (N, 1, S/4, S/4) logits -> embeddings."""

    def decode_masks(
        self,
        features: ImageFeatures,
        conditioned: Tensor,
        prompt: PromptEmbedding,
        multimask: Tensor,
        *,
        occlusion_gate: bool = True,
        presence_threshold: float = 0.0,
    ) -> MaskDecoding:
        """Features of the image, conditioned features (N, C, h, w) and prompts -> masks of N objects."""

    def choose_candidates(
        self, decoding: MaskDecoding, candidates: Tensor, *, presence_threshold: float = 0.0
    ) -> MaskDecoding:
        """A decoding of N objects -> the same with candidates (N,) as masks; -1 keeps the mask of its object."""

    def use_mask_as_output(
        self, features: ImageFeatures, masks: Tensor, *, presence_threshold: float = 0.0
    ) -> MaskDecoding:
        """Given masks (N, S, S), 0 or 1 -> the same masks as a decoding."""

    def encode_memory(
        self, stride16: Tensor, mask_logits: Tensor, object_score_logit: Tensor, binarize: Tensor
    ) -> Tensor:
        """Raw features (1 or N, C, h, w) and mask logits (N, S, S) -> spatial memories (N, ...)."""
