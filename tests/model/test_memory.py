"""Memory encoder and memory attention give the official features."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model import MemoryRead
from tests.model.conftest import Pair
from tests.official import assert_near

pytestmark = pytest.mark.slow

NUM_FRAMES = 30
POINTER_HORIZON = 15  # official: the 16 most recent frames, so that the farthest one is at distance 15
COUNT = 2  # objects


@dataclass
class Bank:
    """Made-up memories of `COUNT` objects, in the layout of either side."""

    pair: Pair
    conditioning: list[int]
    recent: list[int]
    memories: dict[int, Tensor] = field(default_factory=dict)
    pointers: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config, grid = self.pair.ours.config, self.pair.ours.image_size // 16
        generator = torch.Generator().manual_seed(9)
        for frame in [*self.conditioning, *self.recent]:
            # much in common over the picture, as in real ones: pure noise would average out in attention
            common = 3 * torch.randn(COUNT, config.memory_dim, 1, 1, generator=generator)
            memory = common + torch.randn(COUNT, config.memory_dim, grid, grid, generator=generator)
            self.memories[frame] = memory.to(torch.bfloat16)
            self.pointers[frame] = torch.randn(COUNT, config.hidden_dim, generator=generator)

    def official(self) -> dict[str, Any]:
        def entry(frame: int) -> dict[str, Any]:
            position = self.pair.official.memory_encoder.position_encoding(self.memories[frame])
            return {
                'maskmem_features': self.memories[frame],
                'maskmem_pos_enc': [position],
                'obj_ptr': self.pointers[frame],
            }

        return {
            'cond_frame_outputs': {frame: entry(frame) for frame in self.conditioning},
            'non_cond_frame_outputs': {frame: entry(frame) for frame in self.recent},
        }

    def read(self, frame: int) -> MemoryRead:
        """What the published rules let frame `frame` read (section 3.4 of the reference behaviour)."""
        slots = [(6, past) for past in self.conditioning]
        slots += [(k - 1, frame - k) for k in range(6, 0, -1) if frame - k in self.recent]
        pasts = [past for past in self.conditioning if past <= frame]
        pasts += [frame - d for d in range(1, POINTER_HORIZON + 1) if frame - d in self.recent]
        positions = torch.tensor([(frame - past) / POINTER_HORIZON for past in pasts])
        return MemoryRead(
            spatial=torch.stack([self.memories[past] for _, past in slots], dim=1),
            temporal_index=torch.tensor([index for index, _ in slots]).expand(COUNT, -1),
            pointers=torch.stack([self.pointers[past] for past in pasts], dim=1),
            pointer_position=positions.expand(COUNT, -1),
        )


@pytest.mark.parametrize(
    ('frame', 'conditioning', 'recent', 'memories', 'pointers'),
    [
        (1, [0], [], 1, 1),
        (4, [0], [1, 2, 3], 4, 4),
        (20, [0], list(range(1, 20)), 7, 16),
        (12, [0, 25], [3, 9, 11], 4, 4),  # a conditioning frame ahead; gaps among the recent ones
        (9, [0, 8], [2, 3, 4, 5, 6, 7], 7, 8),
    ],
)
def test_reading_memory(
    pair: Pair, frame: int, conditioning: list[int], recent: list[int], memories: int, pointers: int
) -> None:
    bank = Bank(pair, conditioning, recent)
    read = bank.read(frame)
    assert (read.spatial.shape[1], read.pointers.shape[1]) == (memories, pointers)
    ours = pair.ours.condition_on_memory(pair.features.stride16, read)
    flat = pair.flat_features(COUNT)
    official = pair.official._prepare_memory_conditioned_features(
        frame_idx=frame,
        is_init_cond_frame=False,
        current_vision_feats=flat['current_vision_feats'][-1:],
        current_vision_pos_embeds=flat['current_vision_pos_embeds'][-1:],
        feat_sizes=flat['feat_sizes'][-1:],
        output_dict=bank.official(),
        num_frames=NUM_FRAMES,
    )
    assert_near(ours, official)
    assert (ours[0] - ours[1]).abs().max() > 0.05 * ours.abs().max()  # each object reads its own memories


def test_reading_memory_without_pointers(pair: Pair) -> None:
    bank = Bank(pair, [0], [2, 3])
    read = bank.read(4)
    no_pointers = MemoryRead(read.spatial, read.temporal_index, read.pointers[:, :0], read.pointer_position[:, :0])
    ours = pair.ours.condition_on_memory(pair.features.stride16, no_pointers)
    flat = pair.flat_features(COUNT)
    tokens, positions = [], []
    place = pair.official.memory_encoder.position_encoding(read.spatial[:, 0])
    for slot, index in enumerate(read.temporal_index[0]):
        tokens.append(read.spatial[:, slot].flatten(2).permute(2, 0, 1))
        positions.append(place.flatten(2).permute(2, 0, 1) + pair.official.maskmem_tpos_enc[index])
    official = pair.official.memory_attention(
        curr=flat['current_vision_feats'][-1:],
        curr_pos=flat['current_vision_pos_embeds'][-1:],
        memory=torch.cat(tokens).float(),
        memory_pos=torch.cat(positions),
        num_obj_ptr_tokens=0,
    )
    assert_near(ours, official.permute(1, 2, 0).view_as(ours))


def test_the_order_of_memories_does_not_matter(pair: Pair) -> None:
    read = Bank(pair, [0], [1, 2, 3]).read(4)
    swapped = MemoryRead(
        read.spatial.flip(1), read.temporal_index.flip(1), read.pointers.flip(1), read.pointer_position.flip(1)
    )
    ours = pair.ours.condition_on_memory(pair.features.stride16, read)
    assert_near(pair.ours.condition_on_memory(pair.features.stride16, swapped), ours)


@pytest.mark.parametrize('from_points', [False, True])
def test_encoding_memory(pair: Pair, from_points: bool) -> None:
    """Visible, absent, and exactly at the threshold, which counts as absent."""
    size = pair.ours.image_size
    logits = torch.from_numpy(pair.scene.masks)[:, None].float() * 16 - 9
    logits = F.interpolate(logits, size=(32, 32), mode='bilinear', antialias=True)
    logits = F.interpolate(logits, size=(size, size), mode='bilinear')
    score = torch.tensor([3.0, -0.5, 0.0])
    ours = pair.ours.encode_memory(pair.features.stride16, logits[:, 0], score, torch.full((3,), from_points))
    flat = pair.flat_features(3)
    official, _ = pair.official._encode_new_memory(
        current_vision_feats=flat['current_vision_feats'],
        feat_sizes=flat['feat_sizes'],
        pred_masks_high_res=logits,
        object_score_logits=score[:, None],
        is_mask_from_pts=from_points,
    )
    assert ours.dtype == torch.bfloat16
    rounding = official.abs() * 2.0**-8  # half a step of bfloat16, at most
    span = official.max() - official.min()
    assert ((ours.float() - official).abs() <= rounding + 1e-4 * span).all()
    assert (ours[0] - ours[1]).float().abs().max() > 0.05 * span


def test_binarizing_is_decided_per_object(pair: Pair) -> None:
    size = pair.ours.image_size
    logits = torch.linspace(-1, 1, size * size).view(1, size, size).expand(2, -1, -1)
    score = torch.ones(2)

    def encode(*binarize: bool) -> Tensor:
        return pair.ours.encode_memory(pair.features.stride16, logits, score, torch.tensor(binarize))

    mixed, soft, hard = encode(True, False), encode(False, False), encode(True, True)
    assert torch.equal(mixed[0], hard[0])
    assert torch.equal(mixed[1], soft[1])
    assert not torch.equal(soft[0], hard[0])
