"""Held-out figures and pictures while training."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model import Sam2Network
from sam2_ros.synthetic.cutouts import Material
from sam2_ros.training.batches import MASK_PROMPT, BatchSettings, ClipBatch, ClipBatches
from sam2_ros.training.losses import mask_iou
from sam2_ros.training.rollout import track_batch

_SEED = 7_000_001  # no seed of training
_COLOURS = ((230, 60, 60), (60, 200, 60), (70, 110, 255), (240, 200, 40))


@dataclass(frozen=True)
class Validation:
    """Figures of held-out clips.

    Attributes:
        j_prompted: mean J on the prompted frame, from boxes and points; NaN without any.
        j_tracked: mean J on the later frames; NaN without any.
        visibility: share of objects and frames whose visibility is right.
        picture: (H, W, 3) uint8 RGB.
    """

    j_prompted: float
    j_tracked: float
    visibility: float
    picture: np.ndarray


def heldout_batch(settings: BatchSettings, *, index: int = 0, material: Material | None = None) -> ClipBatch:
    """A batch of clips of the held-out split, see `ClipBatches`."""
    return ClipBatches(settings, seed=_SEED, split='heldout', material=material)[index]


def validate(
    model: Sam2Network,
    settings: BatchSettings,
    *,
    device: torch.device,
    batches: int,
    material: Material | None = None,
) -> Validation:
    """Track held-out batches. J is 1 where the object is hidden and the mask is empty.

    Args:
        model: is set to evaluation mode and to the size of `settings`.
        settings: how batches are drawn.
        device: of the model.
        batches: number of batches.
        material: of clips of cut-outs.
    """
    model.eval()
    model.image_size = settings.size
    overlaps, prompted, agreements, picture = [], [], [], None
    for index in range(batches):
        batch = heldout_batch(settings, index=index, material=material).to(device)
        result = track_batch(model, batch)
        logits = F.interpolate(result.mask_logits, size=(settings.size, settings.size), mode='bilinear')
        overlaps.append(mask_iou(logits, batch.masks).cpu())
        prompted.append(overlaps[-1][(batch.kind != MASK_PROMPT).cpu(), 0])
        agreements.append(((result.object_score_logit > 0) == batch.masks.flatten(2).any(-1)).float().cpu())
        picture = draw(batch, logits > 0) if picture is None else picture
    j = torch.cat(overlaps)
    tracked = j[:, 1:].mean() if j.shape[1] > 1 else torch.tensor(float('nan'))
    assert picture is not None
    return Validation(float(torch.cat(prompted).mean()), float(tracked), float(torch.cat(agreements).mean()), picture)


def draw(batch: ClipBatch, masks: Tensor, *, columns: int = 8) -> np.ndarray:
    """One row per clip, some frames over time: true outlines thin and dark, predicted masks tinted.

    Args:
        batch: the clips.
        masks: (N, T, S, S) bool, the predicted masks.
        columns: most frames in a row.
    """
    frames = np.linspace(0, batch.images.shape[1] - 1, min(columns, batch.images.shape[1])).astype(int)
    rows = []
    for clip in range(len(batch.images)):
        objects = torch.nonzero(batch.clip == clip)[:, 0].tolist()
        row = []
        for frame in frames:
            image = batch.images[clip, frame].cpu().numpy().copy()
            for place, index in enumerate(objects):
                colour = np.array(_COLOURS[place % len(_COLOURS)])
                predicted = masks[index, frame].cpu().numpy()
                image[predicted] = (0.5 * image[predicted] + 0.5 * colour).astype(np.uint8)
                true = batch.masks[index, frame].cpu().numpy().astype(np.uint8)
                outlines, _ = cv2.findContours(true, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
                cv2.drawContours(image, outlines, -1, (colour * 0.6).tolist(), 1)
            row.append(image)
        rows.append(np.hstack(row))
    return np.vstack(rows)
