"""What tests of the tracker share: a small fast network, and comparisons."""

import copy
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.model import HieraConfig, ModelConfig, Sam2Network, build_sam2
from sam2_ros.tracking import DamSettings, ObjectResult
from tests.common import MICRO
from tests.random_weights import randomise
from tests.remembering import remembering
from tests.tracking.clips import Clip, moving_clip

SMALLEST = ModelConfig(
    HieraConfig(
        embed_dim=8,
        num_heads=1,
        stages=(1, 1, 1, 1),
        global_attention_blocks=(),
        window_spec=(8, 4, 4, 4),
        pos_embed_background=7,
    ),
    pointer_time=True,
    hidden_dim=32,
    memory_dim=16,
    memory_layers=1,
    memory_feedforward=32,
    image_size=64,
)

# an anchor in every frame in which spacing allows one and an alternative mask has a pixel of its own
OFTEN = DamSettings(min_predicted_iou=0.0, min_area_ratio=0.0, max_area_ratio=1000.0, max_box_iou=1.0)


@pytest.fixture(scope='session')
def micro64(micro_weights: Path) -> Sam2Network:
    """The trained micro network at 64 pixels: for tests of what happens, not of how well objects are found.

    Most tests show it the same few pictures; it encodes each once.
    """
    model = build_sam2(MICRO, checkpoint=micro_weights, image_size=64)
    model.encode_image = remembering(model.encode_image)
    return model


@pytest.fixture(scope='session')
def small() -> Sam2Network:
    """A very small network with random weights that sees an object in every frame, so that memory is always written.

    What it finds means nothing, but depends on all it remembers; and it does not change when trained weights do. It
    encodes each picture once.
    """
    network = Sam2Network(SMALLEST).eval().requires_grad_(False)
    randomise(network, seed=5)  # of the first seeds the one whose alternative masks differ most
    network.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(10.0)
    network.encode_image = remembering(network.encode_image)
    return network


@pytest.fixture(scope='session')
def unsure(small: Sam2Network) -> Sam2Network:
    """The same network, but unsure whether it sees an object, so that the hypotheses of `sam2long` differ."""
    network = copy.deepcopy(small)
    network.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(1.0)
    return network


@pytest.fixture
def suited(request: pytest.FixtureRequest, memory: str) -> Sam2Network:
    """A network with which a memory policy has something to decide."""
    network: Sam2Network = request.getfixturevalue('unsure' if memory in ('samurai', 'sam2long') else 'small')
    return network


@pytest.fixture(scope='session')
def clip() -> Clip:
    """24 frames of 120 x 96 pixels."""
    return moving_clip(height=96, width=120)


def assert_same(one: ObjectResult, other: ObjectResult) -> None:
    """Bit for bit."""
    assert np.array_equal(one.mask_logits(), other.mask_logits())
    assert np.array_equal(one.mask, other.mask)
    assert (one.object_score_logit, one.predicted_iou, one.box) == (
        other.object_score_logit,
        other.predicted_iou,
        other.box,
    )
    assert (one.memory_event, one.anchors, one.state, one.area) == (
        other.memory_event,
        other.anchors,
        other.state,
        other.area,
    )


def assert_close(one: ObjectResult, other: ObjectResult, *, tolerance: float = 1e-3) -> None:
    """Equal but for rounding: batches of other sizes add up in another order; memories are rounded to bfloat16.

    Args:
        tolerance: of the range of the logits, and of a score; pixels whose logit is that close to 0 may differ.
    """
    ours, theirs = one.mask_logits(), other.mask_logits()
    margin = tolerance * max(1.0, np.abs(theirs).max())
    assert np.abs(ours - theirs).max() <= margin
    assert not (one.mask != other.mask)[np.abs(theirs) > margin].any()
    if np.array_equal(one.mask, other.mask):
        assert (one.box, one.area) == (other.box, other.area)
    assert abs(one.object_score_logit - other.object_score_logit) <= tolerance * max(1.0, abs(other.object_score_logit))
    assert abs(one.predicted_iou - other.predicted_iou) <= tolerance
    assert (one.memory_event, one.anchors, one.state) == (other.memory_event, other.anchors, other.state)
