"""Training reads what the tracker reads, shown in a world where memories tell which frame they are of."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sam2_ros.model import ImageFeatures, MaskDecoding, MemoryRead, Sam2Network
from sam2_ros.model.config import NO_OBJECT_LOGIT
from sam2_ros.model.prompt_encoder import PromptEmbedding
from sam2_ros.tracking import Prompt, VideoTracker, make_policy
from sam2_ros.tracking.memory_bank import EntryKind
from sam2_ros.tracking.memory_reads import condition_on_reads
from sam2_ros.training.batches import MASK_PROMPT, ClipBatch
from sam2_ros.training.losses import LossWeights
from sam2_ros.training.memory import ClipMemory
from sam2_ros.training.rollout import Rollout, network_input
from tests.training.policies import DAM, POLICIES

SIZE, OBJECTS = 32, 3
PER_OBJECT = 100  # the pointer of object n on frame f is 100 n + f


class NumberedNetwork:
    """Takes the place of a network. Pictures are filled with the number of their frame, which memories hand on.

    Args:
        visible: (T, N) bool, which objects are seen in each frame.

    Attributes:
        reads: for each (frame, object), the frames of the spatial memories with their temporal index, and the frames of
            the pointers with their position.
    """

    image_size, device, dtype = SIZE, torch.device('cpu'), torch.float32

    def __init__(self, visible: np.ndarray) -> None:
        self.visible = torch.from_numpy(visible)
        self.reads: dict[tuple[int, int], tuple[list[tuple[int, int]], list[tuple[int, float]]]] = {}

    def encode_image(self, images: Tensor) -> ImageFeatures:
        black, white = (network_input(torch.full((1, 1, 3), value, dtype=torch.uint8))[0] for value in (0, 255))
        numbers = ((images[:, :1, :1, :1] - black[0]) / (white[0] - black[0]) * 255).round()
        return ImageFeatures(*(numbers.expand(-1, 1, SIZE // stride, SIZE // stride) for stride in (4, 8, 16)))

    def without_memory(self, stride16: Tensor) -> Tensor:
        return stride16

    def condition_on_memory(self, stride16: Tensor, read: MemoryRead) -> Tensor:
        objects = read.pointers[:, 0, 0].long() // PER_OBJECT
        for row, number in enumerate(objects.tolist()):
            memories, count = read.temporal_index[row].shape[0], read.pointer_position[row].shape[0]
            if read.counts is not None:
                memories, count = read.counts[row].tolist()
            pointers = read.pointers[row, :count, 0].long()
            assert bool((pointers // PER_OBJECT == number).all())
            places = read.spatial[row, -memories:, 0, 0, 0].long().tolist()
            frames = (pointers % PER_OBJECT).tolist()
            self.reads[int(stride16[row if len(stride16) > 1 else 0, 0, 0, 0]), number] = (
                list(zip(places, read.temporal_index[row, -memories:].tolist(), strict=True)),
                list(zip(frames, read.pointer_position[row, :count].tolist(), strict=True)),
            )
        return objects[:, None, None, None].expand(-1, 1, *stride16.shape[2:]).float()

    def embed_prompts(self, points: Tensor, *_: Tensor) -> PromptEmbedding:
        return PromptEmbedding(points.new_zeros(len(points), points.shape[1] + 1, 1), points.new_zeros(1))

    def mask_downsample(self, masks: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(masks, 4)

    def decode_masks(
        self, features: ImageFeatures, conditioned: Tensor, _prompt: PromptEmbedding, multimask: Tensor, **_: float
    ) -> MaskDecoding:
        frames = features.stride16[:, 0, 0, 0].long().expand(len(conditioned))
        objects = torch.where(frames == 0, torch.arange(len(frames)), conditioned[:, 0, 0, 0].long())
        seen = self.visible[frames, objects]
        score = torch.where(seen, 1.0, -1.0)
        masks = torch.where(seen, 1.0, NO_OBJECT_LOGIT)[:, None, None].expand(-1, SIZE // 4, SIZE // 4)
        pointer = (PER_OBJECT * objects + frames).float()[:, None]
        ious = torch.ones(len(objects), 3)
        return MaskDecoding(
            masks, ious[:, 0], score, pointer, masks[:, None].expand(-1, 3, -1, -1), ious, multimask.long() - 1,
            pointer[:, None].expand(-1, 3, -1),
        )  # fmt: skip

    def use_mask_as_output(self, features: ImageFeatures, masks: Tensor, **_: float) -> MaskDecoding:
        none = self.without_memory(features.stride16).expand(len(masks), -1, -1, -1)
        return self.decode_masks(features, none, self.embed_prompts(masks), torch.zeros(len(masks), dtype=torch.bool))

    def encode_memory(self, stride16: Tensor, mask_logits: Tensor, *_: Tensor) -> Tensor:
        return stride16.expand(len(mask_logits), -1, -1, -1).to(torch.bfloat16)


def numbered_clip(frames: int) -> ClipBatch:
    """A clip of numbered pictures with three objects, which are given as masks."""
    numbers = torch.arange(frames, dtype=torch.uint8)
    masks = torch.zeros(OBJECTS, frames, SIZE, SIZE, dtype=torch.bool)
    masks[:, :, :16] = True
    corners = torch.tensor([[0.0, 0.0], [31.0, 15.0]]).expand(OBJECTS, 2, 2)
    return ClipBatch(
        numbers[None, :, None, None, None].expand(1, frames, SIZE, SIZE, 3),
        torch.zeros(OBJECTS, dtype=torch.long),
        masks,
        torch.full((OBJECTS,), MASK_PROMPT),
        corners,
        torch.tensor([[2, 3]]).expand(OBJECTS, 2),
    )


@pytest.mark.parametrize('name', POLICIES)
@settings(max_examples=25)
@given(data=st.data())
def test_training_reads_what_the_tracker_reads(name: str, data: st.DataObject) -> None:
    """For any frames in which objects are hidden, and any that is corrected."""
    frames = data.draw(st.integers(2, 36), 'frames')
    seen = data.draw(st.lists(st.integers(0, 7), min_size=frames, max_size=frames), 'bits: which objects are seen')
    corrected = data.draw(st.none() | st.integers(1, frames - 1), 'corrected')
    visible = np.array([[bool(bits >> number & 1) for number in range(OBJECTS)] for bits in [7, *seen[1:]]])
    policy, how = POLICIES[name]
    clip, ours, theirs = numbered_clip(frames), NumberedNetwork(visible), NumberedNetwork(visible)

    rollout = Rollout(ours, clip, how, LossWeights(), 0)
    rollout.window, rollout.frames, rollout.corrected = 1, frames, corrected
    rollout.run()

    tracker = VideoTracker(theirs, policy)
    for frame, image in enumerate(clip.images[0]):
        given_masks = [Prompt(str(number), mask=mask.numpy()) for number, mask in enumerate(clip.masks[:, 0])]
        tracker.step(image.numpy(), () if frame else given_masks)
        if frame == corrected:
            for number in range(OBJECTS):
                tracker.prompt(frame, Prompt(str(number), points=[[3, 3]], labels=[1]))
    assert len(ours.reads) == OBJECTS * (frames - 1)
    assert ours.reads == theirs.reads


def test_the_first_pointer_of_dam_is_a_whole_horizon_old() -> None:
    """As in the published code, which takes the frames so far for the whole video."""
    for name, position in (('sam2', 1 / 15), ('dam', 1.0)):
        memory = ClipMemory(make_policy(name), 1, anchors=0.0, rng=np.random.default_rng(0))
        write(memory, 0, [True], conditioning=True)
        ((_, age),) = memory.read(1, with_pointers=True)[0].pointers
        assert age == pytest.approx(position)
        assert memory.read(1, with_pointers=False)[0].shape == (1, 0)


def write(memory: ClipMemory, frame: int, seen: list[bool], *, conditioning: bool = False) -> list[EntryKind | None]:
    """Write a frame, whose memories and pointers are filled with its number; returns what was planned."""
    kinds = memory.plan(frame, torch.tensor(seen), conditioning=conditioning)
    full = torch.full((len(seen), 1, 2, 2), float(frame))
    memory.write(frame, kinds, full, full[:, :, 0, 0])
    return kinds


def test_anchors_are_drawn_and_keep_their_distance() -> None:
    memory = ClipMemory(make_policy('dam'), 200, anchors=0.2, rng=np.random.default_rng(0))
    write(memory, 0, [True] * 200, conditioning=True)
    planned = np.array([write(memory, frame, [True] * 200) for frame in range(1, 30)])
    anchors = planned == EntryKind.ANCHOR
    assert anchors[0].mean() == pytest.approx(0.2, abs=0.08)
    assert min(np.diff(np.flatnonzero(one)).min(initial=99) for one in anchors.T) == DAM.min_anchor_spacing + 1
    assert write(memory, 30, [False] * 200) == [None] * 200  # what is hidden is no anchor, and not written


def test_without_an_anchor_rule_there_are_none() -> None:
    memory = ClipMemory(make_policy('sam2'), 2, anchors=1.0, rng=np.random.default_rng(0))
    write(memory, 0, [True, True], conditioning=True)
    assert write(memory, 1, [True, False]) == [EntryKind.RECENT] * 2


@pytest.mark.parametrize('hidden', [None, 1])
def test_reads_are_one_call_and_each_object_gets_its_own(
    untrained: Sam2Network, monkeypatch: pytest.MonkeyPatch, hidden: int | None
) -> None:
    """Object 1 may be hidden on frame 2. Gradients reach what is read, and nothing else."""
    generator = torch.Generator().manual_seed(0)
    shape = (3, untrained.config.memory_dim, 4, 4)
    spatial = torch.randn(3, *shape, generator=generator).requires_grad_()
    pointers = torch.randn(3, 3, untrained.config.hidden_dim, generator=generator).requires_grad_()
    maps = torch.randn(3, untrained.config.hidden_dim, 4, 4, generator=generator)
    memory = ClipMemory(make_policy('dam'), 3, anchors=0.0, rng=np.random.default_rng(0))
    for frame in range(3):
        seen = torch.tensor([frame != 2 or number != hidden for number in range(3)])
        kinds = memory.plan(frame, seen, conditioning=frame == 0)
        memory.write(frame, kinds, spatial[frame], pointers[frame])
    reads = memory.read(3, with_pointers=True)
    alone = [condition_on_reads(untrained, maps[[row]], [read]) for row, read in enumerate(reads)]
    condition, called = untrained.condition_on_memory, []
    monkeypatch.setattr(untrained, 'condition_on_memory', lambda *given: (called.append(1), condition(*given))[1])
    together = condition_on_reads(untrained, maps, reads)
    assert len(called) == 1
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)

    (together * torch.randn(together.shape, generator=generator)).sum().backward()
    for row, read in enumerate(reads):
        for leaf, entries in ((spatial, read.spatial), (pointers, read.pointers)):
            reached = leaf.grad[:, row].flatten(1).any(1).nonzero()[:, 0].tolist()
            assert reached == sorted(entry.frame_index for entry, _ in entries)
