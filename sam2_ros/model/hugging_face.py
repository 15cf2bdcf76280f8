"""Translates tensor names between Hugging Face's files and the published ones of Meta.

The files are those of transformers' `Sam2VideoModel`, `Sam2Model` and `EdgeTamVideoModel`. One table holds every
difference, a second one those of EdgeTAM. A row pairs two module paths. In a path, `*` is a component that both sides
share, `**` are several, and `{a,b}` lists alternatives that pair up from left to right. `weight`, `bias` or nothing
follows a path. Three differences are more than names: Hugging Face stacks the four point embeddings into one tensor, it
stores the Gaussian matrix of the positional encoding twice, and it has keys and values of EdgeTAM's latents apart.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_TABLE = (  # Meta, Hugging Face
    ('maskmem_tpos_enc', 'memory_temporal_positional_encoding'),
    ('no_mem_{embed,pos_enc}', 'no_memory_{embedding,positional_encoding}'),
    ('no_obj_ptr', 'no_object_pointer'),
    ('no_obj_embed_spatial', 'occlusion_spatial_embedding_parameter'),
    ('mask_downsample', 'mask_downsample'),
    ('obj_ptr_proj.layers.{0,1,2}', 'object_pointer_proj.{proj_in,layers.0,proj_out}'),
    ('obj_ptr_tpos_proj', 'temporal_positional_encoding_projection_layer'),
    ('image_encoder.trunk.pos_embed{,_window}', 'vision_encoder.backbone.pos_embed{,_window}'),
    ('image_encoder.trunk.patch_embed.proj', 'vision_encoder.backbone.patch_embed.projection'),
    ('image_encoder.trunk.blocks.*.norm{1,2}', 'vision_encoder.backbone.blocks.*.layer_norm{1,2}'),
    ('image_encoder.trunk.blocks.*.attn.{qkv,proj}', 'vision_encoder.backbone.blocks.*.attn.{qkv,proj}'),
    ('image_encoder.trunk.blocks.*.mlp.layers.{0,1}', 'vision_encoder.backbone.blocks.*.mlp.proj_{in,out}'),
    ('image_encoder.trunk.blocks.*.proj', 'vision_encoder.backbone.blocks.*.proj'),
    ('image_encoder.neck.convs.*.conv', 'vision_encoder.neck.convs.*'),
    ('memory_attention.norm', 'memory_attention.layer_norm'),
    ('memory_attention.layers.*.norm{1,2,3}', 'memory_attention.layers.*.layer_norm{1,2,3}'),
    ('memory_attention.layers.*.linear{1,2}', 'memory_attention.layers.*.linear{1,2}'),
    ('memory_attention.layers.*.*.{q,k,v,out}_proj', 'memory_attention.layers.*.*.{q,k,v,o}_proj'),
    ('memory_encoder.mask_downsampler.encoder.{0,3,6,9}', 'memory_encoder.mask_downsampler.layers.{0,1,2,3}.conv'),
    (
        'memory_encoder.mask_downsampler.encoder.{1,4,7,10}',
        'memory_encoder.mask_downsampler.layers.{0,1,2,3}.layer_norm',
    ),
    ('memory_encoder.mask_downsampler.encoder.12', 'memory_encoder.mask_downsampler.final_conv'),
    ('memory_encoder.{pix_feat_proj,out_proj}', 'memory_encoder.{feature_projection,projection}'),
    (
        'memory_encoder.fuser.layers.*.{gamma,dwconv,norm,pwconv1,pwconv2}',
        'memory_encoder.memory_fuser.layers.*.{scale,depthwise_conv,layer_norm,pointwise_conv1,pointwise_conv2}',
    ),
    (
        'sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix',
        'prompt_encoder.shared_embedding.positional_embedding',
    ),
    ('sam_prompt_encoder.{not_a_point,no_mask}_embed', 'prompt_encoder.{not_a_point,no_mask}_embed'),
    (
        'sam_prompt_encoder.mask_downscaling.{0,1,3,4,6}',
        'prompt_encoder.mask_embed.{conv1,layer_norm1,conv2,layer_norm2,conv3}',
    ),
    (
        'sam_mask_decoder.{iou_token,mask_tokens,obj_score_token}',
        'mask_decoder.{iou_token,mask_tokens,obj_score_token}',
    ),
    ('sam_mask_decoder.conv_s{0,1}', 'mask_decoder.conv_s{0,1}'),
    ('sam_mask_decoder.output_upscaling.{0,1,3}', 'mask_decoder.upscale_{conv1,layer_norm,conv2}'),
    (
        'sam_mask_decoder.output_hypernetworks_mlps.*.layers.{0,1,2}',
        'mask_decoder.output_hypernetworks_mlps.*.{proj_in,layers.0,proj_out}',
    ),
    (
        'sam_mask_decoder.iou_prediction_head.layers.{0,1,2}',
        'mask_decoder.iou_prediction_head.{proj_in,layers.0,proj_out}',
    ),
    (
        'sam_mask_decoder.pred_obj_score_head.layers.{0,1,2}',
        'mask_decoder.pred_obj_score_head.{proj_in,layers.0,proj_out}',
    ),
    ('sam_mask_decoder.transformer.norm_final_attn', 'mask_decoder.transformer.layer_norm_final_attn'),
    ('sam_mask_decoder.transformer.layers.*.norm{1,2,3,4}', 'mask_decoder.transformer.layers.*.layer_norm{1,2,3,4}'),
    ('sam_mask_decoder.transformer.layers.*.mlp.layers.{0,1}', 'mask_decoder.transformer.layers.*.mlp.proj_{in,out}'),
    ('sam_mask_decoder.transformer.layers.*.*.{q,k,v,out}_proj', 'mask_decoder.transformer.layers.*.*.{q,k,v,o}_proj'),
    (
        'sam_mask_decoder.transformer.final_attn_token_to_image.{q,k,v,out}_proj',
        'mask_decoder.transformer.final_attn_token_to_image.{q,k,v,o}_proj',
    ),
)
_PERCEIVER = 'spatial_perceiver.layers.*'
_EDGETAM_TABLE = (
    ('image_encoder.trunk.body.**', 'vision_encoder.backbone.timm_model.**'),
    ('memory_attention.layers.*.linear{1,2}', 'memory_attention.layers.*.mlp.{up,down}_proj'),
    ('spatial_perceiver.{latents,latents_2d,norm}', 'spatial_perceiver.{latents_1d,latents_2d,layer_norm}'),
    (f'{_PERCEIVER}.attn.norm_{{x,latents}}', f'{_PERCEIVER}.layer_norm_{{input,latents}}'),
    (f'{_PERCEIVER}.self_attn.norm', f'{_PERCEIVER}.layer_norm_self'),
    (f'{_PERCEIVER}.attn.to_{{q,k,v,out}}', f'{_PERCEIVER}.cross_attention.{{q,k,v,o}}_proj'),
    (f'{_PERCEIVER}.self_attn.to_{{q,k,v,out}}', f'{_PERCEIVER}.self_attention.{{q,k,v,o}}_proj'),
    (f'{_PERCEIVER}.ff.{{0,1,3}}', f'{_PERCEIVER}.mlp.{{layer_norm,up_proj,down_proj}}'),
    (f'{_PERCEIVER}.self_ff.{{0,1,3}}', f'{_PERCEIVER}.self_mlp.{{layer_norm,up_proj,down_proj}}'),
)
_KEYS_AND_VALUES, _KEYS, _VALUES = '.to_kv.weight', '.to_k.weight', '.to_v.weight'  # the last two with our names only
_POINT_EMBEDDINGS = tuple(f'sam_prompt_encoder.point_embeddings.{label}.weight' for label in range(4))
_STACKED_POINT_EMBEDDINGS = 'prompt_encoder.point_embed.weight'  # row = label: negative, positive, box corners
_GAUSSIAN = 'prompt_encoder.shared_embedding.positional_embedding'
_GAUSSIAN_COPY = 'shared_image_embedding.positional_embedding'


def _alternatives(template: str) -> list[str]:
    """Spell out the `{a,b}` of a template: 'conv_s{0,1}' -> ['conv_s0', 'conv_s1']."""
    if '{' not in template:
        return [template]
    head, rest = template.split('{')
    body, tail = rest.split('}')
    return [head + alternative + tail for alternative in body.split(',')]


def _rules(rows: tuple[tuple[str, str], ...]) -> list[tuple[re.Pattern[str], str]]:
    """Turn (from, to) rows into regular expressions and their replacements."""
    rules = []
    for source_row, target_row in rows:
        for source, target in zip(_alternatives(source_row), _alternatives(target_row), strict=True):
            pattern = re.escape(source).replace(r'\*\*', '(.+)').replace(r'\*', r'([^.]+)') + r'(|\.weight|\.bias)'
            source, target = (path.replace('**', '*') for path in (source, target))
            for group in range(1, target.count('*') + 1):
                target = target.replace('*', rf'\g<{group}>', 1)
            rules.append((re.compile(pattern), target + rf'\g<{source.count("*") + 1}>'))
    return rules


_META_TO_HUGGING_FACE = _rules(_TABLE)
_EDGETAM_TO_HUGGING_FACE = _rules(_EDGETAM_TABLE + _TABLE)
_HUGGING_FACE_TO_META = _rules(tuple((hugging_face, meta) for meta, hugging_face in _EDGETAM_TABLE + _TABLE))


def _rename(key: str, rules: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, target in rules:
        match = pattern.fullmatch(key)
        if match:
            return match.expand(target)
    return key


def is_hugging_face(keys: Mapping[str, object]) -> bool:
    """Whether tensor names are Hugging Face's: whether there is any tensor of their image encoder."""
    return any(key.startswith('vision_encoder.') for key in keys)


def to_meta(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a Hugging Face state dict to Meta's names. The tensors are views of the given ones, but for joined ones.

    Names that the table does not know stay as they are, so that a strict loader reports them.
    """
    renamed: dict[str, Tensor] = {}
    for key, tensor in state_dict.items():
        if key == _STACKED_POINT_EMBEDDINGS and tensor.ndim == 2 and len(tensor) == len(_POINT_EMBEDDINGS):
            renamed.update(zip(_POINT_EMBEDDINGS, tensor.split(1), strict=True))
        elif key == _GAUSSIAN_COPY and _GAUSSIAN in state_dict and torch.equal(tensor, state_dict[_GAUSSIAN]):
            continue
        else:
            renamed[_rename(key, _HUGGING_FACE_TO_META)] = tensor
    for key in [key for key in renamed if key.endswith(_KEYS)]:
        prefix = key.removesuffix(_KEYS)
        if prefix + _VALUES in renamed:
            both = renamed.pop(key), renamed.pop(prefix + _VALUES)
            renamed[prefix + _KEYS_AND_VALUES] = torch.cat(both)
    return renamed


def to_hugging_face(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a complete state dict in Meta's names to those of transformers' `Sam2VideoModel` or `EdgeTamVideoModel`.

    Raises:
        KeyError: point embeddings or the positional matrix are missing.
    """
    edgetam = any(key.startswith('spatial_perceiver.') for key in state_dict)
    rules = _EDGETAM_TO_HUGGING_FACE if edgetam else _META_TO_HUGGING_FACE
    split: dict[str, Tensor] = {}
    for key, tensor in state_dict.items():
        if key.endswith(_KEYS_AND_VALUES):
            prefix = key.removesuffix(_KEYS_AND_VALUES)
            split[prefix + _KEYS], split[prefix + _VALUES] = tensor.chunk(2)
        elif key not in _POINT_EMBEDDINGS:
            split[key] = tensor
    renamed = {_rename(key, rules): tensor for key, tensor in split.items()}
    renamed[_STACKED_POINT_EMBEDDINGS] = torch.cat([state_dict[key] for key in _POINT_EMBEDDINGS])
    renamed[_GAUSSIAN_COPY] = renamed[_GAUSSIAN].clone()
    return renamed
