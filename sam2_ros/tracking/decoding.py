"""Decodes the masks of all objects in one image from their memories and prompts. Objects are rows of one batch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model import ImageFeatures, MaskDecoding, Network
from sam2_ros.model.config import MASK_STRIDE
from sam2_ros.tracking.arriving import ArrivingMasks
from sam2_ros.tracking.memory_bank import MemoryPolicy, MemorySelection
from sam2_ros.tracking.memory_reads import condition_on_reads, to_device
from sam2_ros.tracking.options import MaskOptions
from sam2_ros.tracking.postprocessing import clean_logits, masks_at
from sam2_ros.tracking.prompt import Prompt

# With at most this many points the decoder chooses among three masks. More points are not ambiguous (a box counts as
# two), so one mask is decoded. This is the configuration of SAM 2.1. DAM4SAM configures 3, but without effect: it takes
# no clicks, does not decode mask prompts, and asks for one mask for each box. So all memory policies use 1 here.
MAX_MULTIMASK_POINTS = 1
MAX_PREVIOUS_LOGIT = 32.0  # previous logits are clamped to +- this before they become a dense prompt
MASK_THRESHOLD = 0.5  # of the values of a mask prompt after resizing


@dataclass(frozen=True, eq=False)
class FrameDecoding:
    """Network outputs for N objects, before and after `clean_logits`.

    Attributes:
        network: as decoded. The memories of tracked frames are made from these logits.
        logits: (N, S/4, S/4), after small holes and specks were removed if the options ask for it. All results are made
            from these logits.
        arriving: the numbers and masks of the same objects on their way to the host, if they are.
    """

    network: MaskDecoding
    logits: Tensor
    arriving: ArrivingMasks | None = None

    def select(self, rows: Sequence[int]) -> FrameDecoding:
        """These rows; a row may come several times."""
        index = to_device(torch.tensor(rows), self.logits.device)
        arriving = self.arriving and self.arriving.select(rows)
        return FrameDecoding(self.network.select(index), self.logits[index], arriving)


class ObjectDecoder:
    """Decodes the objects of one image: tracked ones from memory, prompted ones from their prompts."""

    def __init__(self, model: Network, policy: MemoryPolicy, options: MaskOptions) -> None:
        self._model = model
        self._policy = policy
        self._options = options
        rule = policy.candidate_rule
        self._presence_threshold = 0.0 if rule is None else rule.presence_threshold

    @property
    def image_size(self) -> int:
        """Side of the network's square input in pixels."""
        return self._model.image_size

    def decode(
        self,
        features: ImageFeatures,
        size: tuple[int, int],
        *,
        reads: Sequence[MemorySelection | None],
        prompts: Sequence[Sequence[Prompt]],
    ) -> FrameDecoding:
        """Track all known objects from their memories, then apply the prompts of this image one after the other.

        Args:
            features: of the image.
            size: (height, width) of the image in pixels. Prompts are in these pixels.
            reads: what each of N >= 1 objects reads of its memory. None: it starts here, and needs a prompt.
            prompts: for each object, its prompts on this image; may be empty.
        """
        tracked = [row for row, read in enumerate(reads) if read is not None]
        conditioned: list[Tensor] = [self._model.without_memory(features.stride16)] * len(reads)
        rows: list[FrameDecoding | None] = [None] * len(reads)
        if tracked:
            batch = condition_on_reads(self._model, features.stride16, [read for read in reads if read is not None])
            decoding = self._clean(decode_unprompted(self._model, features, batch, self._presence_threshold))
            if len(tracked) == len(reads) and not any(prompts):
                return decoding
            for row, one, context in zip(tracked, _rows(decoding), batch.split(1), strict=True):
                rows[row], conditioned[row] = one, context
        for turn in range(max(map(len, prompts))):
            chosen = [row for row in range(len(reads)) if len(prompts[row]) > turn]
            previous = [None if row is None else row.logits for row in rows]
            requests = [_Request(prompts[row][turn], conditioned[row], previous[row]) for row in chosen]
            for row, one in zip(chosen, self._decode_prompts(features, size, requests), strict=True):
                rows[row] = one
        return _join([row for row in rows if row is not None])

    def refine(
        self,
        features: ImageFeatures,
        size: tuple[int, int],
        prompt: Prompt,
        *,
        read: MemorySelection | None,
        previous: Tensor | None,
    ) -> FrameDecoding:
        """Apply one prompt to one object on top of a mask that is known already, without tracking it again.

        Args:
            features: of the image.
            size: (height, width) of the image in pixels.
            prompt: in these pixels.
            read: what the object reads of its memory; None: nothing.
            previous: its logits in this image, (1, S/4, S/4); None: there are none.
        """
        if read is None or prompt.mask is not None:  # a given mask is taken as it is
            conditioned = self._model.without_memory(features.stride16)
        else:
            conditioned = condition_on_reads(self._model, features.stride16, [read])
        return self._decode_prompts(features, size, [_Request(prompt, conditioned, previous)])[0]

    def choose(self, decoding: FrameDecoding, *, rows: Sequence[int], candidates: Sequence[int]) -> FrameDecoding:
        """Let other candidates of a decoding be its masks.

        Args:
            decoding: of N objects.
            rows: M of its rows; one may come several times.
            candidates: for each of them the candidate, or `KEPT`.

        Returns:
            A decoding of M rows.
        """
        selected = decoding.select(rows)
        chosen = to_device(torch.tensor(candidates), decoding.logits.device)
        network = self._model.choose_candidates(selected.network, chosen, presence_threshold=self._presence_threshold)
        return replace(self._clean(network), arriving=selected.arriving and selected.arriving.choose(candidates))

    def _decode_prompts(
        self, features: ImageFeatures, size: tuple[int, int], requests: Sequence[_Request]
    ) -> list[FrameDecoding]:
        """Decode one prompt for each of several objects. Prompts of equal kind and point count form a batch.

        Points are not padded to a common count, because padding points change the result.
        """
        if self._policy.box_starts_as_mask:
            requests = [self._box_to_mask(features, size, request) for request in requests]

        def compute(group: Sequence[_Request]) -> list[FrameDecoding]:
            if group[0].prompt.mask is not None:
                decoding = self._use_masks(features, group)
            else:
                decoding = self._decode_points(features, size, group)
            return _rows(self._clean(decoding))

        groups: dict[Hashable, list[int]] = {}
        for position, request in enumerate(requests):
            groups.setdefault(_kind(request), []).append(position)
        rows: dict[int, FrameDecoding] = {}
        for positions in groups.values():
            rows.update(zip(positions, compute([requests[position] for position in positions]), strict=True))
        return [rows[position] for position in range(len(requests))]

    def _use_masks(self, features: ImageFeatures, requests: Sequence[_Request]) -> MaskDecoding:
        """Take given masks as results.

        The network gives each of them a predicted IoU of 1. Two cases differ: a mask made from a box keeps the IoU that
        the decoder predicted for it, and an empty mask gets 0, because it may come from a mask too small for the
        network.
        """
        masks = torch.stack([self._network_mask(request.prompt) for request in requests])
        decoding = self._model.use_mask_as_output(features, masks, presence_threshold=self._presence_threshold)
        given = torch.tensor([request.estimate for request in requests], device=masks.device)
        return replace(decoding, predicted_iou=given * (decoding.mask_logits > 0).flatten(1).any(dim=1))

    def _decode_points(
        self,
        features: ImageFeatures,
        size: tuple[int, int],
        requests: Sequence[_Request],
        *,
        occlusion_gate: bool = True,
    ) -> MaskDecoding:
        """Decode points and boxes. If the object has earlier logits in this image, they are part of the prompt."""
        model, height, width = self._model, *size
        pairs = [request.prompt.network_points() for request in requests]
        points = torch.from_numpy(np.stack([points for points, _ in pairs]))
        # in float32 and in this order, as published
        points = points / torch.tensor([width, height]) * model.image_size
        labels = torch.from_numpy(np.stack([labels for _, labels in pairs]))
        side = model.image_size // MASK_STRIDE
        blank = torch.zeros(1, side, side, device=model.device)
        previous = [blank if request.previous is None else request.previous for request in requests]
        prompt = model.embed_prompts(
            points.to(model.device),
            labels.to(model.device),
            torch.stack(previous).clamp(-MAX_PREVIOUS_LOGIT, MAX_PREVIOUS_LOGIT),
            torch.tensor([request.previous is not None for request in requests], device=model.device),
        )
        multimask = torch.full((len(requests),), is_ambiguous(requests[0].prompt), device=model.device)
        conditioned = torch.cat([request.conditioned for request in requests])
        return model.decode_masks(
            features,
            conditioned,
            prompt,
            multimask,
            occlusion_gate=occlusion_gate,
            presence_threshold=self._presence_threshold,
        )

    def _box_to_mask(self, features: ImageFeatures, size: tuple[int, int], request: _Request) -> _Request:
        """Turn a box that starts an object into a mask, whatever the object score says (DAM4SAM, box input)."""
        if request.previous is not None or not request.prompt.is_box_only:
            return request
        decoding = self._decode_points(features, size, [request], occlusion_gate=False)
        mask = masks_at(decoding.mask_logits, size)[0]
        estimate = float(decoding.predicted_iou)
        return _Request(Prompt(request.prompt.object_id, mask=mask), request.conditioned, None, estimate)

    def _network_mask(self, prompt: Prompt) -> Tensor:
        """A mask prompt (S, S), 0 or 1, on the network's device."""
        model = self._model
        mask = torch.from_numpy(prompt.mask.astype(np.float32)).to(model.device)
        if mask.shape == (model.image_size, model.image_size):
            return mask
        shape = (model.image_size, model.image_size)
        mask = F.interpolate(mask[None, None], shape, mode='bilinear', antialias=True, align_corners=False)[0, 0]
        return (mask >= MASK_THRESHOLD).float()

    def _clean(self, decoding: MaskDecoding) -> FrameDecoding:
        options = self._options
        logits = decoding.mask_logits.float()
        return FrameDecoding(
            decoding,
            clean_logits(logits, max_hole_area=options.max_hole_area, max_speck_area=options.max_speck_area),
        )


def decode_unprompted(
    model: Network, features: ImageFeatures, conditioned: Tensor, presence_threshold: float
) -> MaskDecoding:
    """Decode objects from their memories alone: conditioned features (N, C, h, w)."""
    count, device = len(conditioned), conditioned.device
    no_points = torch.zeros(count, 0, 2, device=device)
    no_labels = torch.zeros(count, 0, dtype=torch.long, device=device)
    prompt = model.embed_prompts(no_points, no_labels)
    multimask = torch.ones(count, dtype=torch.bool, device=device)
    return model.decode_masks(features, conditioned, prompt, multimask, presence_threshold=presence_threshold)


@dataclass(frozen=True, eq=False)
class _Request:
    """One prompt for one object.

    Attributes:
        conditioned: features (1, C, h, w) after attention to the object's memory.
        previous: the object's logits in this image before the prompt, (1, S/4, S/4); None if there are none.
        estimate: predicted IoU of a given mask.
    """

    prompt: Prompt
    conditioned: Tensor
    previous: Tensor | None
    estimate: float = 1.0


def is_ambiguous(prompt: Prompt) -> bool:
    """Whether the network chooses among candidate masks for a prompt."""
    return prompt.mask is None and len(prompt.network_points()[1]) <= MAX_MULTIMASK_POINTS


def _kind(request: _Request) -> Hashable:
    return 'mask' if request.prompt.mask is not None else len(request.prompt.network_points()[1])


def _rows(batch: FrameDecoding) -> list[FrameDecoding]:
    """Split a batch into its objects."""
    columns = [getattr(batch.network, field.name).split(1) for field in fields(MaskDecoding)]
    networks = [MaskDecoding(*values) for values in zip(*columns, strict=True)]
    return [FrameDecoding(one, logits) for one, logits in zip(networks, batch.logits.split(1), strict=True)]


def _join(rows: Sequence[FrameDecoding]) -> FrameDecoding:
    columns = [torch.cat([getattr(row.network, field.name) for row in rows]) for field in fields(MaskDecoding)]
    return FrameDecoding(MaskDecoding(*columns), torch.cat([row.logits for row in rows]))
