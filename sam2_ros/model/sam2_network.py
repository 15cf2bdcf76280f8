"""The network of SAM 2 and its relatives: stateless verbs that the tracker calls, batched over objects.

Shapes: B images, N objects, S model size, h = w = S / 16, C hidden channels, Cm memory channels, P points.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_ros.model.config import (
    MASK_STRIDE,
    MEMORY_MASK_BIAS,
    MEMORY_MASK_SCALE,
    NO_OBJECT_LOGIT,
    NUM_SPATIAL_SLOTS,
    ModelConfig,
    PlainVitConfig,
)
from sam2_ros.model.image_encoder import ImageEncoder
from sam2_ros.model.layers import MLP
from sam2_ros.model.linear import Linear
from sam2_ros.model.mask_decoder import SINGLE_MASK, MaskDecoder, choose_mask
from sam2_ros.model.memory_attention import MemoryAttention, MemoryTokens
from sam2_ros.model.memory_encoder import MemoryEncoder
from sam2_ros.model.memory_forms import MemoryForm, WholeMaps
from sam2_ros.model.perceiver import PerceiverResampler
from sam2_ros.model.position_encoding import sine_position_1d
from sam2_ros.model.prompt_encoder import PromptEmbedding, PromptEncoder
from sam2_ros.model.verbs import ImageFeatures, MaskDecoding, MemoryRead

LEARNED_CODE_STD = 0.02  # spread of freshly initialised codes, as in the published training
MASK_PROMPT_LOGIT = 10.0  # a given mask becomes logits of +-10


class Sam2Network(nn.Module):
    """All learned parts under their published names. SAM 2.1, EdgeTAM and EfficientTAM differ in modules alone.

    Args:
        config: the variant.
        image_size: the model size S, a multiple of 32 (EdgeTAM: of 256); the variant's own when left out.
    """

    def __init__(self, config: ModelConfig, *, image_size: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.image_size = config.image_size if image_size is None else image_size
        channels, memory_dim = config.hidden_dim, config.memory_dim
        self.image_encoder = ImageEncoder(config)
        self.memory_attention = MemoryAttention(config)
        self.memory_encoder = MemoryEncoder(config)
        self.spatial_perceiver: MemoryForm = (
            PerceiverResampler(memory_dim, config.latent_side) if config.latent_side else WholeMaps(memory_dim)
        )
        self.sam_prompt_encoder = PromptEncoder(channels)
        self.sam_mask_decoder = MaskDecoder(channels, fine=not isinstance(config.trunk, PlainVitConfig))
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.obj_ptr_proj = MLP(channels, channels, channels, 3)
        self.maskmem_tpos_enc = nn.Parameter(torch.zeros(NUM_SPATIAL_SLOTS, 1, 1, memory_dim))
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, channels))
        # a published parameter that nothing reads; it is here so that checkpoints load strictly
        self.no_mem_pos_enc = nn.Parameter(torch.zeros(1, 1, channels))
        self.no_obj_ptr = nn.Parameter(torch.zeros(1, channels))
        if config.pointer_time:
            self.no_obj_embed_spatial = nn.Parameter(torch.zeros(1, memory_dim))
            self.obj_ptr_tpos_proj = Linear(channels, memory_dim)
        for parameter in self.parameters(recurse=False):
            nn.init.trunc_normal_(parameter, std=LEARNED_CODE_STD)

    @property
    def image_size(self) -> int:
        """Side of the square network input in pixels."""
        return self._image_size

    @image_size.setter
    def image_size(self, value: int) -> None:
        multiple = self.config.size_multiple
        if not isinstance(value, int) or value < multiple or value % multiple:
            raise ValueError(f'image_size must be a positive multiple of {multiple} pixels, got {value!r}')
        self._image_size = value

    @property
    def device(self) -> torch.device:
        return self.no_mem_embed.device

    @property
    def dtype(self) -> torch.dtype:
        return self.no_mem_embed.dtype

    def encode_image(self, images: Tensor) -> ImageFeatures:
        """Run the image encoder, once per frame.

        Args:
            images: normalised RGB images (B, 3, S, S), any float dtype.

        Raises:
            ValueError: for another shape.
            TypeError: for integers.
        """
        size = self.image_size
        if images.ndim != 4 or images.shape[1:] != (3, size, size):
            raise ValueError(f'images must be (B, 3, {size}, {size}), got {tuple(images.shape)}')
        if not images.is_floating_point():
            raise TypeError(f'images must be normalised floats, got {images.dtype}')
        decoder = self.sam_mask_decoder
        maps = self.image_encoder(images.to(self.dtype), project4=decoder.conv_s0, project8=decoder.conv_s1)
        return ImageFeatures(*maps)

    def embed_prompts(
        self, points: Tensor, labels: Tensor, mask_logits: Tensor | None = None, has_mask: Tensor | None = None
    ) -> PromptEmbedding:
        """Embed the prompts of N objects.

        Args:
            points: (N, P, 2), (x, y) in model pixels 0..S; P may be 0.
            labels: (N, P) integers: 1 positive, 0 negative, 2 and 3 the box corners (which come first), -1 padding.
            mask_logits: (N, 1, S/4, S/4), the dense prompt.
            has_mask: (N,) bool, the objects whose `mask_logits` are read; all of them when left out.

        Raises:
            ValueError: for other shapes.
            TypeError: for labels that are not integers.
        """
        low = self.image_size // MASK_STRIDE
        if points.ndim != 3 or points.shape[2] != 2 or points.shape[:2] != labels.shape:
            raise ValueError(
                f'points must be (N, P, 2) with labels (N, P), got {tuple(points.shape)} and {tuple(labels.shape)}'
            )
        if labels.is_floating_point():
            raise TypeError(f'labels must be integers, got {labels.dtype}')
        if mask_logits is not None and mask_logits.shape != (len(points), 1, low, low):
            raise ValueError(f'mask_logits must be ({len(points)}, 1, {low}, {low}), got {tuple(mask_logits.shape)}')
        return self.sam_prompt_encoder(points, labels, mask_logits, has_mask, self.image_size)

    def decode_masks(
        self,
        features: ImageFeatures,
        conditioned: Tensor,
        prompt: PromptEmbedding,
        multimask: Tensor,
        *,
        occlusion_gate: bool = True,
        presence_threshold: float = 0.0,
        stability_fallback: bool = True,
    ) -> MaskDecoding:
        """Decode the masks of N objects.

        Args:
            features: of the image, for all objects or one row for each.
            conditioned: features (N, C, h, w) from `without_memory` or `condition_on_memory`.
            prompt: of the objects, from `embed_prompts`.
            multimask: (N,) bool, take the best of three candidates (the official rule: for at most one point).
            occlusion_gate: set the masks of absent objects to -1024, as the video predictor does. The image predictor
                and training do not.
            presence_threshold: an object is absent where its score is not above this. The object pointer of absent
                objects is a learned one.
            stability_fallback: see `choose_mask`.

        Raises:
            ValueError: for other shapes.
            TypeError: for a `multimask` that is not bool.
        """
        if conditioned.shape[0] != prompt.sparse.shape[0] or multimask.shape != conditioned.shape[:1]:
            raise ValueError(
                f'conditioned, prompt and multimask must have one row per object, got {conditioned.shape[0]}, '
                f'{prompt.sparse.shape[0]} and {tuple(multimask.shape)}'
            )
        if multimask.dtype != torch.bool:
            raise TypeError(f'multimask must be bool, got {multimask.dtype}')
        grid_pos = self.sam_prompt_encoder.pe_layer.grid(conditioned.shape[-1]).to(conditioned.dtype)
        output = self.sam_mask_decoder(
            conditioned + prompt.dense, grid_pos, prompt.sparse, stride8=features.stride8, stride4=features.stride4
        )
        choice = choose_mask(output, multimask, stability_fallback=stability_fallback)
        visible = output.object_score_logit > presence_threshold
        pointer = torch.where(visible[:, None], self.obj_ptr_proj(choice.token), self.no_obj_ptr)
        masks, candidates = choice.mask, output.masks[:, 1:]
        if occlusion_gate:
            masks = torch.where(visible[:, None, None], masks, NO_OBJECT_LOGIT)
            candidates = torch.where(visible[:, None, None, None], candidates, NO_OBJECT_LOGIT)
        return MaskDecoding(
            masks, choice.iou, output.object_score_logit, pointer, candidates, output.ious[:, 1:], choice.chosen,
            output.tokens[:, 1:],
        )  # fmt: skip

    def choose_candidates(
        self, decoding: MaskDecoding, candidates: Tensor, *, presence_threshold: float = 0.0
    ) -> MaskDecoding:
        """Let other candidates of a decoding be its masks, with their predicted IoUs and object pointers.

        Args:
            decoding: of N objects, from `decode_masks`.
            candidates: (N,) long, the candidates; -1 keeps the mask of its object.
            presence_threshold: as in `decode_masks`, which the decoding is from.

        Raises:
            ValueError: for another shape.
            TypeError: for floats.
        """
        if candidates.shape != decoding.chosen.shape:
            raise ValueError(
                f'candidates must be ({len(decoding.chosen)},), one for each object, got {tuple(candidates.shape)}'
            )
        if candidates.is_floating_point():
            raise TypeError(f'candidates must be integers, got {candidates.dtype}')
        kept, index = candidates < 0, candidates.clamp(min=0)
        rows = torch.arange(len(index), device=index.device)
        visible = decoding.object_score_logit > presence_threshold
        pointer = torch.where(
            visible[:, None], self.obj_ptr_proj(decoding.candidate_tokens[rows, index]), self.no_obj_ptr
        )
        return replace(
            decoding,
            mask_logits=torch.where(kept[:, None, None], decoding.mask_logits, decoding.candidate_logits[rows, index]),
            predicted_iou=torch.where(kept, decoding.predicted_iou, decoding.candidate_ious[rows, index]),
            object_pointer=torch.where(kept[:, None], decoding.object_pointer, pointer),
            chosen=torch.where(kept, decoding.chosen, candidates),
        )

    def use_mask_as_output(
        self, features: ImageFeatures, masks: Tensor, *, presence_threshold: float = 0.0
    ) -> MaskDecoding:
        """Turn given masks into a decoding without predicting them (official mask prompts).

        The logits are +-10, averaged to stride 4. The predicted IoU is 1, the object score +-10. Only the object
        pointer comes from the decoder, which gets the raw features without memory, the masks through a learned 4x4
        convolution, and token 0.

        Args:
            features: of the image.
            masks: (N, S, S), 0 or 1.
            presence_threshold: as in `decode_masks`; it acts on the object pointer alone.

        Raises:
            ValueError: for another shape.
        """
        size = self.image_size
        if masks.ndim != 3 or masks.shape[1:] != (size, size):
            raise ValueError(f'masks must be (N, {size}, {size}), got {tuple(masks.shape)}')
        count = len(masks)
        masks = masks.float()[:, None]
        logits = F.interpolate(
            masks * 2 * MASK_PROMPT_LOGIT - MASK_PROMPT_LOGIT,
            size=(size // MASK_STRIDE, size // MASK_STRIDE), mode='bilinear', antialias=True,
        )[:, 0]  # fmt: skip
        no_points = masks.new_zeros(count, 0, 2)
        prompt = self.embed_prompts(no_points, no_points[..., 0].long(), self.mask_downsample(masks.to(self.dtype)))
        single = torch.zeros(count, dtype=torch.bool, device=masks.device)
        raw = features.stride16.expand(count, -1, -1, -1)
        decoding = self.decode_masks(
            features, raw, prompt, single, presence_threshold=presence_threshold, stability_fallback=False
        )
        visible = masks.flatten(1).any(dim=1)
        pointer = torch.where(visible[:, None], decoding.object_pointer, self.no_obj_ptr)
        score = torch.where(visible, MASK_PROMPT_LOGIT, -MASK_PROMPT_LOGIT)
        ious = torch.ones(count, device=masks.device)
        return MaskDecoding(
            logits, ious, score, pointer, logits[:, None].expand(-1, 3, -1, -1), ious[:, None].expand(-1, 3),
            torch.full((count,), SINGLE_MASK, device=masks.device), decoding.candidate_tokens,
        )  # fmt: skip

    def encode_memory(
        self, stride16: Tensor, mask_logits: Tensor, object_score_logit: Tensor, binarize: Tensor
    ) -> Tensor:
        """Spatial memories in bfloat16, the official storage type for every precision.

        Their shape is (N, Cm, h, w), for EdgeTAM (N, 512, Cm).

        Args:
            stride16: raw features (1 or N, C, h, w).
            mask_logits: (N, S, S).
            object_score_logit: (N,).
            binarize: (N,) bool, threshold the mask at 0 instead of taking its probability.

        Raises:
            ValueError: for other shapes.
        """
        size = self.image_size
        if mask_logits.ndim != 3 or mask_logits.shape[1:] != (size, size):
            raise ValueError(f'mask_logits must be (N, {size}, {size}), got {tuple(mask_logits.shape)}')
        if object_score_logit.shape != (len(mask_logits),) or binarize.shape != (len(mask_logits),):
            raise ValueError(
                f'object_score_logit and binarize must be ({len(mask_logits)},), got '
                f'{tuple(object_score_logit.shape)} and {tuple(binarize.shape)}'
            )
        probability = torch.where(binarize[:, None, None], (mask_logits > 0).float(), mask_logits.float().sigmoid())
        masks = (probability * MEMORY_MASK_SCALE + MEMORY_MASK_BIAS).to(self.dtype)[:, None]
        memory = self.memory_encoder(stride16, masks)
        if self.config.pointer_time:
            absent = (object_score_logit <= 0).to(memory.dtype)[:, None, None, None]
            memory = memory + absent * self.no_obj_embed_spatial[..., None, None]
        return self.spatial_perceiver(memory).to(torch.bfloat16)

    def condition_on_memory(self, stride16: Tensor, read: MemoryRead) -> Tensor:
        """Let the features of an image attend to the memories of N objects.

        Args:
            stride16: raw features (1 or N, C, h, w).
            read: the memories.

        Returns:
            Conditioned features (N, C, h, w).

        Raises:
            ValueError: for other shapes, or where there is no spatial memory.
        """
        grid = (stride16.shape[-2], stride16.shape[-1])
        expected, shape = self.spatial_perceiver.shape(*grid), tuple(read.spatial.shape)
        if shape[2:] != expected or shape[1] < 1:
            raise ValueError(
                f'spatial must be (N, M, {", ".join(map(str, expected))}) with M >= 1, for features '
                f'{tuple(stride16.shape)}, got {shape}'
            )
        if stride16.shape[0] not in (1, shape[0]):
            raise ValueError(f'stride16 must have 1 row or one for each of {shape[0]} objects, got {stride16.shape[0]}')
        return self.memory_attention(stride16, self._memory_tokens(read, grid))

    def _memory_tokens(self, read: MemoryRead, grid: tuple[int, int]) -> MemoryTokens:
        """Memories, then pointers, as (N, K, Cm) tokens with their position codes."""
        dim, form = self.config.memory_dim, self.spatial_perceiver
        values = form.tokens(read.spatial.to(self.dtype))  # (N, M, L, Cm)
        count, memories, tokens = values.shape[:3]
        time = self.maskmem_tpos_enc[read.temporal_index, 0]  # (N, M, 1, Cm)
        keys = values + (form.places(*grid, self.device) + time).to(self.dtype)
        turns = form.turns(*grid, self.config.hidden_dim, self.device).repeat(memories, 1)
        if read.key_weights is not None:
            keys = keys * read.key_weights[:, : keys.shape[1], None, None].to(keys.dtype)
        values, keys = values.flatten(1, 2), keys.flatten(1, 2)
        used = None
        if read.counts is not None:
            before, after = read.counts[:, 0] * tokens, read.counts[:, 1] * (self.config.hidden_dim // dim)
            used = values.shape[1] + torch.stack((-before, after), dim=1)
        if read.pointers.shape[1] == 0:
            return MemoryTokens(values, keys, turns, memories, 0, used)
        # one pointer becomes C / Cm consecutive tokens that share its temporal code
        pointers = read.pointers.to(self.dtype).reshape(count, -1, dim)
        pointer_keys = pointers
        if self.config.pointer_time:
            code = sine_position_1d(read.pointer_position, self.config.hidden_dim).to(self.dtype)
            code = self.obj_ptr_tpos_proj(code).repeat_interleave(self.config.hidden_dim // dim, dim=1)
            pointer_keys = pointers + code
        if read.key_weights is not None:
            weights = read.key_weights[:, -read.pointers.shape[1] :].to(pointer_keys.dtype)
            pointer_keys = pointer_keys * weights.repeat_interleave(self.config.hidden_dim // dim, dim=1)[..., None]
        return MemoryTokens(
            torch.cat((values, pointers), dim=1),
            torch.cat((keys, pointer_keys), dim=1),
            torch.cat((turns, turns.new_ones(pointers.shape[1], turns.shape[1]))),
            memories,
            pointers.shape[1],
            used,
        )

    def without_memory(self, stride16: Tensor) -> Tensor:
        """Features of a frame that has no memory yet: the raw ones plus the learned no-memory embedding."""
        return stride16 + self.no_mem_embed.view(1, -1, 1, 1)
