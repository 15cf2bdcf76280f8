"""EdgeTAM, whose memories are tokens, and EfficientTAM, which has no fine features, in a session on a whole video."""

import numpy as np
import pytest

from sam2_ros.session import SessionOptions, VideoSession
from tests.model.relatives import make_decided, random_network
from tests.tracking.clips import moving_clip

FRAMES, START = 8, 3


@pytest.mark.parametrize(('name', 'size'), [('edgetam', 256), ('efficienttam_ti_1', 96)])
def test_what_went_to_a_file_is_read_as_it_was(name: str, size: int) -> None:
    network, video = random_network(name, image_size=size), moving_clip(FRAMES, height=60, width=80)
    make_decided(network)

    def masks(memory_bytes: int) -> np.ndarray:
        options = SessionOptions(memory_bytes=memory_bytes, features_bytes=0)
        session = VideoSession(network, [video.image(frame) for frame in range(FRAMES)], options=options)
        session.prompt(START, video.prompt('a', 'box', START))
        session.prompt(START, video.prompt('b', 'points', START))
        results = [*session.propagate(start=START), *session.propagate(start=START, reverse=True)]
        return np.array([[result[one].mask for one in 'ab'] for result in results])

    in_memory, in_a_file = masks(10**9), masks(10_000)
    assert len(in_memory) == FRAMES + 1
    assert np.array_equal(in_memory, in_a_file)
    assert (in_memory[:, 0] != in_memory[:, 1]).any(axis=(1, 2)).all()
