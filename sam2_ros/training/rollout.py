"""Runs the network over training clips as the tracker would, and collects the losses of all frames."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model import ImageFeatures, MaskDecoding, Sam2Network
from sam2_ros.model.config import NO_OBJECT_LOGIT
from sam2_ros.model.normalization import normalize
from sam2_ros.model.prompt_encoder import PADDING, PromptEmbedding
from sam2_ros.tracking.decoding import MAX_MULTIMASK_POINTS, MAX_PREVIOUS_LOGIT
from sam2_ros.tracking.memory_bank import EntryKind
from sam2_ros.tracking.memory_reads import condition_on_reads
from sam2_ros.tracking.policies import make_policy
from sam2_ros.training.batches import BOX_PROMPT, MASK_PROMPT, ClipBatch
from sam2_ros.training.losses import FrameLoss, LossWeights, frame_loss
from sam2_ros.training.memory import ClipMemory
from sam2_ros.training.prompts import random_error_click

MASK_LOGIT = 10.0  # a given mask becomes logits of +-10
_TINY_AREA = 6  # pixels at 128 x 128; mask and visibility of smaller objects are not judged
_BOX_CANDIDATES = 0.3  # share of the boxes whose candidates learn instead of their single mask


@dataclass(frozen=True)
class RolloutSettings:
    """How clips are run in training.

    Attributes:
        true_visibility: probability that memory is told the true visibility in a frame instead of the predicted one:
            the spatial memory is that of a hidden object where it is hidden, and the distractor-aware policy does not
            write it. The object pointer always has the predicted one.
        correction: probability that a batch has a corrected frame. With the same probability, its first frame is
            corrected.
        clicks: number of correction clicks on a corrected frame, one after the other.
        gradient_frames: number of consecutive frames that learn, besides the first frame. They start anywhere after it.
            Frames before them only fill the memory; frames after them are not run.
        dam_memory: probability that a batch has the distractor-aware memory (`dam`) instead of that of SAM 2 (`sam2`).
        anchors: with the distractor-aware memory, probability that a frame that may be an anchor becomes one; see
            `ClipMemory`.
        no_pointers: probability that a batch reads no object pointers. Otherwise the network may soon read nothing
            else.
        loss_stride: stride, in pixels of the input, of the grid on which losses are computed.

    Raises:
        ValueError: for other values.
    """

    true_visibility: float = 0.3
    correction: float = 0.15
    clicks: int = 1
    gradient_frames: int = 16
    dam_memory: float = 0.5
    anchors: float = 0.2
    no_pointers: float = 0.0
    loss_stride: int = 2

    def __post_init__(self) -> None:
        names = ('true_visibility', 'correction', 'dam_memory', 'anchors', 'no_pointers')
        chances = tuple(getattr(self, name) for name in names)
        if not all(0 <= chance <= 1 for chance in chances):
            raise ValueError(f'{", ".join(names[:-1])} and {names[-1]} are probabilities in 0..1, got {chances}')
        if min(self.clicks, self.gradient_frames, self.loss_stride) < 1:
            raise ValueError(
                'clicks, gradient_frames and loss_stride must be 1 or more, got '
                f'{self.clicks}, {self.gradient_frames}, {self.loss_stride}'
            )


def network_input(images: Tensor) -> Tensor:
    """uint8 RGB images (..., S, S, 3) -> network input (..., 3, S, S) float32."""
    return normalize(images.movedim(-1, -3).float() / 255)


class Rollout:
    """One pass over a batch.

    Args:
        model: the network.
        batch: the clips.
        settings: how they are run.
        weights: of the loss terms.
        seed: of everything that is drawn.

    Attributes:
        losses: of all decodings that learn.
        logits, scores: mask logits (N, S/4, S/4), empty where hidden, and object scores (N,) of every frame.
    """

    def __init__(
        self, model: Sam2Network, batch: ClipBatch, settings: RolloutSettings, weights: LossWeights, seed: int
    ) -> None:
        self.model, self.batch, self.settings = model, batch, settings
        # prompted objects are always visible; from single images the score would only learn that
        self.weights = replace(weights, object_score=0.0) if batch.images.shape[1] == 1 else weights
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.size = batch.images.shape[2]
        self.losses: list[FrameLoss] = []
        self.logits: list[Tensor] = []
        self.scores: list[Tensor] = []
        self.area = batch.masks.flatten(2).sum(-1)  # (N, T)
        policy = make_policy('dam' if self.rng.random() < settings.dam_memory else 'sam2')
        self.memory = ClipMemory(policy, len(batch.clip), anchors=settings.anchors, rng=self.rng)
        self.reads_pointers = bool(self.rng.random() >= settings.no_pointers)
        length = batch.images.shape[1]
        self.window = int(self.rng.integers(1, max(2, length - settings.gradient_frames + 1)))
        self.frames = min(length, self.window + settings.gradient_frames)
        corrects = self.frames > 1 and self.rng.random() < settings.correction
        self.corrected = int(self.rng.integers(self.window, self.frames)) if corrects else None  # a frame that learns
        self.features: list[ImageFeatures] = []

    def learns(self, frame: int) -> bool:
        """Whether a frame gets gradients."""
        return frame == 0 or frame >= self.window

    def run(self) -> Tensor:
        """Mean loss over the frames that learn."""
        self._encode()
        for frame in range(self.frames):
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.learns(frame)):
                self._prompted() if frame == 0 else self._tracked(frame)
        return torch.stack([loss.total for loss in self.losses]).mean()

    def _encode(self) -> None:
        """Encode all frames: one encoder call for frames that learn, and one for the others."""
        rows: dict[int, ImageFeatures] = {}
        for learning in (True, False):
            frames = [frame for frame in range(self.frames) if self.learns(frame) is learning]
            if not frames:
                continue
            with torch.set_grad_enabled(torch.is_grad_enabled() and learning):
                images = network_input(self.batch.images[:, frames].transpose(0, 1).flatten(0, 1))
                features = self.model.encode_image(images)
            for place, frame in enumerate(frames):
                rows[frame] = features.select(place * len(self.batch.images) + self.batch.clip)
        self.features = [rows[frame] for frame in range(self.frames)]

    def _prompted(self) -> None:
        """Frame 0: given masks become memories and pointers as they are; boxes and points are decoded.

        Given masks are also decoded (from the raw features, as in the published network). This teaches the decoder what
        the pointer of a mask prompt must tell.
        """
        model, batch, features = self.model, self.batch, self.features[0]
        given = batch.kind == MASK_PROMPT
        masks = batch.masks[:, 0, None].float()
        labels = torch.where(given[:, None], PADDING, batch.labels)
        fresh = model.without_memory(features.stride16)
        conditioned = torch.where(given[:, None, None, None], features.stride16, fresh)
        single = given | ((batch.kind == BOX_PROMPT) & ~self._box_candidates())
        decoding = self._decode_prompts(
            features,
            conditioned,
            batch.points,
            labels,
            ~single,
            mask_logits=model.mask_downsample(masks),
            has_mask=given,
        )
        self._judge(decoding, 0, ~single)
        exact = F.interpolate(
            masks * 2 * MASK_LOGIT - MASK_LOGIT, size=decoding.mask_logits.shape[-2:], mode='bilinear', antialias=True
        )[:, 0]
        answer = self._answer(self._boxes_as_masks(features, decoding), exact, pointer=decoding.object_pointer)
        if self.settings.correction > self.rng.random():
            corrected = self._correct(features, fresh, answer, 0, batch.points, labels)
            # the correction of a given mask is not kept
            answer = self._answer(corrected, exact, pointer=decoding.object_pointer)
        self._remember(0, answer, conditioning=True)

    def _box_candidates(self) -> Tensor:
        """The boxes whose three candidates learn instead of their single mask, (N,) bool.

        A box asks for one mask, but if that is unstable the decoder returns a candidate. So candidates must learn
        boxes, too.
        """
        drawn = torch.rand(len(self.batch.kind), generator=self.generator).to(self.batch.kind.device)
        return (drawn < _BOX_CANDIDATES) & torch.is_grad_enabled()

    def _answer(self, decoding: MaskDecoding, exact: Tensor, *, pointer: Tensor) -> MaskDecoding:
        """A decoding of frame 0 in which objects with a mask prompt have exactly that mask, and the given pointer."""
        given = self.batch.kind == MASK_PROMPT
        return replace(
            decoding,
            mask_logits=torch.where(given[:, None, None], exact, decoding.mask_logits),
            object_score_logit=torch.where(given, MASK_LOGIT, decoding.object_score_logit),
            object_pointer=torch.where(given[:, None], pointer, decoding.object_pointer),
        )

    def _boxes_as_masks(self, features: ImageFeatures, decoding: MaskDecoding) -> MaskDecoding:
        """A decoding of frame 0 in which boxes are what the memory policy makes of them.

        With the distractor-aware memory, the tracker gives the mask of a box to the network again, as a mask prompt.
        """
        boxes = torch.nonzero(self.batch.kind == BOX_PROMPT)[:, 0]
        if not self.memory.policy.box_starts_as_mask or not len(boxes):
            return decoding
        size = (self.size, self.size)
        masks = F.interpolate(decoding.mask_logits[boxes, None], size=size, mode='bilinear')[:, 0] > 0
        given = self.model.use_mask_as_output(features.select(boxes), masks)

        def put(name: str) -> Tensor:
            before = getattr(decoding, name)
            return before.index_copy(0, boxes, getattr(given, name).to(before.dtype))

        return replace(
            decoding,
            mask_logits=put('mask_logits'),
            object_score_logit=put('object_score_logit'),
            object_pointer=put('object_pointer'),
        )

    def _tracked(self, frame: int) -> None:
        model, features = self.model, self.features[frame]
        nothing = torch.zeros(len(self.batch.clip), 0, 2, device=features.stride16.device)
        prompt = model.embed_prompts(nothing, nothing[..., 0].long())
        reads = self.memory.read(frame, with_pointers=self.reads_pointers)
        conditioned = condition_on_reads(model, features.stride16, reads)
        multimask = torch.ones(len(nothing), dtype=torch.bool, device=nothing.device)
        decoding = self._decode(features, conditioned, prompt, multimask)
        if self.learns(frame):
            self._judge(decoding, frame, multimask)
            self.losses[-1] = replace(self.losses[-1], tracked=True)
        corrected = frame == self.corrected
        if corrected:
            decoding = self._correct(features, conditioned, decoding, frame, nothing, nothing[..., 0].long())
        self._remember(frame, decoding, conditioning=corrected)

    def _decode(
        self, features: ImageFeatures, conditioned: Tensor, prompt: PromptEmbedding, multimask: Tensor
    ) -> MaskDecoding:
        """Decode without what would cut gradients.

        That is the gate that empties the masks of hidden objects and, for frames that learn, the stability fallback.
        """
        return self.model.decode_masks(
            features,
            conditioned,
            prompt,
            multimask,
            occlusion_gate=False,
            stability_fallback=not torch.is_grad_enabled(),
        )

    def _decode_prompts(
        self,
        features: ImageFeatures,
        conditioned: Tensor,
        points: Tensor,
        labels: Tensor,
        multimask: Tensor,
        *,
        mask_logits: Tensor,
        has_mask: Tensor,
    ) -> MaskDecoding:
        """Decode points (N, P, 2) with labels (N, P), some of them padding, and the mask logits of the objects in
        `has_mask`.

        As in the tracker, objects with equally many points are one batch, because padding points would change the
        result.
        """
        count = (labels >= 0).sum(1)
        groups = [torch.nonzero(count == number)[:, 0] for number in count.unique().tolist()]
        parts = []
        for rows in groups:
            real = labels[rows] >= 0
            shape = len(rows), int(count[rows[0]])
            prompt = self.model.embed_prompts(
                points[rows][real].view(*shape, 2), labels[rows][real].view(shape), mask_logits[rows], has_mask[rows]
            )
            parts.append(self._decode(features.select(rows), conditioned[rows], prompt, multimask[rows]))
        order = torch.cat(groups).argsort()
        return MaskDecoding(
            *(torch.cat([getattr(part, each.name) for part in parts])[order] for each in fields(MaskDecoding))
        )

    def _correct(
        self,
        features: ImageFeatures,
        conditioned: Tensor,
        decoding: MaskDecoding,
        frame: int,
        points: Tensor,
        labels: Tensor,
    ) -> MaskDecoding:
        """Decode again with a click where the mask is wrong and with the previous logits, click by click.

        Three things are as in the tracker: clicks come after the earlier points (N, P, 2) with labels (N, P), a single
        point asks for several candidates, and the previous mask of a hidden object is empty.
        """
        everyone = torch.ones(len(labels), dtype=torch.bool, device=labels.device)
        for _ in range(self.settings.clicks):
            shown = _gated(decoding).detach()[:, None]
            predicted = F.interpolate(shown, size=(self.size, self.size), mode='bilinear')[:, 0] > 0
            point, label = random_error_click(self.batch.masks[:, frame], predicted, self.generator)
            points, labels = torch.cat([points, point], dim=1), torch.cat([labels, label], dim=1)
            multimask = (labels >= 0).sum(1) <= MAX_MULTIMASK_POINTS
            decoding = self._decode_prompts(
                features,
                conditioned,
                points,
                labels,
                multimask,
                has_mask=everyone,
                mask_logits=shown.clamp(-MAX_PREVIOUS_LOGIT, MAX_PREVIOUS_LOGIT),
            )
            if self.learns(frame):
                self._judge(decoding, frame, multimask)
        return decoding

    def _judge(self, decoding: MaskDecoding, frame: int, multimask: Tensor) -> None:
        """Add the loss of a decoding. Where one mask was asked for, it takes the place of all candidates."""
        stride = self.settings.loss_stride
        true = F.avg_pool2d(self.batch.masks[:, frame].float(), stride)
        candidates, ious = decoding.candidate_logits, decoding.candidate_ious
        single = ~multimask
        candidates = torch.where(single[:, None, None, None], decoding.mask_logits[:, None], candidates)
        ious = torch.where(single[:, None], decoding.predicted_iou[:, None], ious)
        candidates = F.interpolate(candidates, size=true.shape[-2:], mode='bilinear')
        area = self.area[:, frame]
        tiny = _TINY_AREA * (self.size / 128) ** 2
        self.losses.append(
            frame_loss(
                candidates,
                ious,
                decoding.object_score_logit,
                target=true,
                visible=area > 0,
                weight=((area == 0) | (area >= tiny)).float(),
                chosen=decoding.chosen.clamp(min=0),
                loss_weights=self.weights,
            )
        )

    def _remember(self, frame: int, decoding: MaskDecoding, *, conditioning: bool) -> None:
        if self.rng.random() < self.settings.true_visibility:
            told = torch.where(self.area[:, frame] > 0, MASK_LOGIT, -MASK_LOGIT)
            decoding = replace(decoding, object_score_logit=told)
        score, gated = decoding.object_score_logit, _gated(decoding)
        self.logits.append(gated.detach())
        self.scores.append(score.detach())
        if frame + 1 == self.frames:
            return
        high = F.interpolate(gated[:, None], size=(self.size, self.size), mode='bilinear')[:, 0]
        kinds = self.memory.plan(frame, gated.flatten(1).amax(1) > 0, conditioning=conditioning)
        binarize = torch.tensor([kind is not EntryKind.RECENT for kind in kinds], device=high.device)
        spatial = self.model.encode_memory(self.features[frame].stride16, high, score, binarize)
        self.memory.write(frame, kinds, spatial, decoding.object_pointer)


def _gated(decoding: MaskDecoding) -> Tensor:
    """Mask logits as in inference: the mask of a hidden object is empty."""
    seen = (decoding.object_score_logit > 0)[:, None, None]
    return torch.where(seen, decoding.mask_logits, NO_OBJECT_LOGIT)


@dataclass(frozen=True)
class TrackedClips:
    """Tracks of N objects in T frames.

    Attributes:
        mask_logits: (N, T, S/4, S/4), -1024 where hidden.
        object_score_logit: (N, T).
    """

    mask_logits: Tensor
    object_score_logit: Tensor


def track_batch(model: Sam2Network, batch: ClipBatch) -> TrackedClips:
    """Track a batch with SAM 2's memory, for figures and pictures during training (users run the tracker)."""
    settings = RolloutSettings(
        true_visibility=0.0, correction=0.0, dam_memory=0.0, gradient_frames=batch.images.shape[1]
    )
    rollout = Rollout(model, batch, settings, LossWeights(), seed=0)  # the seed has no effect here
    with torch.no_grad():
        rollout.run()
    return TrackedClips(torch.stack(rollout.logits, dim=1), torch.stack(rollout.scores, dim=1))
