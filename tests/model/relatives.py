"""EdgeTAM and EfficientTAM: what their networks compute from given numbers, by our code and by the official one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model import VARIANTS, MemoryRead, Sam2Network
from sam2_ros.tracking import Prompt
from tests.random_weights import portable_weights
from tests.tracking.clips import moving_clip

RELATIVES = [name for name in VARIANTS if name.startswith(('edgetam', 'efficienttam'))]
# one of each trunk and of each memory attention; the others differ from these in size alone
DIFFERENT = ['edgetam', 'efficienttam_s', 'efficienttam_ti', 'efficienttam_ti_1', 'efficienttam_ti_2']
GOLDEN = Path(__file__).parent / 'data/relatives.json'
SAMPLES = 24  # numbers of each tensor that are committed
COUNT = 2  # objects
READS = ((1, 0), (1, 3), (3, 0), (7, 16))  # memories and pointers
FRAMES = 16  # of a clip; the official predictor takes shorter ones differently
ALWAYS_VISIBLE = 10.0  # object score logit
Figures = dict[str, Tensor]


def size_of(name: str) -> int:
    """Side of the images in these tests, in pixels: small, and with more than one window of every trunk."""
    return 256 if name == 'edgetam' else 320


def random_network(name: str, *, image_size: int | None = None) -> Sam2Network:
    """Ours with random weights, which are the same everywhere."""
    network = Sam2Network(VARIANTS[name], image_size=image_size or size_of(name)).eval().requires_grad_(False)
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    network.load_state_dict(portable_weights(shapes, seed=1))
    # Otherwise the prompt would soon be forgotten, because attention would average over all places. With more of it,
    # the rounding of memories would grow from frame to frame.
    emphasis = 8 if network.config.latent_side else 2
    network.memory_encoder.mask_downsampler.encoder[-1].weight.mul_(emphasis)
    for layer in network.memory_attention.layers:
        layer.cross_attn_image.q_proj.weight.mul_(2)
        layer.cross_attn_image.out_proj.weight.mul_(emphasis)
    for embedding in network.sam_prompt_encoder.point_embeddings:
        embedding.weight.mul_(3)
    return network


def make_decided(network: Sam2Network) -> None:
    """Let a random network see objects in every frame, and no two candidates be equally good.

    Otherwise rounding could decide, and all later frames would differ.
    """
    network.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(ALWAYS_VISIBLE)
    network.sam_mask_decoder.iou_prediction_head.layers[-1].bias.copy_(torch.tensor([0.0, 1.0, -1.0, 0.0]))


class Inputs:
    """What the figures are computed from."""

    def __init__(self, network: Sam2Network) -> None:
        self.size, self.config = network.image_size, network.config
        self._generator = np.random.default_rng(2)
        side = self.size // 16
        self.image = self.smooth(1, 3, cells=32)
        self.boxes = torch.tensor([[[0.1, 0.2], [0.5, 0.6]], [[0.4, 0.3], [0.9, 0.8]]]) * self.size
        self.point = torch.tensor([[[0.3, 0.4]], [[0.7, 0.6]]]) * self.size
        self.logits = 6 * self.smooth(COUNT, 1, cells=8)[:, 0]
        self.score = torch.tensor([2.0, -1.0])
        shape = network.spatial_perceiver.shape(side, side)
        self.memories = self.random(COUNT, 7, *shape).to(torch.bfloat16)
        self.pointers = self.random(COUNT, 16, self.config.hidden_dim)

    def random(self, *shape: int) -> Tensor:
        return torch.from_numpy(self._generator.standard_normal(shape, dtype=np.float32))

    def smooth(self, count: int, channels: int, *, cells: int) -> Tensor:
        """(N, C, S, S)."""
        return F.interpolate(self.random(count, channels, cells, cells), size=(self.size, self.size), mode='bilinear')


def our_figures(network: Sam2Network) -> Figures:
    """What each part of our network computes."""
    inputs = Inputs(network)
    features = network.encode_image(inputs.image)
    figures = {'stride16': features.stride16}
    if features.stride4 is not None and features.stride8 is not None:
        figures |= {'stride4': features.stride4, 'stride8': features.stride8}
    conditioned = network.without_memory(features.stride16).expand(COUNT, -1, -1, -1)
    for kind, points, labels, multimask in prompts(inputs):
        prompt = network.embed_prompts(points, labels.expand(COUNT, -1))
        decoding = network.decode_masks(
            features, conditioned, prompt, torch.full((COUNT,), multimask), presence_threshold=-np.inf
        )
        figures |= {
            f'{kind} logits': decoding.mask_logits,
            f'{kind} pointer': decoding.object_pointer,
            f'{kind} iou': decoding.predicted_iou,
            f'{kind} score': decoding.object_score_logit,
        }
    for binarize in (False, True):
        figures[f'memory {binarize}'] = network.encode_memory(
            features.stride16, inputs.logits, inputs.score, torch.full((COUNT,), binarize)
        ).float()
    for memories, pointers in READS:
        read = MemoryRead(
            spatial=inputs.memories[:, :memories],
            temporal_index=torch.tensor([6, *range(memories - 1)]).expand(COUNT, -1),
            pointers=inputs.pointers[:, :pointers],
            pointer_position=torch.zeros(COUNT, pointers),
        )
        figures[f'read {memories} {pointers}'] = network.condition_on_memory(features.stride16, read)
    return figures


def official_figures(official: Any, network: Sam2Network) -> Figures:
    """The same by an official network with the weights of ours."""
    inputs, config = Inputs(network), network.config
    maps = official.forward_image(inputs.image)['backbone_fpn']
    stride16 = maps[-1].expand(COUNT, -1, -1, -1)
    figures = {'stride16': maps[-1]}
    if len(maps) == 3:
        figures |= {'stride4': maps[0], 'stride8': maps[1]}
    fine = [one.expand(COUNT, -1, -1, -1) for one in maps[:-1]] or None
    for kind, points, labels, multimask in prompts(inputs):
        official.pred_obj_scores = False  # no gate, so that absent objects are compared, too
        _, _, ious, logits, _, pointer, _ = official._forward_sam_heads(
            backbone_features=stride16 + official.no_mem_embed.view(1, -1, 1, 1),
            point_inputs={'point_coords': points, 'point_labels': labels.expand(COUNT, -1)},
            high_res_features=fine,
            multimask_output=multimask,
        )
        official.pred_obj_scores = True
        score = official._forward_sam_heads(
            backbone_features=stride16 + official.no_mem_embed.view(1, -1, 1, 1),
            point_inputs={'point_coords': points, 'point_labels': labels.expand(COUNT, -1)},
            high_res_features=fine,
            multimask_output=multimask,
        )[-1]
        figures |= {
            f'{kind} logits': logits[:, 0],
            f'{kind} pointer': pointer,
            f'{kind} iou': ious.amax(1),
            f'{kind} score': score[:, 0],
        }
    flat, side = stride16.flatten(2).permute(2, 0, 1), network.image_size // 16
    for binarize in (False, True):
        figures[f'memory {binarize}'], places = official._encode_new_memory(
            current_vision_feats=[flat],
            feat_sizes=[(side, side)],
            pred_masks_high_res=inputs.logits[:, None],
            object_score_logits=inputs.score[:, None],
            is_mask_from_pts=binarize,
        )
    place = places[-1]
    rows = place if place.ndim == 3 else place.flatten(2).transpose(1, 2)  # (N, L, Cm)
    position = official.image_encoder.neck.position_encoding(stride16).flatten(2).permute(2, 0, 1)
    for memories, pointers in READS:
        tokens = inputs.memories[:, :memories].float()
        tokens = tokens if tokens.ndim == 4 else tokens.flatten(3).transpose(2, 3)  # (N, M, L, Cm)
        times = official.maskmem_tpos_enc[[6, *range(memories - 1)], 0]  # (M, 1, Cm)
        pointer_tokens = inputs.pointers[:, :pointers].reshape(COUNT, -1, config.memory_dim)
        memory = torch.cat((tokens.flatten(1, 2), pointer_tokens), 1)
        codes = torch.cat(((rows[:, None] + times).flatten(1, 2), torch.zeros_like(pointer_tokens)), 1)
        repeats = {'num_spatial_mem': memories} if config.latent_side else {}
        read = official.memory_attention(
            curr=[flat],
            curr_pos=[position],
            memory=memory.transpose(0, 1),
            memory_pos=codes.transpose(0, 1),
            num_obj_ptr_tokens=pointer_tokens.shape[1],
            **repeats,
        )
        figures[f'read {memories} {pointers}'] = read.permute(1, 2, 0).unflatten(2, (side, side))
    return figures


def prompts(inputs: Inputs) -> Sequence[tuple[str, Tensor, Tensor, bool]]:
    """Kind, points (N, P, 2), labels (1, P) and whether the best of three masks is asked for."""
    return (
        ('box', inputs.boxes, torch.tensor([[2, 3]]), False),
        ('point', inputs.point, torch.tensor([[1]]), True),
    )


def sampled(figures: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """A few numbers of each tensor, evenly spread, and the range of all of them."""
    samples = {}
    for name, tensor in figures.items():
        flat = tensor.float().flatten()
        places = torch.linspace(0, len(flat) - 1, min(SAMPLES, len(flat))).long()
        low, high = flat.min().clamp(max=0), flat.max().clamp(min=0)
        samples[name] = {
            'shape': list(tensor.shape),
            'range': float(f'{high - low:.6g}'),
            'values': [float(f'{value:.7g}') for value in flat[places].tolist()],
        }
    return samples


def clip(name: str, kind: str) -> tuple[Sam2Network, list[np.ndarray], list[Prompt]]:
    """A network that sees objects in every frame, images (H, W, 3) uint8 of a video, and prompts on its first one.

    They are for two objects, of a kind that `Clip.prompt` knows.
    """
    network = random_network(name, image_size=256 if name == 'edgetam' else 160)
    make_decided(network)
    video = moving_clip(FRAMES)
    return network, [video.image(frame) for frame in range(FRAMES)], [video.prompt(one, kind) for one in 'ab']


def golden(name: str) -> dict[str, dict[str, Any]]:
    return json.loads(GOLDEN.read_text())[name]
