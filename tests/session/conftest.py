"""What tests of the session share: a very small network, and a video that is drawn when it is asked for."""

from collections.abc import Sequence

import numpy as np
import pytest

from sam2_ros.model import Sam2Network
from sam2_ros.tracking import FrameResult
from tests.random_weights import randomise
from tests.remembering import remembering
from tests.tracking.clips import Clip, moving_clip
from tests.tracking.conftest import SMALLEST


@pytest.fixture(scope='session')
def small() -> Sam2Network:
    """A very small network with random weights. What it finds means nothing, but depends on all it reads."""
    network = Sam2Network(SMALLEST).eval().requires_grad_(False)
    randomise(network, seed=5)
    network.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(10.0)
    network.encode_image = remembering(network.encode_image)
    return network


@pytest.fixture(scope='session')
def clip() -> Clip:
    """24 frames of 120 x 96 pixels."""
    return moving_clip(height=96, width=120)


@pytest.fixture(scope='session')
def images(clip: Clip) -> list[np.ndarray]:
    return [clip.image(frame) for frame in range(len(clip))]


def assert_same(one: Sequence[FrameResult], other: Sequence[FrameResult]) -> None:
    """Bit for bit."""
    assert [(result.frame_index, list(result)) for result in one] == [
        (result.frame_index, list(result)) for result in other
    ]
    for mine, theirs in zip(one, other, strict=True):
        for name in mine:
            assert np.array_equal(mine[name].mask_logits(), theirs[name].mask_logits()), (mine.frame_index, name)
            assert np.array_equal(mine[name].mask, theirs[name].mask)
            assert [
                (o.object_score_logit, o.predicted_iou, o.hidden_frames, o.state, o.memory_event, o.memory_reason)
                for o in (mine[name],)
            ] == [
                (o.object_score_logit, o.predicted_iou, o.hidden_frames, o.state, o.memory_event, o.memory_reason)
                for o in (theirs[name],)
            ]
