"""The official SAM 2 code (package `sam2` from PyPI) built from our `ModelConfig`, for comparisons.

It is built in Python, not from its YAML files, so that any variant works, ours included. Importing this module needs
`sam2`. No module that tracks imports it.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from sam2 import sam2_video_predictor
from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base
from sam2.sam2_video_predictor import SAM2VideoPredictor
from torch import Tensor, nn

from sam2_ros.model.config import ModelConfig

# The arguments that all published configurations share; SAM 2.1 adds those of `_pointer_time`.
_SHARED = {
    'num_maskmem': 7,
    'sigmoid_scale_for_mem_enc': 20.0,
    'sigmoid_bias_for_mem_enc': -10.0,
    'use_mask_input_as_output_without_sam': True,
    'directly_add_no_mem_embed': True,
    'use_high_res_features_in_sam': True,
    'multimask_output_in_sam': True,
    'multimask_output_for_tracking': True,
    'multimask_min_pt_num': 0,
    'multimask_max_pt_num': 1,
    'use_multimask_token_for_obj_ptr': True,
    'iou_prediction_use_sigmoid': True,
    'use_obj_ptrs_in_encoder': True,
    'only_obj_ptrs_in_the_past_for_eval': True,
    'pred_obj_scores': True,
    'pred_obj_scores_mlp': True,
    'fixed_no_obj_ptr': True,
    'use_mlp_for_obj_ptr_proj': True,
}
_STABILITY_FALLBACK = {
    'dynamic_multimask_via_stability': True,
    'dynamic_multimask_stability_delta': 0.05,
    'dynamic_multimask_stability_thresh': 0.98,
}


class NetworkInputs(Protocol):
    """The frames of a video as the official predictor reads them, for instance a tensor (T, 3, S, S)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor:
        """Frame `index`: (3, S, S) float32, normalised."""
        ...


def official_base(config: ModelConfig, *, image_size: int | None = None, **switches: Any) -> SAM2Base:
    """The official network (image model) in evaluation mode.

    Args:
        config: the variant.
        image_size: side of the network input in pixels; the variant's own when left out.
        switches: further arguments of its constructor.
    """
    return SAM2Base(**_arguments(config, image_size or config.image_size), **switches).eval()


def official_video_predictor(
    config: ModelConfig, *, image_size: int | None = None, optimized: bool = False, **switches: Any
) -> SAM2VideoPredictor:
    """The official video predictor in evaluation mode.

    Args:
        config: the variant.
        image_size: side of the network input in pixels; the variant's own when left out.
        optimized: compiled, as its builder does for `vos_optimized`. The first frames then take minutes.
        switches: further arguments of its constructor, such as `add_all_frames_to_correct_as_cond` or
            `max_cond_frames_in_attn`. `binarize_mask_from_pts_for_mem_enc` and `fill_hole_area` are off here; the
            official builder sets them to True and 8.
    """
    kind = sam2_video_predictor.SAM2VideoPredictorVOS if optimized else SAM2VideoPredictor
    return kind(**_arguments(config, image_size or config.image_size), **switches).eval()


def official_video_state(predictor: SAM2VideoPredictor, images: NetworkInputs, *, video_size: tuple[int, int]) -> Any:
    """The inference state of the official predictor for given network inputs, so that both sides see the same numbers.

    The predictor itself reads video files only. Its reader is replaced for the time of this call.

    Args:
        predictor: from `official_video_predictor`.
        images: the frames, (3, S, S) float32 each, normalised.
        video_size: (height, width) of the video in pixels. Masks are resized to it, and prompts are in these pixels.
    """
    reader = sam2_video_predictor.load_video_frames
    sam2_video_predictor.load_video_frames = lambda **_: (images, *video_size)
    try:
        return predictor.init_state('the frames given')
    finally:
        sam2_video_predictor.load_video_frames = reader


def load_official(network: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Load our weights into an official network, strictly."""
    network.load_state_dict({key: tensor.float() for key, tensor in state_dict.items()}, strict=True)


def _arguments(config: ModelConfig, image_size: int) -> dict[str, Any]:
    return {
        'image_encoder': official_image_encoder(config),
        'memory_attention': _memory_attention(config, image_size),
        'memory_encoder': _memory_encoder(config),
        'image_size': image_size,
        'sam_mask_decoder_extra_args': _STABILITY_FALLBACK,
        **_SHARED,
        **_pointer_time(config),
    }


def _pointer_time(config: ModelConfig) -> dict[str, bool]:
    if not config.pointer_time:
        return {'add_tpos_enc_to_obj_ptrs': False}
    return {
        'add_tpos_enc_to_obj_ptrs': True,
        'proj_tpos_enc_in_obj_ptrs': True,
        'use_signed_tpos_enc_to_obj_ptrs': True,
        'no_obj_embed_spatial': True,
    }


def official_image_encoder(config: ModelConfig) -> ImageEncoder:
    """Trunk and neck alone, in evaluation mode."""
    trunk = Hiera(
        embed_dim=config.embed_dim,
        num_heads=config.num_heads,
        stages=config.stages,
        global_att_blocks=config.global_attention_blocks,
        window_pos_embed_bkg_spatial_size=(config.pos_embed_background,) * 2,
        window_spec=config.window_spec,
    )
    neck = FpnNeck(
        position_encoding=PositionEmbeddingSine(num_pos_feats=config.hidden_dim),
        d_model=config.hidden_dim,
        backbone_channel_list=list(config.stage_dims[::-1]),
        fpn_top_down_levels=[2, 3],
        fpn_interp_model='nearest',
    )
    return ImageEncoder(trunk=trunk, neck=neck, scalp=1).eval()


def _memory_attention(config: ModelConfig, image_size: int) -> MemoryAttention:
    attention = {
        'rope_theta': 10000.0,
        'feat_sizes': (image_size // 16, image_size // 16),
        'embedding_dim': config.hidden_dim,
        'num_heads': 1,
        'downsample_rate': 1,
    }
    layer = MemoryAttentionLayer(
        activation='relu',
        d_model=config.hidden_dim,
        dim_feedforward=config.memory_feedforward,
        dropout=0.1,  # acts in training mode only
        pos_enc_at_attn=False,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        self_attention=RoPEAttention(**attention),
        cross_attention=RoPEAttention(**attention, rope_k_repeat=True, kv_in_dim=config.memory_dim),
    )
    return MemoryAttention(
        d_model=config.hidden_dim, pos_enc_at_input=True, layer=layer, num_layers=config.memory_layers
    )


def _memory_encoder(config: ModelConfig) -> MemoryEncoder:
    return MemoryEncoder(
        in_dim=config.hidden_dim,
        out_dim=config.memory_dim,
        position_encoding=PositionEmbeddingSine(num_pos_feats=config.memory_dim),
        mask_downsampler=MaskDownSampler(embed_dim=config.hidden_dim, kernel_size=3, stride=2, padding=1),
        fuser=Fuser(CXBlock(dim=config.hidden_dim), num_layers=2),
    )
