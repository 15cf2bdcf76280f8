"""Mask decoder with IoU and occlusion heads (SAM section 3, SAM 2 section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_ros.model.config import NUM_CANDIDATES
from sam2_ros.model.layers import MLP, LayerNorm2d
from sam2_ros.model.two_way_transformer import TwoWayTransformer

IOU_HEAD_DIM = 256
STABILITY_DELTA = 0.05  # logits
STABILITY_THRESHOLD = 0.98
SINGLE_MASK = -1  # value of `MaskChoice.chosen` for token 0


@dataclass(frozen=True)
class DecoderOutput:
    """Everything the decoder predicts for N objects: four masks (token 0, then the three multimask tokens).

    Attributes:
        masks: (N, 4, S/4, S/4) float32 logits.
        ious: (N, 4) predicted IoUs in 0..1.
        tokens: (N, 4, C).
        object_score_logit: (N,), > 0 if the object is visible.
    """

    masks: Tensor
    ious: Tensor
    tokens: Tensor
    object_score_logit: Tensor


@dataclass(frozen=True)
class MaskChoice:
    """One mask for each object.

    Attributes:
        mask: (N, S/4, S/4) logits.
        iou: (N,) predicted IoU.
        token: (N, C), from which the object pointer is made.
        chosen: (N,) index of the chosen one of the three multimask candidates; -1 is the single mask of token 0.
    """

    mask: Tensor
    iou: Tensor
    token: Tensor
    chosen: Tensor


def stability_score(mask_logits: Tensor) -> Tensor:
    """How little the area of a mask depends on its threshold: area above +0.05 over area above -0.05.

    Args:
        mask_logits: (..., H, W).

    Returns:
        (...); 1 where the second area is empty.
    """
    inner = (mask_logits > STABILITY_DELTA).flatten(-2).sum(-1, dtype=torch.float32)
    outer = (mask_logits > -STABILITY_DELTA).flatten(-2).sum(-1, dtype=torch.float32)
    return torch.where(outer > 0, inner / outer.clamp(min=1), 1.0)


def choose_mask(output: DecoderOutput, multimask: Tensor, *, stability_fallback: bool) -> MaskChoice:
    """Choose one mask for each object, as the official predictor does.

    Args:
        output: of the decoder.
        multimask: (N,) bool. True: the multimask candidate with the highest predicted IoU, and its token. False: token
            0.
        stability_fallback: replace an unstable single mask by the best candidate. Its token, and so the object pointer,
            is still token 0.
    """
    rows = torch.arange(len(multimask), device=multimask.device)
    best = output.ious[:, 1:].argmax(dim=1)
    use_best = multimask
    if stability_fallback:
        use_best = multimask | (stability_score(output.masks[:, 0]) < STABILITY_THRESHOLD)
    index = torch.where(use_best, best + 1, 0)
    token_index = torch.where(multimask, best + 1, 0)
    return MaskChoice(
        output.masks[rows, index],
        output.ious[rows, index],
        output.tokens[rows, token_index],
        index - 1,
    )


class MaskDecoder(nn.Module):
    """Prompted image features -> masks, IoUs, mask tokens and the object score.

    Args:
        channels: C of features and tokens.
        fine: features of strides 4 and 8 are added while masks are scaled up.
    """

    def __init__(self, channels: int, *, fine: bool) -> None:
        super().__init__()
        num_masks = NUM_CANDIDATES + 1
        self.transformer = TwoWayTransformer(channels)
        self.iou_token = nn.Embedding(1, channels)
        self.mask_tokens = nn.Embedding(num_masks, channels)
        self.obj_score_token = nn.Embedding(1, channels)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(channels, channels // 4, kernel_size=2, stride=2),
            LayerNorm2d(channels // 4),
            nn.GELU(),
            nn.ConvTranspose2d(channels // 4, channels // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.conv_s0 = nn.Conv2d(channels, channels // 8, kernel_size=1) if fine else None
        self.conv_s1 = nn.Conv2d(channels, channels // 4, kernel_size=1) if fine else None
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP(channels, channels, channels // 8, 3) for _ in range(num_masks)
        )
        self.iou_prediction_head = MLP(channels, IOU_HEAD_DIM, num_masks, 3)
        self.pred_obj_score_head = MLP(channels, channels, 1, 3)

    def forward(
        self, image: Tensor, image_pos: Tensor, sparse: Tensor, *, stride8: Tensor | None, stride4: Tensor | None
    ) -> DecoderOutput:
        """Decode N objects.

        Args:
            image: (N, C, h, w) features with the dense prompt added.
            image_pos: (1, C, h, w) position code of the image.
            sparse: (N, L, C) prompt tokens.
            stride8, stride4: projected features (1 or N, C/4, 2h, 2w) and (1 or N, C/8, 4h, 4w), if `fine`.
        """
        own = torch.cat((self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight))
        tokens = torch.cat((own.expand(len(sparse), -1, -1), sparse), dim=1)
        tokens, source = self.transformer(image, image_pos, tokens)
        mask_tokens = tokens[:, 2 : 2 + len(self.output_hypernetworks_mlps)]

        upscale1, norm, act1, upscale2, act2 = self.output_upscaling
        x = source.transpose(1, 2).unflatten(2, image.shape[-2:])
        x = upscale1(x)
        x = act1(norm(x if stride8 is None else x + stride8))
        x = upscale2(x)
        x = act2(x if stride4 is None else x + stride4)
        weights = torch.stack([mlp(mask_tokens[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        masks = (weights @ x.flatten(2)).unflatten(2, x.shape[-2:])
        return DecoderOutput(
            masks.float(),
            F.sigmoid(self.iou_prediction_head(tokens[:, 1]).float()),
            mask_tokens,
            self.pred_obj_score_head(tokens[:, 0]).squeeze(-1).float(),
        )
