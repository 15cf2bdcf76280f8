"""Whole frames, one after the other: encode, read memory, decode, write memory, as the official network does it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model import MaskDecoding, MemoryRead
from tests.common import MICRO
from tests.model.conftest import Pair, make_pair
from tests.official import assert_near
from tests.scenes import Scene, network_input, scene

pytestmark = pytest.mark.slow

NUM_FRAMES = 16
EMPTY_FRAMES = slice(3, 5)


def frames(size: int) -> list[Tensor]:
    """Three objects move to the right; for two frames there is nothing but grey; they are back."""
    moving = [network_input(moved(size, step).image, size) for step in range(4)]
    grey = network_input(np.full((size, size, 3), 128, np.uint8), size)
    return [*moving[:3], grey, grey, moving[3]]


@functools.cache
def moved(size: int, step: int) -> Scene:
    return scene(height=size, width=size, seed=2, shift=0.02 * step)


@dataclass(frozen=True)
class Step:
    decoding: MaskDecoding
    memory: Tensor


def high_res(logits: Tensor, size: int) -> Tensor:
    return F.interpolate(logits[:, None], size=(size, size), mode='bilinear')[:, 0]


def run_ours(pair: Pair, images: list[Tensor], boxes: Tensor) -> list[Step]:
    """All objects in one batch."""
    model, steps, count = pair.ours, [], len(boxes)
    encode = functools.cache(model.encode_image)  # by the tensor, not its values: an image that is there twice
    for frame, image in enumerate(images):
        features = encode(image)
        if frame == 0:
            points, labels = boxes, torch.tensor([[2, 3]]).expand(count, -1)
            conditioned = model.without_memory(features.stride16).expand(count, -1, -1, -1)
        else:
            points, labels = boxes[:, :0], torch.zeros(count, 0, dtype=torch.long)
            past = range(1, frame)
            read = MemoryRead(
                spatial=torch.stack([step.memory for step in steps], dim=1),
                temporal_index=torch.tensor([6] + [frame - p - 1 for p in past]).expand(count, -1),
                pointers=torch.stack([step.decoding.object_pointer for step in steps], dim=1),
                pointer_position=torch.tensor([frame] + [frame - p for p in past]).expand(count, -1) / 15,
            )
            conditioned = model.condition_on_memory(features.stride16, read)
        multimask = torch.full((count,), frame > 0)
        decoding = model.decode_masks(features, conditioned, model.embed_prompts(points, labels), multimask)
        memory = model.encode_memory(
            features.stride16,
            high_res(decoding.mask_logits, model.image_size),
            decoding.object_score_logit,
            torch.full((count,), frame == 0),
        )
        steps.append(Step(decoding, memory))
    return steps


def run_official(
    pair: Pair, images: list[Tensor], box: Tensor, encode: Callable[[Tensor], dict[str, Any]]
) -> list[dict[str, Any]]:
    """One object. `encode` is the network's `forward_image`, which may remember what it has seen for another object."""
    outputs: dict[str, dict[int, Any]] = {'cond_frame_outputs': {}, 'non_cond_frame_outputs': {}}
    steps = []
    for frame, image in enumerate(images):
        _, feats, positions, sizes = pair.official._prepare_backbone_features(encode(image))
        prompt = {'point_coords': box[None], 'point_labels': torch.tensor([[2, 3]], dtype=torch.int32)}
        step = pair.official.track_step(
            frame_idx=frame,
            is_init_cond_frame=frame == 0,
            current_vision_feats=feats,
            current_vision_pos_embeds=positions,
            feat_sizes=sizes,
            point_inputs=prompt if frame == 0 else None,
            mask_inputs=None,
            output_dict=outputs,
            num_frames=NUM_FRAMES,
        )
        step['maskmem_features'] = step['maskmem_features'].to(torch.bfloat16)  # as the video predictor stores it
        outputs['cond_frame_outputs' if frame == 0 else 'non_cond_frame_outputs'][frame] = step
        steps.append(step)
    return steps


def boxes_of_first_frame(size: int) -> Tensor:
    """(K, 2, 2): corners as points."""
    return torch.from_numpy(moved(size, 0).boxes()).view(-1, 2, 2)


def scores(steps: list[Step]) -> Tensor:
    """(T, K) object score logits."""
    return torch.stack([step.decoding.object_score_logit for step in steps])


@pytest.fixture(scope='module')
def absence_pair(micro_state_dict: dict[str, Tensor]) -> Pair:
    """Trained micro whose occlusion threshold lies between the objects' scores in the scene and in grey frames.

    The bias of the last layer of the occlusion head is moved there, in both networks.
    """
    pair = make_pair(MICRO, 256, weights=micro_state_dict)
    with torch.inference_mode():
        free = scores(run_ours(pair, frames(256), boxes_of_first_frame(256)))
    present, absent = free[:3].min(), free[EMPTY_FRAMES].max()
    assert absent < present, (free, 'the weights must tell an empty frame from one with the objects')
    bias = 'sam_mask_decoder.pred_obj_score_head.layers.2.bias'
    shifted = micro_state_dict | {bias: micro_state_dict[bias] - (present + absent) / 2}
    return make_pair(MICRO, 256, weights=shifted)


def test_tracking_with_trained_weights(absence_pair: Pair) -> None:
    assert_same_track(absence_pair, frames(256), boxes_of_first_frame(256))


@pytest.mark.parametrize('name', ['sam2.1_hiera_tiny', 'sam2_hiera_tiny'])
def test_tracking_with_random_weights(name: str) -> None:
    pair = make_pair(name, 256, weights=None)
    assert_same_track(pair, frames(256)[:3], boxes_of_first_frame(256)[:2])


def test_two_frames_of_tiny_at_full_size() -> None:
    """1024 pixels, random weights, one object: the grids and windows of real use."""
    pair = make_pair('sam2.1_hiera_tiny', 1024, weights=None)
    still = [network_input(moved(1024, 0).image, 1024)] * 2
    assert_same_track(pair, still, boxes_of_first_frame(1024)[:1])


def assert_same_track(pair: Pair, images: list[Tensor], boxes: Tensor) -> None:
    ours = run_ours(pair, images, boxes)
    encode = functools.cache(pair.official.forward_image)
    official = [run_official(pair, images, box, encode) for box in boxes]
    expected = torch.stack([torch.cat([step['object_score_logits'][:, 0] for step in one]) for one in official])
    assert_near(scores(ours), expected.T, tolerance=1e-3)
    for index, one in enumerate(official):
        for frame, (step, expected_step) in enumerate(zip(ours, one, strict=True)):
            # memories are stored in bfloat16, where the last bit of a float32 can decide the direction of rounding
            tolerance = 1e-3 if frame else 1e-4
            assert_near(step.decoding.mask_logits[index], expected_step['pred_masks'][0, 0], tolerance=tolerance)
            assert_near(step.decoding.object_pointer[index], expected_step['obj_ptr'][0], tolerance=tolerance)


def test_masks_follow_the_boxes_and_objects_come_and_go(absence_pair: Pair) -> None:
    """Otherwise the comparison would leave out half of the rules."""
    steps = run_ours(absence_pair, frames(256), boxes_of_first_frame(256))
    masks = high_res(steps[0].decoding.mask_logits, 256) > 0
    truth = torch.from_numpy(moved(256, 0).masks)
    overlap = (masks[:, None] & truth).flatten(2).sum(2) / (masks[:, None] | truth).flatten(2).sum(2)
    assert torch.equal(overlap.argmax(dim=1), torch.arange(3))
    visible = scores(steps) > 0
    assert visible[0].all()
    assert visible[1:3].all()
    assert not visible[EMPTY_FRAMES].any()
