"""The official code of a variant, built from our `ModelConfig`, for comparisons.

It is built in Python, not from its YAML files, so that any variant works, ours included. No module that tracks imports
this one. Three packages are official:

- SAM 2 and 2.1, and our micro network: `sam2` from PyPI.
- EdgeTAM: a package that is called `sam2`, too, and timm. Both are in the folder that the environment variable
  EDGETAM_CODE names: `pip install --no-deps --target FOLDER edgetam-dimos timm`.
- EfficientTAM: a checkout of github.com/yformer/EfficientTAM, which EFFICIENTTAM_CODE names.

A process can have one of the two packages `sam2`: that which is imported first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol
from unittest.mock import MagicMock, patch

import torch
from torch import Tensor, nn

from sam2_ros.model.config import HieraConfig, ModelConfig, PlainVitConfig, RepVitConfig

EDGETAM_CODE, EFFICIENTTAM_CODE = 'EDGETAM_CODE', 'EFFICIENTTAM_CODE'

# The arguments that all published configurations share; SAM 2.1 adds those of `_pointer_time`.
_SHARED = {
    'num_maskmem': 7,
    'sigmoid_scale_for_mem_enc': 20.0,
    'sigmoid_bias_for_mem_enc': -10.0,
    'use_mask_input_as_output_without_sam': True,
    'directly_add_no_mem_embed': True,
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
_TRAINING_COUNTER = 'num_batches_tracked'  # of batch norms; inference does not read it


class NetworkInputs(Protocol):
    """The frames of a video as the official predictor reads them, for instance a tensor (T, 3, S, S)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor:
        """Frame `index`: (3, S, S) float32, normalised."""
        ...


def official_base(config: ModelConfig, *, image_size: int | None = None, **switches: Any) -> Any:
    """The official network (image model) in evaluation mode.

    Args:
        config: the variant.
        image_size: side of the network input in pixels; the variant's own when left out.
        switches: further arguments of its constructor.

    Raises:
        ModuleNotFoundError: the official code of this variant is not at hand.
    """
    package = _package(config)
    name = 'EfficientTAMBase' if package == 'efficient_track_anything' else 'SAM2Base'
    base = getattr(import_module(f'{package}.modeling.{_prefix(package)}_base'), name)
    return base(**_arguments(config, image_size or config.image_size), **switches).eval()


def official_video_predictor(
    config: ModelConfig, *, image_size: int | None = None, optimized: bool = False, **switches: Any
) -> Any:
    """The official video predictor in evaluation mode.

    Args:
        config: the variant.
        image_size: side of the network input in pixels; the variant's own when left out.
        optimized: compiled, as its builder does for `vos_optimized`. The first frames then take minutes.
        switches: further arguments of its constructor, such as `add_all_frames_to_correct_as_cond` or
            `max_cond_frames_in_attn`. `binarize_mask_from_pts_for_mem_enc` and `fill_hole_area` are off here; the
            official builder sets them to True and 8.

    Raises:
        ModuleNotFoundError: as in `official_base`.
    """
    package = _package(config)
    name = 'EfficientTAMVideoPredictor' if package == 'efficient_track_anything' else 'SAM2VideoPredictor'
    if optimized:
        name += 'VOS'
        switches = {'compile_image_encoder': True, **switches}
    predictor = getattr(import_module(f'{package}.{_prefix(package)}_video_predictor'), name)
    return predictor(**_arguments(config, image_size or config.image_size), **switches).eval()


def official_video_state(predictor: Any, images: NetworkInputs, *, video_size: tuple[int, int]) -> Any:
    """The inference state of the official predictor for given network inputs, so that both sides see the same numbers.

    The predictor itself reads video files only. Its reader is replaced for the time of this call.

    Args:
        predictor: from `official_video_predictor`.
        images: the frames, (3, S, S) float32 each, normalised.
        video_size: (height, width) of the video in pixels. Masks are resized to it, and prompts are in these pixels.
    """
    with patch.object(sys.modules[type(predictor).__module__], 'load_video_frames', lambda **_: (images, *video_size)):
        return predictor.init_state('the frames given')


def load_official(network: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Load our weights into an official network, strictly."""
    counters = {key: tensor for key, tensor in network.state_dict().items() if key.endswith(_TRAINING_COUNTER)}
    network.load_state_dict(counters | {key: tensor.float() for key, tensor in state_dict.items()}, strict=True)


def missing_code(config: ModelConfig) -> str | None:
    """What to do to have the official code of a variant, as a sentence; None where it is at hand."""
    if isinstance(config.trunk, RepVitConfig) and EDGETAM_CODE not in os.environ:
        return (
            f'the official code of EdgeTAM must be in a folder of its own that {EDGETAM_CODE} names: '
            'pip install --no-deps --target FOLDER edgetam-dimos timm'
        )
    if (isinstance(config.trunk, PlainVitConfig) or config.landmarks) and EFFICIENTTAM_CODE not in os.environ:
        return f'{EFFICIENTTAM_CODE} must name a checkout of github.com/yformer/EfficientTAM'
    if isinstance(config.trunk, HieraConfig) and find_spec('sam2') is None:
        return 'the official code is needed: pip install sam2'
    return None


def _package(config: ModelConfig) -> str:
    """Name of the official package of a variant, which can be imported then."""
    missing = missing_code(config)
    if missing:
        raise ModuleNotFoundError(missing)
    if isinstance(config.trunk, PlainVitConfig):
        return _efficienttam()
    if isinstance(config.trunk, RepVitConfig):
        _make_importable(os.environ[EDGETAM_CODE])
        if find_spec('sam2.modeling.perceiver') is None:
            raise ModuleNotFoundError('this process has another package sam2 than that of EdgeTAM')
    return 'sam2'


def _efficienttam() -> str:
    _make_importable(os.environ[EFFICIENTTAM_CODE])
    return 'efficient_track_anything'


def _make_importable(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _prefix(package: str) -> str:
    return {'sam2': 'sam2', 'efficient_track_anything': 'efficienttam'}[package]


def _part(config: ModelConfig, module: str, name: str) -> Any:
    """A class of the official code."""
    return getattr(import_module(f'{_package(config)}.modeling.{module}'), name)


def _sine(config: ModelConfig, channels: int) -> Any:
    return _part(config, 'position_encoding', 'PositionEmbeddingSine')(num_pos_feats=channels)


def _arguments(config: ModelConfig, image_size: int) -> dict[str, Any]:
    return {
        'image_encoder': official_image_encoder(config),
        'memory_attention': _memory_attention(config, image_size),
        'memory_encoder': _memory_encoder(config),
        'image_size': image_size,
        'use_high_res_features_in_sam': not isinstance(config.trunk, PlainVitConfig),
        'sam_mask_decoder_extra_args': _STABILITY_FALLBACK,
        **_SHARED,
        **_pointer_time(config),
        **({'spatial_perceiver': _spatial_perceiver(config)} if config.latent_side else {}),
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


def official_image_encoder(config: ModelConfig) -> Any:
    """Trunk and neck alone, in evaluation mode."""
    encoder = _part(config, 'backbones.image_encoder', 'ImageEncoder')
    neck = {'position_encoding': _sine(config, config.hidden_dim), 'd_model': config.hidden_dim}
    if isinstance(config.trunk, PlainVitConfig):
        trunk = _plain_vit(config, config.trunk)
        plain = _part(config, 'backbones.image_encoder', 'ViTDetNeck')
        return encoder(trunk, plain(**neck, backbone_channel_list=trunk.channel_list, neck_norm='LN'), scalp=0).eval()
    trunk = _hiera(config, config.trunk) if isinstance(config.trunk, HieraConfig) else _repvit(config)
    pyramid = _part(config, 'backbones.image_encoder', 'FpnNeck')(
        **neck,
        backbone_channel_list=list(config.trunk.stage_dims[::-1]),
        fpn_top_down_levels=[2, 3],
        fpn_interp_model='nearest',
    )
    return encoder(trunk=trunk, neck=pyramid, scalp=1).eval()


def _hiera(config: ModelConfig, trunk: HieraConfig) -> Any:
    return _part(config, 'backbones.hieradet', 'Hiera')(
        embed_dim=trunk.embed_dim,
        num_heads=trunk.num_heads,
        stages=trunk.stages,
        global_att_blocks=trunk.global_attention_blocks,
        window_pos_embed_bkg_spatial_size=(trunk.pos_embed_background,) * 2,
        window_spec=trunk.window_spec,
    )


def _repvit(config: ModelConfig) -> Any:
    """timm's network, without its weights of ImageNet."""
    with _without_torchvision():
        module = import_module(f'{_package(config)}.modeling.backbones.timm')
    create = module.create_model
    with patch.object(module, 'create_model', lambda name, **how: create(name, **how | {'pretrained': False})):
        return module.TimmBackbone('repvit_m1.dist_in1k', tuple(f'layer{index}' for index in range(4)))


@contextmanager
def _without_torchvision() -> Iterator[None]:
    """Stand in for torchvision where it is not there: timm imports it, but only its reader of images uses it."""
    if find_spec('torchvision') is not None:
        yield
        return
    names = [
        f'torchvision{name}' for name in ('', '.transforms', '.transforms.functional', '.ops', '.ops.misc', '.datasets')
    ]
    sys.modules.update(dict.fromkeys(names, MagicMock(__path__=[], __spec__=None)))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def _plain_vit(config: ModelConfig, trunk: PlainVitConfig) -> Any:
    windowed = set(range(trunk.depth)) - set(trunk.global_attention_blocks)
    return _part(config, 'backbones.vitdet', 'ViT')(
        patch_size=16,
        embed_dim=trunk.embed_dim,
        depth=trunk.depth,
        num_heads=trunk.num_heads,
        window_size=trunk.window,
        window_block_indexes=sorted(windowed),
        pretrain_img_size=16 * trunk.pos_embed_side,
    )


def _memory_attention(config: ModelConfig, image_size: int) -> Any:
    # only one package has landmarks, for any trunk
    package = _efficienttam() if config.landmarks else _package(config)
    modules = {name: import_module(f'{package}.modeling.{name}') for name in ('sam.transformer', 'memory_attention')}
    rotary = modules['sam.transformer'].RoPEAttention
    side = image_size // 16
    attention = {'rope_theta': 10000.0, 'embedding_dim': config.hidden_dim, 'num_heads': 1, 'downsample_rate': 1}
    cross, grids = rotary, {'feat_sizes': (side, side), 'rope_k_repeat': True}
    if config.latent_side:
        cross = modules['sam.transformer'].RoPEAttentionv2
        grids = {'q_sizes': (side, side), 'k_sizes': (config.latent_side, config.latent_side)}
    elif config.landmarks:
        number = {'scores': 1, 'keys': 2}[config.landmarks]
        cross = getattr(modules['sam.transformer'], f'EfficientRoPEAttention{number}')
    layer = modules['memory_attention'].MemoryAttentionLayer(
        activation='relu',
        d_model=config.hidden_dim,
        dim_feedforward=config.memory_feedforward,
        dropout=0.1,  # acts in training mode only
        pos_enc_at_attn=False,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        self_attention=rotary(**attention, feat_sizes=(side, side)),
        cross_attention=cross(**attention, **grids, kv_in_dim=config.memory_dim),
    )
    return modules['memory_attention'].MemoryAttention(
        d_model=config.hidden_dim, pos_enc_at_input=True, layer=layer, num_layers=config.memory_layers
    )


def _memory_encoder(config: ModelConfig) -> Any:
    def part(name: str) -> Any:
        return _part(config, 'memory_encoder', name)

    return part('MemoryEncoder')(
        in_dim=config.hidden_dim,
        out_dim=config.memory_dim,
        position_encoding=_sine(config, config.memory_dim),
        mask_downsampler=part('MaskDownSampler')(embed_dim=config.hidden_dim, kernel_size=3, stride=2, padding=1),
        fuser=part('Fuser')(part('CXBlock')(dim=config.hidden_dim), num_layers=2),
    )


def _spatial_perceiver(config: ModelConfig) -> Any:
    perceiver = _part(config, 'perceiver', 'PerceiverResampler')(
        depth=2,
        dim=config.memory_dim,
        dim_head=config.memory_dim,
        heads=1,
        num_latents=config.latent_side**2,
        num_latents_2d=config.latent_side**2,
        hidden_dropout_p=0.0,
        attention_dropout_p=0.0,
        pos_enc_at_key_value=True,
        position_encoding=_sine(config, config.memory_dim),
        use_self_attn=True,
    )
    forward = perceiver.forward

    def one_by_one(memory: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """The published code fails for more than one object."""
        rows = [forward(*row) for row in zip(memory.split(1), position.split(1), strict=True)]
        memories, positions = zip(*rows, strict=True)
        return torch.cat(memories), torch.cat(positions)

    perceiver.forward = one_by_one
    return perceiver
