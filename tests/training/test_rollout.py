"""The rollout of training: what memory is read, what learns, and that it tracks as the tracker does."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sam2_ros.model import MemoryRead, Sam2Network
from sam2_ros.tracking import ObjectResult, Prompt, VideoTracker
from sam2_ros.training.batches import BOX_PROMPT, MASK_PROMPT, POINT_PROMPT, BatchSettings, ClipBatch, ClipBatches
from sam2_ros.training.losses import LossWeights
from sam2_ros.training.prompts import first_click, random_error_click
from sam2_ros.training.rollout import Rollout, RolloutSettings, network_input
from tests.training.policies import PLAIN, POLICIES

pytestmark = pytest.mark.slow

EASY = BatchSettings(size=128, clips=1, frames=8, objects=3, presets=('plain',), photos=0.0)
VANISHING = BatchSettings(size=64, clips=2, frames=12, objects=2, max_stride=3, presets=('re_entry',), photos=0.0)


def run(model: Sam2Network, batch: ClipBatch, how: RolloutSettings, *, seed: int = 0) -> tuple[Rollout, Tensor]:
    rollout = Rollout(model, batch, how, LossWeights(), seed)
    return rollout, rollout.run()


def test_normalised_images_are_what_the_network_expects() -> None:
    grey = network_input(torch.full((1, 2, 4, 4, 3), 128, dtype=torch.uint8))
    assert grey.shape == (1, 2, 3, 4, 4) and grey.dtype == torch.float32
    expected = (128 / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(grey[0, 0, :, 0, 0].numpy(), expected, rtol=1e-5)


def test_every_kind_of_weight_learns_and_the_loss_is_the_mean_over_frames(
    untrained: Sam2Network, batch: ClipBatch
) -> None:
    rollout, loss = run(untrained, batch, replace(PLAIN, correction=1.0))
    loss.backward()
    assert len(rollout.losses) == 4 + 2  # every frame, and the corrections of the first and of a later one
    assert loss.item() == pytest.approx(np.mean([each.total.item() for each in rollout.losses]), rel=1e-5)
    silent = {name.split('.')[0] for name, weight in untrained.named_parameters() if weight.grad is None}
    heard = {name.split('.')[0] for name, weight in untrained.named_parameters() if weight.grad is not None}
    assert heard >= {'image_encoder', 'memory_attention', 'memory_encoder', 'sam_prompt_encoder', 'sam_mask_decoder'}
    assert not silent & {'image_encoder', 'memory_attention', 'memory_encoder', 'sam_mask_decoder'}


def test_corrections_are_decoded_as_the_tracker_decodes_them(untrained: Sam2Network, batch: ClipBatch) -> None:
    """One click asks for candidates, several clicks, or one after a box, for a single mask; each is judged as asked."""
    asked: list[tuple[int, list[bool]]] = []  # number of points and which objects get candidates
    decode = untrained.decode_masks

    def watch(features, conditioned, prompt, multimask, **how):
        asked.append((prompt.sparse.shape[1], multimask.tolist()))
        return decode(features, conditioned, prompt, multimask, **how)

    count = len(batch.kind)
    boxes = replace(batch, kind=torch.full_like(batch.kind, BOX_PROMPT), labels=torch.tensor([[2, 3]] * count))
    untrained.decode_masks = watch
    try:
        rollout, _ = run(untrained, boxes, replace(PLAIN, correction=1.0, clicks=2, gradient_frames=1), seed=1)
    finally:
        del untrained.decode_masks
    tracked, first_click, second_click = asked[-3:]
    assert rollout.corrected == rollout.window == rollout.frames - 1  # a frame that learns
    assert [candidates for _, candidates in (tracked, first_click, second_click)] == [
        [True] * count,
        [True] * count,
        [False] * count,
    ]
    assert second_click[0] == first_click[0] + 1
    assert [candidates for _, candidates in asked[1:3]] == [[False] * count] * 2  # after the box
    assert len(rollout.losses) == 3 + 3


def test_of_an_object_that_is_called_hidden_a_correction_is_shown_nothing(
    untrained: Sam2Network, batch: ClipBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the tracker, whose gate empties such a mask: all of the object is missed, and the click is on it."""
    nn.init.constant_(untrained.sam_mask_decoder.pred_obj_score_head.layers[-1].bias, -100.0)
    labels, shown = [], []
    monkeypatch.setattr(
        'sam2_ros.training.rollout.random_error_click',
        lambda true, predicted, generator: (
            shown.append(predicted.any()),
            random_error_click(true, predicted, generator),
        )[1],
    )
    embed = untrained.embed_prompts

    def watch(points, given, mask_logits=None, has_mask=None):
        if has_mask is not None and bool(has_mask.all()):
            labels.append(given)
            assert bool((mask_logits == -32).all())
        return embed(points, given, mask_logits, has_mask)

    monkeypatch.setattr(untrained, 'embed_prompts', watch)
    points = replace(
        batch,
        kind=torch.full_like(batch.kind, POINT_PROMPT),
        labels=torch.tensor([[1, -1]] * 6)[: len(batch.kind)],
        masks=batch.masks[:, :1].expand_as(batch.masks),
    )
    run(untrained, points, replace(PLAIN, correction=1.0))
    assert shown == [False, False] and labels[0].tolist() == [[1, 1]] * len(batch.kind)
    assert labels[1].tolist() == [[1]] * len(batch.kind)


def test_an_object_that_is_called_hidden_still_learns_its_mask(untrained: Sam2Network, batch: ClipBatch) -> None:
    """The decoder's gate, which empties such masks, would cut the gradient."""
    nn.init.constant_(untrained.sam_mask_decoder.pred_obj_score_head.layers[-1].bias, -100.0)
    rollout, loss = run(untrained, batch, PLAIN)
    loss.backward()
    assert bool((torch.stack(rollout.scores) < 0).all())
    assert untrained.sam_mask_decoder.output_hypernetworks_mlps[1].layers[-1].weight.grad.abs().max() > 0


def test_the_score_learns_from_clips_and_not_from_single_images(untrained: Sam2Network, batch: ClipBatch) -> None:
    """In single images every object that is prompted is there."""
    score = untrained.sam_mask_decoder.pred_obj_score_head.layers[-1].weight
    run(untrained, replace(batch, images=batch.images[:, :1], masks=batch.masks[:, :1]), PLAIN)[1].backward()
    assert not score.grad.any()
    run(untrained, batch, PLAIN)[1].backward()
    assert score.grad.any()


def test_the_pointer_of_a_mask_prompt_is_that_of_the_mask(untrained: Sam2Network, batch: ClipBatch) -> None:
    """As in the tracker: a correction click that training adds in the first frame does not change it."""
    masks = replace(batch, kind=torch.full_like(batch.kind, MASK_PROMPT))
    pointers = []
    for correction in (0.0, 1.0):
        rollout, _ = run(untrained, masks, replace(PLAIN, correction=correction))
        pointers.append(torch.stack([bank.conditioning[0].pointer for bank in rollout.memory.banks]))
    torch.testing.assert_close(*pointers)


def test_the_first_frame_and_a_window_learn(untrained: Sam2Network, batch: ClipBatch) -> None:
    ends = set()
    for seed in range(12):
        rollout, loss = run(untrained, batch, replace(PLAIN, gradient_frames=1), seed=seed)
        end = len(rollout.logits)
        assert [rollout.learns(frame) for frame in range(end)] == [True, *[False] * (end - 2), True]
        assert len(rollout.losses) == 2 and loss.requires_grad
        assert [each.stride16.requires_grad for each in rollout.features] == [True, *[False] * (end - 2), True]
        ends.add(end)
    assert ends == {2, 3, 4}  # every later frame has its turn


def test_without_pointers_only_places_are_read(untrained: Sam2Network, batch: ClipBatch) -> None:
    _, loss = run(untrained, batch, replace(PLAIN, no_pointers=1.0))
    loss.backward()
    assert untrained.obj_ptr_tpos_proj.weight.grad is None
    assert untrained.memory_encoder.out_proj.weight.grad.abs().max() > 0


def test_a_rollout_is_repeated_by_its_seed(untrained: Sam2Network, batch: ClipBatch) -> None:
    usual = RolloutSettings(true_visibility=0.5, correction=0.5, dam_memory=0.5)
    losses = {seed: [run(untrained, batch, usual, seed=seed)[1].item() for _ in range(2)] for seed in range(3)}
    assert all(first == second for first, second in losses.values())
    assert len({first for first, _ in losses.values()}) > 1


def test_true_visibility_is_what_memory_is_told(untrained: Sam2Network) -> None:
    clips = ClipBatches(VANISHING, seed=3)[0]
    with torch.no_grad():
        rollout, _ = run(untrained, clips, replace(PLAIN, true_visibility=1.0))
    told = torch.stack(rollout.scores, dim=1) > 0
    assert not bool(told.all())
    assert torch.equal(told, clips.masks.flatten(2).any(-1))
    hidden = torch.stack(rollout.logits, dim=1)[~told]
    assert bool((hidden == -1024).all())


def test_of_frames_that_are_called_hidden_the_distractor_aware_memory_keeps_nothing(untrained: Sam2Network) -> None:
    clips = ClipBatches(VANISHING, seed=3)[0]
    with torch.no_grad():
        rollout, _ = run(untrained, clips, replace(PLAIN, true_visibility=1.0, dam_memory=1.0))
    seen = (torch.stack(rollout.logits, dim=1) > 0).flatten(2).any(2)
    assert not bool(seen[~clips.masks.flatten(2).any(-1)].any()) and bool(seen[:, 1:-1].any())
    for bank, row in zip(rollout.memory.banks, seen[:, :-1], strict=True):
        frames = {entry.frame_index for entry in (*bank.conditioning, *bank.recent)}
        assert frames == {0, *row.nonzero()[:, 0].tolist()}


def _prompt(clips: ClipBatch, index: int, *clicks: tuple[list[float], int]) -> Prompt:
    """The tracker's prompt for an object of a batch, with clicks after it."""
    points, labels = [point for point, _ in clicks], [label for _, label in clicks]
    name, kind = str(index), int(clips.kind[index])
    if kind == MASK_PROMPT:
        return Prompt(name, mask=clips.masks[index, 0].numpy())
    if kind == BOX_PROMPT:
        return Prompt(name, box=clips.points[index].flatten().tolist(), points=points or None, labels=labels or None)
    return Prompt(name, points=[clips.points[index, 0].tolist(), *points], labels=[1, *labels])


def _assert_same(rollout: Rollout, results: list[Mapping[str, ObjectResult]]) -> None:
    """Masks and scores of all frames are those of the tracker."""
    logits, scores = torch.stack(rollout.logits, dim=1), torch.stack(rollout.scores, dim=1)
    for index, (ours, score) in enumerate(zip(logits, scores, strict=True)):
        tracked = [result[str(index)] for result in results]
        low = torch.stack([each.low_res_logits for each in tracked])
        torch.testing.assert_close(ours, low, rtol=0, atol=0.05)  # of up to 30
        assert (ours > 0).sum() > 50
        scores = torch.tensor([each.object_score_logit for each in tracked])
        torch.testing.assert_close(score, scores, rtol=0, atol=0.01)


@pytest.fixture(scope='module')
def hiding() -> ClipBatch:
    """A clip longer than the horizon of pointers. Its objects are given as mask, box and point; two of them hide."""
    shares = {'presets': ('occlusion',), 'prompt_shares': (0, 1, 0)}
    boxes = ClipBatches(replace(EASY, frames=24, **shares), seed=30)[0]
    boxes.points[2, 0] = torch.from_numpy(first_click(boxes.masks[2, 0].numpy(), np.random.default_rng(0)))[0]
    boxes.labels[2] = torch.tensor([1, -1])
    return replace(boxes, kind=torch.tensor([MASK_PROMPT, BOX_PROMPT, POINT_PROMPT]))


@pytest.mark.parametrize('memory', POLICIES)
def test_it_tracks_as_the_tracker_does(
    micro128: Sam2Network, hiding: ClipBatch, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the network's own size, on a clip with hidden objects that is longer than the horizon of pointers.

    Nothing but rounding is different. It is largest in the spatial memories, which are bfloat16.
    """
    policy, how = POLICIES[memory]
    rolled = Rollout(micro128, hiding, how, LossWeights(), 0)
    tracker = VideoTracker(micro128, policy)
    prompts = [_prompt(hiding, index) for index in range(len(hiding.kind))]
    reads: list[MemoryRead] = []
    condition = micro128.condition_on_memory
    monkeypatch.setattr(
        micro128, 'condition_on_memory', lambda maps, read: (reads.append(read), condition(maps, read))[1]
    )
    with torch.no_grad():
        rolled.run()
    ours = reads.copy()
    reads.clear()
    tracked = [tracker.step(image.numpy(), () if frame else prompts) for frame, image in enumerate(hiding.images[0])]
    _assert_same(rolled, tracked)
    assert sum(not result.mask.any() for results in tracked for result in results.values()) > 10
    assert len(ours) == len(reads) >= len(tracked) - 1
    for one, other in zip(ours, reads, strict=True):
        assert torch.equal(one.temporal_index, other.temporal_index)
        assert torch.equal(one.pointer_position, other.pointer_position)
        torch.testing.assert_close(one.spatial, other.spatial, rtol=2**-7, atol=0.05)  # of up to 70
        torch.testing.assert_close(one.pointers, other.pointers, rtol=0, atol=0.01)  # of up to 12


@pytest.mark.parametrize('memory', ['sam2', 'dam, anchors'])
@pytest.mark.parametrize('shares', [(0, 1, 0), (0, 0, 1)], ids=['box', 'point'])
def test_corrections_are_those_of_the_tracker(
    micro128: Sam2Network, shares: tuple[float, float, float], memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same clicks, on the first frame and on a later one, give the same masks, then and after."""
    clicks: list[list[tuple[list[float], int]]] = []  # of each turn, one for every object

    def remember(*given):
        points, labels = random_error_click(*given)
        clicks.append(list(zip(points[:, 0].tolist(), labels[:, 0].tolist(), strict=True)))
        return points, labels

    monkeypatch.setattr('sam2_ros.training.rollout.random_error_click', remember)
    clips = ClipBatches(replace(EASY, prompt_shares=shares), seed=14)[0]
    policy, how = POLICIES[memory]
    rolled = Rollout(micro128, clips, replace(how, correction=1.0, clicks=2), LossWeights(), 5)
    with torch.no_grad():
        rolled.run()
    assert rolled.corrected is not None and rolled.corrected < rolled.frames - 1 and len(clicks) == 4

    tracker = VideoTracker(micro128, policy)
    everyone = range(len(clips.kind))
    first = [
        _prompt(clips, index, *(turn[index] for turn in clicks[:count])) for count, index in product(range(3), everyone)
    ]
    results = []
    for frame, image in enumerate(clips.images[0]):
        result = dict(tracker.step(image.numpy(), () if frame else first))
        if frame == rolled.corrected:
            for last, index in product((3, 4), everyone):
                points, labels = zip(*(turn[index] for turn in clicks[2:last]), strict=True)
                (result[str(index)],) = tracker.prompt(frame, Prompt(str(index), points=points, labels=labels))
        results.append(result)
    _assert_same(rolled, results)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'true_visibility': 1.2}, 'probabilities in 0..1'),
        ({'correction': -0.1}, 'probabilities in 0..1'),
        ({'anchors': 1.01}, 'probabilities in 0..1'),
        ({'no_pointers': 2.0}, 'probabilities in 0..1'),
        ({'gradient_frames': 0}, 'gradient_frames and loss_stride must be 1 or more'),
        ({'loss_stride': 0}, 'gradient_frames and loss_stride must be 1 or more'),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RolloutSettings(**changes)
