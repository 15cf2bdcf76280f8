"""The published SAM 2 / SAM 2.1 variants and our small one, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

MASK_STRIDE = 4  # stride of the decoder's masks
SIZE_MULTIPLE = 32  # the deepest stage of the trunk has stride 32
NUM_SPATIAL_SLOTS = 7  # rows of the temporal encoding: 0 = previous frame ... 5, and 6 = conditioning
CONDITIONING_INDEX = NUM_SPATIAL_SLOTS - 1
NUM_CANDIDATES = 3  # multimask tokens of the decoder
NO_OBJECT_LOGIT = -1024.0  # mask logit everywhere when the object is absent
MEMORY_MASK_SCALE, MEMORY_MASK_BIAS = 20.0, -10.0  # mask probability -> memory encoder input

PIXEL_MEAN = (0.485, 0.456, 0.406)  # RGB, on a 0..1 scale
PIXEL_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ModelConfig:
    """Numbers that define one variant. Names follow the paper, values Meta's published configurations.

    Attributes:
        embed_dim: channels of the first stage of the trunk; each later stage has twice as many.
        num_heads: attention heads of the first stage; each later stage has twice as many.
        stages: number of blocks of each stage.
        global_attention_blocks: indices of the blocks that attend to the whole image.
        window_spec: attention window of each stage, in tokens.
        pos_embed_background: side of the learned background position grid, in cells.
        pointer_time: the variant is SAM 2.1: object pointers carry a temporal code, absent objects a spatial embedding.
        hidden_dim: channels C of features, tokens and object pointers.
        memory_dim: channels Cm of a spatial memory.
        memory_layers: layers of the memory attention.
        memory_feedforward: hidden channels of the MLP in these layers.
        image_size: side of the network input in pixels.
        bundled: weights come with this package.
    """

    embed_dim: int
    num_heads: int
    stages: tuple[int, int, int, int]
    global_attention_blocks: tuple[int, ...]
    window_spec: tuple[int, int, int, int]
    pos_embed_background: int
    pointer_time: bool
    hidden_dim: int = 256
    memory_dim: int = 64
    memory_layers: int = 4
    memory_feedforward: int = 2048
    image_size: int = 1024
    bundled: bool = False

    @property
    def stage_dims(self) -> tuple[int, ...]:
        """Channels of the four trunk stages, shallow to deep."""
        return tuple(self.embed_dim * 2**stage for stage in range(len(self.stages)))


def _published(pointer_time: bool) -> dict[str, ModelConfig]:
    windows = (8, 4, 14, 7)
    prefix = 'sam2.1_hiera_' if pointer_time else 'sam2_hiera_'
    numbers = {
        'tiny': (96, 1, (1, 2, 7, 2), (5, 7, 9), windows, 7),
        'small': (96, 1, (1, 2, 11, 2), (7, 10, 13), windows, 7),
        'base_plus': (112, 2, (2, 3, 16, 3), (12, 16, 20), windows, 14),
        'large': (144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8), 7),
    }
    return {prefix + size: ModelConfig(*values, pointer_time=pointer_time) for size, values in numbers.items()}


DEFAULT_MODEL = 'sam2.1_hiera_micro'  # its weights come with the package

VARIANTS: dict[str, ModelConfig] = {
    DEFAULT_MODEL: ModelConfig(
        embed_dim=32, num_heads=1, stages=(1, 2, 5, 1), global_attention_blocks=(4, 5, 7), window_spec=(8, 4, 8, 4),
        pos_embed_background=7, pointer_time=True, hidden_dim=128, memory_dim=32, memory_layers=2,
        memory_feedforward=512, image_size=384, bundled=True,
    ),
    **_published(pointer_time=True),
    **_published(pointer_time=False),
}  # fmt: skip
