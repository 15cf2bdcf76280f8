"""What a tracker asks of a network: the verbs, and what goes in and comes out. Every network family answers to them.

Shapes: B images, N objects, S model size, h = w = S / 16, C hidden channels, Cm memory channels, P points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sam2_ros.model.prompt_encoder import PromptEmbedding


@dataclass(frozen=True)
class ImageFeatures:
    """Encoder output: ``stride4`` (B, C/8, S/4, S/4) and ``stride8`` (B, C/4, S/8, S/8), projected for the decoder;
    ``stride16`` (B, C, h, w), raw."""

    stride4: Tensor
    stride8: Tensor
    stride16: Tensor

    def select(self, index: Tensor) -> ImageFeatures:
        """Features of the images ``index`` (N,) long: one row per object."""
        return ImageFeatures(self.stride4[index], self.stride8[index], self.stride16[index])


@dataclass(frozen=True)
class MemoryRead:
    """What N objects read from their banks; every object reads the same number of memories and pointers.

    ``spatial`` (N, M, Cm, h, w), M >= 1; ``temporal_index`` (N, M) long: 6 for conditioning entries, 0 for the newest
    recent one and up to 5; ``pointers`` (N, K, C), K may be 0; ``pointer_position`` (N, K): distance in frames over
    the horizon (used by SAM 2.1 only).
    """

    spatial: Tensor
    temporal_index: Tensor
    pointers: Tensor
    pointer_position: Tensor


@dataclass(frozen=True)
class MaskDecoding:
    """Decoder result for N objects.

    ``mask_logits`` (N, S/4, S/4) float32, the chosen mask; ``predicted_iou`` (N,) 0..1; ``object_score_logit`` (N,),
    visible when > 0; ``object_pointer`` (N, C); ``candidate_logits`` (N, 3, S/4, S/4) and ``candidate_ious`` (N, 3)
    of the multimask tokens; ``chosen`` (N,) index of the chosen candidate, -1 for the single mask of token 0.
    """

    mask_logits: Tensor
    predicted_iou: Tensor
    object_score_logit: Tensor
    object_pointer: Tensor
    candidate_logits: Tensor
    candidate_ious: Tensor
    chosen: Tensor


class Network(Protocol):
    """A network without state; `Sam2Network` says what each verb computes, and what it refuses."""

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
        """Raw features (B, C, h, w) as they are decoded where nothing is remembered yet."""

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
    ) -> MaskDecoding:
        """Masks of N objects from conditioned features (N, C, h, w) and their prompts."""

    def use_mask_as_output(self, features: ImageFeatures, masks: Tensor) -> MaskDecoding:
        """Given masks (N, S, S), 0 or 1, as a decoding."""

    def encode_memory(
        self, stride16: Tensor, mask_logits: Tensor, object_score_logit: Tensor, binarize: Tensor
    ) -> Tensor:
        """Spatial memories (N, Cm, h, w) of masks (N, S, S)."""
