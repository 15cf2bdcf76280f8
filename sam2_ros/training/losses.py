"""SAM 2's training losses (Ravi et al. 2024, appendix D).

Focal and dice loss on masks, L1 on predicted IoUs, cross entropy on the object score.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
_LEAST_SHARE = 0.01  # of the picture; smaller objects count as this large in the weight of cross entropy


@dataclass(frozen=True)
class LossWeights:
    """Weights of the loss terms, 0 or more.

    `cross_entropy`, on masks, is not in the paper. With focal and dice loss alone, a fresh network predicts empty masks
    for long. It is divided by the object's area (at least a hundredth of the picture), so that small objects weigh as
    much as large ones.

    Raises:
        ValueError: for other weights.
    """

    focal: float = 20.0
    cross_entropy: float = 0.2
    dice: float = 1.0
    iou: float = 1.0
    object_score: float = 1.0

    def __post_init__(self) -> None:
        weights = asdict(self)
        if not all(0 <= weight < math.inf for weight in weights.values()):
            raise ValueError(f'weights of the loss are numbers of 0 or more, got {weights}')


def mask_iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU of thresholded masks with their target; 1 where both are empty. Has no gradient.

    Args:
        logits: (..., H, W).
        target: (..., H, W), 0 and 1 or bool.

    Returns:
        (...).
    """
    predicted, true = logits.detach() > 0, target > 0.5
    overlap = (predicted & true).sum((-2, -1)).float()
    union = (predicted | true).sum((-2, -1)).float()
    return torch.where(union > 0, overlap / union.clamp(min=1), 1.0)


def mask_losses(logits: Tensor, target: Tensor, weights: LossWeights) -> Tensor:
    """Weighted sum of focal, cross-entropy and dice loss.

    The three terms share their exponentials: with many objects and small maps, these take much of the time of a step.

    Args:
        logits: (..., H, W).
        target: (..., H, W) in [0, 1].
        weights: of the terms.

    Returns:
        (...).
    """
    probability = logits.sigmoid()
    cross_entropy = F.softplus(logits) - logits * target
    wrong = probability + target - 2 * probability * target
    alpha = FOCAL_ALPHA * target + (1 - FOCAL_ALPHA) * (1 - target)
    share = target.mean((-2, -1), keepdim=True).clamp(min=_LEAST_SHARE)
    pixel = (weights.focal * alpha * wrong**FOCAL_GAMMA + weights.cross_entropy / share) * cross_entropy
    overlap = (probability * target).sum((-2, -1))
    dice = 1 - (2 * overlap + 1) / (probability.sum((-2, -1)) + target.sum((-2, -1)) + 1)
    return pixel.mean((-2, -1)) + weights.dice * dice


@dataclass(frozen=True)
class FrameLoss:
    """Loss of one decoding, and what is reported of it.

    Attributes:
        total: what is minimised.
        mask, iou_head, object_score: its terms, without gradients.
        iou: (N,) true IoU of the chosen masks.
        visible: (N,) bool, whether the object is visible.
        tracked: whether the objects were decoded without a prompt.
    """

    total: Tensor
    mask: Tensor
    iou_head: Tensor
    object_score: Tensor
    iou: Tensor
    visible: Tensor
    tracked: bool = False


def frame_loss(
    candidates: Tensor,
    predicted_ious: Tensor,
    score: Tensor,
    *,
    target: Tensor,
    visible: Tensor,
    weight: Tensor,
    chosen: Tensor,
    loss_weights: LossWeights,
) -> FrameLoss:
    """Losses of N objects on one frame.

    Only the candidate with the least loss learns the mask; each candidate learns its IoU. Both terms are means over the
    visible objects. (In the paper they are sums over the visible objects divided by the number of all objects, so
    hidden objects reduce them.)

    Args:
        candidates: (N, K, h, w) mask logits; K = 3 multimask candidates or 1.
        predicted_ious: (N, K).
        score: (N,) object score logits.
        target: (N, h, w) in [0, 1].
        visible: (N,) bool. Hidden objects have no mask loss.
        weight: (N,) of each object; 0 for objects too small to judge.
        chosen: (N,) index of the candidate that the decoder would return.
        loss_weights: of the terms.
    """
    goal = target[:, None].expand_as(candidates)
    mask = mask_losses(candidates, goal, loss_weights).min(dim=1).values
    vanished = visible & ~(target > 0.5).flatten(1).any(1)  # too thin for this grid, so no mask on it is right
    true_iou = torch.where(vanished[:, None], 0.0, mask_iou(candidates, goal))
    head = (predicted_ious - true_iou).abs().mean(1)
    present = visible.float()
    judged = present * weight
    count = judged.sum().clamp(min=1)
    object_score = F.binary_cross_entropy_with_logits(score, present, weight=weight)
    mask, head = (mask * judged).sum() / count, (head * judged).sum() / count
    total = mask + loss_weights.iou * head + loss_weights.object_score * object_score
    iou = true_iou.gather(1, chosen[:, None])[:, 0]
    return FrameLoss(total, mask.detach(), head.detach(), object_score.detach(), iou, visible)
