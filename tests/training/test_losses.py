"""Losses against values worked out by hand and against the textbook formulas."""

import math

import pytest
import torch
import torch.nn.functional as F

from sam2_ros.training.losses import FOCAL_ALPHA, FOCAL_GAMMA, FrameLoss, LossWeights, frame_loss, mask_iou, mask_losses

ONE_PIXEL = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
ALONE = {'focal': (1, 0, 0), 'cross_entropy': (0, 1, 0), 'dice': (0, 0, 1)}


def weights(term: str) -> LossWeights:
    focal, cross_entropy, dice = map(float, ALONE[term])
    return LossWeights(focal=focal, cross_entropy=cross_entropy, dice=dice)


@pytest.mark.parametrize(
    ('term', 'expected'),
    [
        ('focal', (0.25 + 3 * 0.75) / 4 * 0.5**2 * math.log(2)),  # alpha, (1 - p_t)^2, -log p_t
        ('cross_entropy', math.log(2) / 0.25),  # a quarter of the picture is object
        ('dice', 1 - (2 * 0.5 + 1) / (4 * 0.5 + 1 + 1)),
    ],
)
def test_terms_of_an_undecided_mask(term: str, expected: float) -> None:
    assert mask_losses(torch.zeros(2, 2), ONE_PIXEL, weights(term)).item() == pytest.approx(expected)


def test_the_paper_s_weights_are_used() -> None:
    terms = [
        mask_losses(
            torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.ones(3, 8, 8).tril(), weights(term)
        )
        for term in ALONE
    ]
    logits = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
    total = mask_losses(logits, torch.ones(3, 8, 8).tril(), LossWeights())
    torch.testing.assert_close(total, 20 * terms[0] + 0.2 * terms[1] + terms[2])


def test_focal_loss_is_the_published_one() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, target = 4 * torch.randn(5, 9, 7, generator=generator), torch.rand(5, 9, 7, generator=generator).round()
    p_t = torch.where(target > 0, logits.sigmoid(), 1 - logits.sigmoid())
    alpha_t = torch.where(target > 0, FOCAL_ALPHA, 1 - FOCAL_ALPHA)
    expected = (-alpha_t * (1 - p_t) ** FOCAL_GAMMA * p_t.log()).mean((1, 2))
    torch.testing.assert_close(mask_losses(logits, target, weights('focal')), expected, rtol=1e-4, atol=1e-6)


def test_a_right_mask_costs_nothing_and_a_wrong_one_much() -> None:
    right = 60 * ONE_PIXEL - 30
    assert mask_losses(right, ONE_PIXEL, LossWeights()).item() == pytest.approx(0, abs=1e-6)
    assert mask_losses(-right, ONE_PIXEL, LossWeights()).item() > 100
    assert math.isfinite(mask_losses(-1e4 * right, ONE_PIXEL, LossWeights()).item())


def test_mask_iou() -> None:
    empty, full = -torch.ones(2, 2), torch.ones(2, 2)
    left = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    logits, target = torch.stack([empty, full, left, left, empty]), torch.stack([empty, full, full, ONE_PIXEL, full])
    assert mask_iou(logits, target.clamp(min=0)).tolist() == [1, 1, 0.5, 0.5, 0]


def _frame(visible: list[bool], **changes: torch.Tensor) -> tuple[FrameLoss, dict[str, torch.Tensor]]:
    """Three candidates for each of two objects; the second candidate is nearly right."""
    target = torch.zeros(2, 8, 8)
    target[:, :, :4] = 1
    candidates = torch.stack([torch.zeros(2, 8, 8), 8 * target - 4, 4 - 8 * target], dim=1)
    inputs = {
        'candidates': candidates,
        'predicted_ious': torch.tensor([[0.5, 0.5, 0.5], [0.0, 1.0, 0.0]]),
        'score': torch.zeros(2),
        'weight': torch.ones(2),
    } | changes
    for tensor in (inputs['candidates'], inputs['predicted_ious'], inputs['score']):
        tensor.requires_grad_()
    loss = frame_loss(
        **inputs,
        target=target,
        visible=torch.tensor(visible),
        chosen=torch.tensor([1, 2]),  # type: ignore[arg-type]
        loss_weights=LossWeights(),
    )
    loss.total.backward()
    return loss, inputs


def test_only_the_best_candidate_learns_its_mask_and_all_learn_their_iou() -> None:
    loss, inputs = _frame([True, True])
    steps = inputs['candidates'].grad.abs().sum((2, 3)) > 0
    assert steps.tolist() == [[False, True, False]] * 2
    assert loss.mask.item() == pytest.approx(
        mask_losses(
            inputs['candidates'][0, 1], torch.ones(8, 8) * 0 + (inputs['candidates'][0, 1] > 0), LossWeights()
        ).item()
    )
    assert loss.iou_head.item() == pytest.approx((0.5 + 0.5 + 0.5) / 3 / 2)  # the second object's are right
    assert (inputs['predicted_ious'].grad[0] != 0).all()
    assert loss.iou.tolist() == [1, 0] and loss.object_score.item() == pytest.approx(math.log(2))
    assert loss.total.item() == pytest.approx((loss.mask + loss.iou_head + loss.object_score).item())


def test_hidden_objects_learn_their_score_alone() -> None:
    loss, inputs = _frame([True, False], score=torch.tensor([3.0, 3.0]))
    assert inputs['candidates'].grad[1].abs().max() == 0 and inputs['predicted_ious'].grad[1].abs().max() == 0
    expected = F.softplus(torch.tensor(-3.0)) + F.softplus(torch.tensor(3.0))
    assert loss.object_score.item() == pytest.approx(expected.item() / 2)
    assert inputs['score'].grad[0] < 0 < inputs['score'].grad[1]
    nobody, inputs = _frame([False, False])
    assert nobody.mask.item() == 0 and torch.isfinite(nobody.total)


def test_objects_too_small_to_judge_do_not_learn() -> None:
    _, inputs = _frame([True, True], weight=torch.tensor([0.0, 1.0]))
    assert inputs['score'].grad[0] == 0 and inputs['score'].grad[1] < 0
    assert inputs['candidates'].grad[0].abs().max() == 0 < inputs['candidates'].grad[1].abs().max()


def test_of_a_visible_object_too_thin_for_the_grid_no_mask_is_right() -> None:
    """Averaged to the grid of the losses it is nowhere above a half; an empty mask is not a perfect one then."""
    loss = frame_loss(
        torch.full((1, 3, 8, 8), -4.0),
        torch.ones(1, 3),
        torch.zeros(1),
        target=torch.full((1, 8, 8), 0.25),
        visible=torch.tensor([True]),
        weight=torch.ones(1),
        chosen=torch.tensor([0]),
        loss_weights=LossWeights(),
    )
    assert loss.iou.tolist() == [0] and loss.iou_head.item() == 1
