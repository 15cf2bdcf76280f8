"""Prompt encoder: points, box corners and masks -> sparse and dense embeddings (SAM, SAM 2 section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sam2_ros.model.layers import LayerNorm2d
from sam2_ros.model.position_encoding import RandomPositionEncoding

NEGATIVE, POSITIVE, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT, PADDING = 0, 1, 2, 3, -1
_MASK_CHANNELS = 16


@dataclass(frozen=True)
class PromptEmbedding:
    """Embedded prompts of N objects.

    Attributes:
        sparse: (N, L, C), one token for each point and one for padding.
        dense: (N, C, S/16, S/16).
    """

    sparse: Tensor
    dense: Tensor


class PromptEncoder(nn.Module):
    """Points: a learned vector per label plus a random Fourier position code. Masks: a small convolution stack."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pe_layer = RandomPositionEncoding(channels)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, channels) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, channels)
        self.no_mask_embed = nn.Embedding(1, channels)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, _MASK_CHANNELS // 4, kernel_size=2, stride=2),
            LayerNorm2d(_MASK_CHANNELS // 4),
            nn.GELU(),
            nn.Conv2d(_MASK_CHANNELS // 4, _MASK_CHANNELS, kernel_size=2, stride=2),
            LayerNorm2d(_MASK_CHANNELS),
            nn.GELU(),
            nn.Conv2d(_MASK_CHANNELS, channels, kernel_size=1),
        )

    def embed_points(self, points: Tensor, labels: Tensor, image_size: int) -> Tensor:
        """points (N, P, 2) in model pixels and labels (N, P) -> (N, P + 1, C); the last token is padding.

        As in the official predictor, that padding point is always added, and points are shifted by half a pixel after
        scaling.
        """
        points = torch.cat((points + 0.5, points.new_zeros(points.shape[0], 1, 2)), dim=1)
        labels = torch.cat((labels, labels.new_full((labels.shape[0], 1), PADDING)), dim=1)
        vectors = torch.cat([self.not_a_point_embed.weight, *self.point_embeddings.parameters()])
        position = self.pe_layer(points / image_size) * (labels != PADDING)[..., None]
        return position.to(vectors.dtype) + vectors[labels + 1]

    def forward(
        self, points: Tensor, labels: Tensor, mask_logits: Tensor | None, has_mask: Tensor | None, image_size: int
    ) -> PromptEmbedding:
        """See `Sam2Network.embed_prompts`."""
        grid = image_size // 16
        if points.shape[1] == 0:  # without clicks the official code adds a second padding point
            points = points.new_zeros(points.shape[0], 1, 2)
            labels = labels.new_full((points.shape[0], 1), PADDING)
        sparse = self.embed_points(points, labels, image_size)
        no_mask = self.no_mask_embed.weight[..., None, None].expand(points.shape[0], -1, grid, grid)
        if mask_logits is None:
            return PromptEmbedding(sparse, no_mask)
        dense = self.mask_downscaling(mask_logits.to(no_mask.dtype))
        if has_mask is not None:
            dense = torch.where(has_mask[:, None, None, None], dense, no_mask)
        return PromptEmbedding(sparse, dense)
