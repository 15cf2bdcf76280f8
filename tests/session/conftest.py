"""What tests of the session share: the very small network and the clip of the tracker's tests, and their images."""

from collections.abc import Sequence

import numpy as np
import pytest

from sam2_ros.tracking import FrameResult
from tests.tracking.clips import Clip
from tests.tracking.conftest import clip, small

__all__ = ['clip', 'small']  # fixtures of the tests here, too


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
