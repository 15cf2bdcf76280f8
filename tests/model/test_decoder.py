"""Prompt encoder and mask decoder give the official masks, scores and object pointers."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_ros.model import MaskDecoding
from sam2_ros.model.mask_decoder import DecoderOutput, choose_mask
from tests.model.conftest import Pair
from tests.official import assert_near

pytestmark = pytest.mark.slow

KINDS = ['point', 'points', 'box', 'box+point', 'padded box', 'mask', 'mask+point', 'none']
NO_OBJECT_LOGIT = -1024.0


@dataclass(frozen=True)
class Prompts:
    """`points` (N, P, 2) in model pixels with `labels` (N, P), and `mask_logits` (N, 1, S/4, S/4) or None."""

    points: Tensor
    labels: Tensor
    mask_logits: Tensor | None

    def rows(self, index: slice) -> 'Prompts':
        masks = None if self.mask_logits is None else self.mask_logits[index]
        return Prompts(self.points[index], self.labels[index], masks)

    @property
    def multimask(self) -> bool:
        """The official rule: three candidates for at most one point."""
        return self.points.shape[1] <= 1


def make_prompts(pair: Pair, kind: str) -> Prompts:
    """One prompt of a kind for each of the three objects of the scene."""
    boxes = torch.from_numpy(pair.scene.boxes()).view(-1, 2, 2)
    centres = torch.from_numpy(pair.scene.centres())[:, None]
    beside = boxes[:, :1] - 3
    masks = torch.from_numpy(pair.scene.masks)[:, None].float() * 20 - 10
    masks = F.interpolate(masks, scale_factor=0.25, mode='bilinear', antialias=True)
    parts = {
        'point': ([centres], [1]),
        'points': ([centres, beside, centres + 4], [1, 0, 1]),
        'box': ([boxes], [2, 3]),
        'box+point': ([boxes, centres, beside], [2, 3, 1, 0]),
        'padded box': ([boxes, centres], [2, 3, -1]),
        'mask': ([], []),
        'mask+point': ([beside], [0]),
        'none': ([], []),
    }
    points, labels = parts[kind]
    points = torch.cat([centres[:, :0], *points], dim=1)
    return Prompts(points, torch.tensor([labels] * 3).long().view(3, -1), masks if 'mask' in kind else None)


def decode_ours(pair: Pair, prompts: Prompts, *, multimask: bool) -> MaskDecoding:
    count = len(prompts.points)
    embedding = pair.ours.embed_prompts(prompts.points, prompts.labels, prompts.mask_logits)
    conditioned = pair.ours.without_memory(pair.features.stride16).expand(count, -1, -1, -1)
    return pair.ours.decode_masks(pair.features, conditioned, embedding, torch.full((count,), multimask))


def decode_official(pair: Pair, prompts: Prompts, *, multimask: bool) -> tuple[Tensor, ...]:
    """Candidate masks, IoUs, chosen mask, pointer, object score."""
    count = len(prompts.points)
    raw = pair.features.stride16.expand(count, -1, -1, -1)
    has_points = prompts.points.shape[1] > 0
    candidates, _, ious, mask, _, pointer, score = pair.official._forward_sam_heads(
        backbone_features=raw + pair.official.no_mem_embed[0, 0, :, None, None],
        point_inputs={'point_coords': prompts.points, 'point_labels': prompts.labels} if has_points else None,
        mask_inputs=prompts.mask_logits,
        high_res_features=[level.expand(count, -1, -1, -1) for level in (pair.features.stride4, pair.features.stride8)],
        multimask_output=multimask,
    )
    return candidates, ious, mask[:, 0], pointer, score[:, 0]


def assert_same_decoding(ours: MaskDecoding, official: tuple[Tensor, ...], *, multimask: bool) -> None:
    candidates, ious, mask, pointer, score = official
    assert_near(ours.mask_logits, mask)
    assert_near(ours.object_pointer, pointer)
    assert_near(ours.object_score_logit, score)
    if multimask:
        assert_near(ours.candidate_logits, candidates)
        assert_near(ours.candidate_ious, ious)
        assert torch.equal(ours.chosen, ious.argmax(dim=1))
        assert_near(ours.predicted_iou, ious.max(dim=1).values)
    else:
        assert_near(ours.predicted_iou, ious[:, 0])


@pytest.mark.parametrize('count', [1, 3])
@pytest.mark.parametrize('kind', KINDS)
def test_each_kind_of_prompt(pair: Pair, kind: str, count: int) -> None:
    prompts = make_prompts(pair, kind).rows(slice(count))
    ours = decode_ours(pair, prompts, multimask=prompts.multimask)
    official = decode_official(pair, prompts, multimask=prompts.multimask)
    assert_same_decoding(ours, official, multimask=prompts.multimask)
    assert ours.mask_logits.dtype == torch.float32


@pytest.mark.parametrize('kind', KINDS)
def test_absent_objects(pair: Pair, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with an object score pushed below 0: no mask, and the pointer of no object."""
    prompts = make_prompts(pair, kind)
    lowered = decode_ours(pair, prompts, multimask=True).object_score_logit.max() + 1
    for network in (pair.ours, pair.official):
        bias = network.sam_mask_decoder.pred_obj_score_head.layers[-1].bias
        monkeypatch.setattr(bias, 'data', bias.data - lowered)
    ours = decode_ours(pair, prompts, multimask=prompts.multimask)
    assert (ours.object_score_logit < 0).all()
    assert (ours.mask_logits == NO_OBJECT_LOGIT).all()
    assert (ours.object_pointer == pair.ours.no_obj_ptr).all()
    official = decode_official(pair, prompts, multimask=prompts.multimask)
    assert_same_decoding(ours, official, multimask=prompts.multimask)


def test_masks_follow_their_prompts(pair: Pair) -> None:
    """Without this the comparisons above would prove little."""
    none = decode_ours(pair, make_prompts(pair, 'none'), multimask=True)
    for kind in ('point', 'points', 'box', 'box+point', 'mask'):
        prompts = make_prompts(pair, kind)
        logits = decode_ours(pair, prompts, multimask=prompts.multimask).mask_logits
        for first, second in ((0, 1), (1, 2), (0, 2)):
            assert (logits[first] - logits[second]).abs().max() > 0.01 * logits.abs().max(), kind
        assert (logits - none.mask_logits).abs().max() > 0.01 * logits.abs().max(), kind


@pytest.mark.parametrize('kind', ['point', 'points', 'box', 'box+point'])
def test_trained_masks_cover_the_prompted_object(trained_pair: Pair, kind: str) -> None:
    prompts = make_prompts(trained_pair, kind)
    decoding = decode_ours(trained_pair, prompts, multimask=prompts.multimask)
    masks = F.interpolate(decoding.mask_logits[:, None], scale_factor=4.0, mode='bilinear')[:, 0] > 0
    truth = torch.from_numpy(trained_pair.scene.masks)
    overlap = (masks[:, None] & truth).flatten(2).sum(2) / (masks[:, None] | truth).flatten(2).sum(2)
    assert torch.equal(overlap.argmax(dim=1), torch.arange(3))
    assert (overlap.diagonal() > 0.4).all(), overlap
    assert (decoding.object_score_logit > 0).all()


def test_multimask_is_decided_per_object(pair: Pair) -> None:
    prompts = make_prompts(pair, 'points')
    embedding = pair.ours.embed_prompts(prompts.points, prompts.labels)
    conditioned = pair.ours.without_memory(pair.features.stride16).expand(3, -1, -1, -1)
    mixed = pair.ours.decode_masks(pair.features, conditioned, embedding, torch.tensor([True, False, True]))
    for multimask, rows in ((True, [0, 2]), (False, [1])):
        official = decode_official(pair, prompts, multimask=multimask)
        assert_near(mixed.mask_logits[rows], official[2][rows])
        assert_near(mixed.object_pointer[rows], official[3][rows])


def test_has_mask_chooses_the_rows_with_a_mask(pair: Pair) -> None:
    prompts = make_prompts(pair, 'mask+point')
    has_mask = torch.tensor([True, False, True])
    mixed = pair.ours.embed_prompts(prompts.points, prompts.labels, prompts.mask_logits, has_mask)
    with_mask = pair.ours.embed_prompts(prompts.points, prompts.labels, prompts.mask_logits)
    without = pair.ours.embed_prompts(prompts.points, prompts.labels)
    assert torch.equal(mixed.dense[has_mask], with_mask.dense[has_mask])
    assert torch.equal(mixed.dense[~has_mask], without.dense[~has_mask])
    assert torch.equal(mixed.sparse, without.sparse)


def test_an_unstable_single_mask_gives_way(trained_pair: Pair) -> None:
    """Masks of every degree of stability, an empty one and a full one among them, against the official rule."""
    generator = torch.Generator().manual_seed(5)
    masks = torch.randn(12, 4, 64, 64, generator=generator) * torch.logspace(-2, 3, 12)[:, None, None, None]
    masks[0, 0], masks[1, 0] = -5, 5
    ious, tokens = torch.rand(12, 4, generator=generator), torch.randn(12, 4, 8, generator=generator)
    output = DecoderOutput(masks, ious, tokens, torch.ones(12))
    choice = choose_mask(output, torch.zeros(12, dtype=torch.bool), stability_fallback=True)
    expected = trained_pair.official.sam_mask_decoder._dynamic_multimask_via_stability(masks, ious)
    assert torch.equal(choice.mask, expected[0][:, 0])
    assert torch.equal(choice.iou, expected[1][:, 0])
    assert torch.equal(choice.token, tokens[:, 0])  # the pointer stays that of the single mask
    assert set((choice.chosen == -1).tolist()) == {True, False}
    assert choice.chosen[:2].tolist() == [-1, -1]
    steady = choose_mask(output, torch.zeros(12, dtype=torch.bool), stability_fallback=False)
    assert torch.equal(steady.mask, masks[:, 0])


@pytest.mark.parametrize('empty', [False, True])
def test_a_mask_as_output(pair: Pair, empty: bool) -> None:
    masks = torch.from_numpy(pair.scene.masks).float()
    masks[1] *= not empty
    ours = pair.ours.use_mask_as_output(pair.features, masks)
    raw = pair.features.stride16.expand(3, -1, -1, -1)
    high_res = [level.expand(3, -1, -1, -1) for level in (pair.features.stride4, pair.features.stride8)]
    _, _, ious, low_res, _, pointer, score = pair.official._use_mask_as_output(raw, high_res, masks[:, None])
    assert_near(ours.mask_logits, low_res[:, 0])
    assert_near(ours.predicted_iou, ious[:, 0])
    assert_near(ours.object_score_logit, score[:, 0])
    assert_near(ours.object_pointer, pointer)
    assert ours.object_score_logit.tolist() == [10.0, -10.0 if empty else 10.0, 10.0]
    assert (ours.mask_logits[1] > 0).any() != empty
