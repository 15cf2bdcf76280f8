"""The published variants of SAM 2, SAM 2.1, EdgeTAM and EfficientTAM and our small one, as plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

MASK_STRIDE = 4  # stride of the decoder's masks
FEATURE_STRIDE = 16  # stride of the features that memory and mask decoder work on
SIZE_MULTIPLE = 32  # the deepest stage of the trunks has stride 32
NUM_SPATIAL_SLOTS = 7  # rows of the temporal encoding: 0 = previous frame ... 5, and 6 = conditioning
CONDITIONING_INDEX = NUM_SPATIAL_SLOTS - 1
NUM_CANDIDATES = 3  # multimask tokens of the decoder
NO_OBJECT_LOGIT = -1024.0  # mask logit everywhere when the object is absent
MEMORY_MASK_SCALE, MEMORY_MASK_BIAS = 20.0, -10.0  # mask probability -> memory encoder input

PIXEL_MEAN = (0.485, 0.456, 0.406)  # RGB, on a 0..1 scale
PIXEL_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class HieraConfig:
    """Numbers of a Hiera trunk, as in Meta's configurations.

    Attributes:
        embed_dim: channels of the first stage of the trunk; each later stage has twice as many.
        num_heads: attention heads of the first stage; each later stage has twice as many.
        stages: number of blocks of each stage.
        global_attention_blocks: indices of the blocks that attend to the whole image.
        window_spec: attention window of each stage, in tokens.
        pos_embed_background: side of the learned background position grid, in cells.
    """

    embed_dim: int
    num_heads: int
    stages: tuple[int, int, int, int]
    global_attention_blocks: tuple[int, ...]
    window_spec: tuple[int, int, int, int]
    pos_embed_background: int

    @property
    def stage_dims(self) -> tuple[int, ...]:
        """Channels of the four stages, shallow to deep."""
        return tuple(self.embed_dim * 2**stage for stage in range(len(self.stages)))


@dataclass(frozen=True)
class RepVitConfig:
    """Numbers of a RepViT trunk.

    Attributes:
        stages: number of blocks of each stage.
        stage_dims: channels of the four stages, shallow to deep.
    """

    stages: tuple[int, int, int, int]
    stage_dims: tuple[int, int, int, int]


@dataclass(frozen=True)
class PlainVitConfig:
    """Numbers of a plain vision transformer.

    Attributes:
        embed_dim: channels.
        num_heads: attention heads.
        depth: number of blocks.
        global_attention_blocks: indices of the blocks that attend to the whole image.
        window: attention window of the other blocks, in tokens.
        pos_embed_side: side of the learned position grid, in cells.
    """

    embed_dim: int
    num_heads: int
    depth: int = 12
    global_attention_blocks: tuple[int, ...] = (2, 5, 8, 11)
    window: int = 14
    pos_embed_side: int = 14


@dataclass(frozen=True)
class ModelConfig:
    """Numbers that define one variant. Names follow the papers, values the published configurations.

    Attributes:
        trunk: of the image encoder. With a plain one the mask decoder gets features of stride 16 alone.
        pointer_time: as in SAM 2.1: object pointers carry a temporal code, absent objects a spatial embedding.
        hidden_dim: channels C of features, tokens and object pointers.
        memory_dim: channels Cm of a spatial memory.
        memory_layers: layers of the memory attention.
        memory_feedforward: hidden channels of the MLP in these layers.
        latent_side: a spatial memory is stored as 2 * latent_side^2 tokens (see `PerceiverResampler`); 0: as it is.
        landmarks: memory attention reads 2x2 averages of the memories, which count for more in the scores or in the
            keys (see `LandmarkAttention`); None: it reads all of them.
        image_size: side of the network input in pixels.
        bundled: weights come with this package.
    """

    trunk: HieraConfig | RepVitConfig | PlainVitConfig
    pointer_time: bool
    hidden_dim: int = 256
    memory_dim: int = 64
    memory_layers: int = 4
    memory_feedforward: int = 2048
    latent_side: int = 0
    landmarks: Literal['scores', 'keys'] | None = None
    image_size: int = 1024
    bundled: bool = False

    @property
    def size_multiple(self) -> int:
        """Sides of images are multiples of this, in pixels."""
        return math.lcm(SIZE_MULTIPLE, FEATURE_STRIDE * max(1, self.latent_side))


def _sam2(pointer_time: bool) -> dict[str, ModelConfig]:
    windows = (8, 4, 14, 7)
    prefix = 'sam2.1_hiera_' if pointer_time else 'sam2_hiera_'
    trunks = {
        'tiny': HieraConfig(96, 1, (1, 2, 7, 2), (5, 7, 9), windows, 7),
        'small': HieraConfig(96, 1, (1, 2, 11, 2), (7, 10, 13), windows, 7),
        'base_plus': HieraConfig(112, 2, (2, 3, 16, 3), (12, 16, 20), windows, 14),
        'large': HieraConfig(144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8), 7),
    }
    return {prefix + size: ModelConfig(trunk, pointer_time) for size, trunk in trunks.items()}


def _efficienttam(name: str, trunk: PlainVitConfig) -> dict[str, ModelConfig]:
    return {
        name: ModelConfig(trunk, pointer_time=False),
        f'{name}_512x512': ModelConfig(trunk, pointer_time=False, image_size=512),
        f'{name}_1': ModelConfig(trunk, pointer_time=False, landmarks='scores'),
        f'{name}_2': ModelConfig(trunk, pointer_time=False, landmarks='keys'),
    }


DEFAULT_MODEL = 'sam2.1_hiera_micro'  # its weights come with the package

VARIANTS: dict[str, ModelConfig] = {
    DEFAULT_MODEL: ModelConfig(
        HieraConfig(
            embed_dim=32, num_heads=1, stages=(1, 2, 5, 1), global_attention_blocks=(4, 5, 7), window_spec=(8, 4, 8, 4),
            pos_embed_background=7,
        ),
        pointer_time=True, hidden_dim=128, memory_dim=32, memory_layers=2, memory_feedforward=512, image_size=384,
        bundled=True,
    ),
    **_sam2(pointer_time=True),
    **_sam2(pointer_time=False),
    'edgetam': ModelConfig(
        RepVitConfig(stages=(2, 2, 14, 2), stage_dims=(48, 96, 192, 384)), pointer_time=False, memory_layers=2,
        latent_side=16,
    ),
    **_efficienttam('efficienttam_s', PlainVitConfig(embed_dim=384, num_heads=6)),
    **_efficienttam('efficienttam_ti', PlainVitConfig(embed_dim=192, num_heads=3)),
}  # fmt: skip
