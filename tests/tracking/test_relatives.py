"""EdgeTAM and EfficientTAM in the tracker: every memory policy, batches of objects, number formats, sizes of images."""

import numpy as np
import pytest
import torch

from sam2_ros.model import Sam2Network, build_sam2
from sam2_ros.tracking import POLICY_NAMES, FrameResult, Prompt, TrackerOptions, VideoTracker
from tests.model.relatives import make_decided, our_figures, random_network
from tests.remembering import remembering
from tests.tracking.clips import Clip, moving_clip
from tests.tracking.fake_graphs import GraphTracker

pytestmark = pytest.mark.slow

FRAMES = 9  # enough for an anchor and for memories that are left out
SIZES = {'edgetam': 256, 'efficienttam_ti': 96, 'efficienttam_ti_2': 96}
# In bfloat16 a number has 8 bits, in float16 11; a network of random weights makes more of an error than a trained one.
FORMATS = {torch.bfloat16: 0.2, torch.float16: 0.03}


@pytest.fixture(scope='module', params=SIZES)
def network(request: pytest.FixtureRequest) -> Sam2Network:
    """It sees every object in every frame, and encodes each image once."""
    network = random_network(request.param, image_size=SIZES[request.param])
    make_decided(network)
    network.encode_image = remembering(network.encode_image)
    return network


@pytest.fixture(scope='module')
def clip() -> Clip:
    return moving_clip(FRAMES, height=60, width=80)


def track(network: Sam2Network, clip: Clip, memory: str, *prompts: Prompt) -> list[FrameResult]:
    tracker = VideoTracker(network, memory, options=TrackerOptions(video_length=FRAMES))
    return [tracker.step(clip.image(frame), prompts if frame == 0 else ()) for frame in range(FRAMES)]


@pytest.mark.parametrize('memory', POLICY_NAMES)
def test_objects_in_a_batch_are_tracked_as_each_alone(network: Sam2Network, clip: Clip, memory: str) -> None:
    prompts = clip.prompt('a', 'box'), clip.prompt('b', 'points')
    together = track(network, clip, memory, *prompts)
    alone = {prompt.object_id: track(network, clip, memory, prompt) for prompt in prompts}
    for frame, result in enumerate(together):
        batched = {object_id: result[object_id].mask_logits() for object_id in alone}
        between_objects = np.abs(batched['a'] - batched['b']).max()
        assert between_objects > 0.01 * np.ptp(batched['a']), 'their prompts do not matter'
        for object_id, results in alone.items():
            # memories are rounded to bfloat16, in batches of another size sometimes to the other side
            difference = np.abs(results[frame][object_id].mask_logits() - batched[object_id]).max()
            assert difference < 0.2 * between_objects, (frame, object_id)
    assert all(result.object_score_logit > 0 for result in together[-1].values())


def test_frames_as_graphs_are_frames(network: Sam2Network, clip: Clip) -> None:
    """An object joins, so that some objects have one memory and others have more."""
    trackers = VideoTracker(network, 'sam2'), GraphTracker(network, 'sam2')
    script = {0: [clip.prompt('a', 'box')], 3: [clip.prompt('b', 'points', 3)]}
    for frame in range(FRAMES):
        plain, graph = (tracker.step(clip.image(frame), script.get(frame, ())) for tracker in trackers)
        for object_id, one in plain.items():
            error = np.abs(graph[object_id].mask_logits() - one.mask_logits()).max()
            assert error < 1e-4 * np.ptp(one.mask_logits()), (frame, object_id)
    assert trackers[1].capture.replays and not trackers[1].graphs.trouble


def test_what_is_remembered_is_read(network: Sam2Network, clip: Clip) -> None:
    """The policies differ in what they read of the same memories, so that their masks differ, too."""
    last = [track(network, clip, memory, clip.prompt('a', 'box'))[-1]['a'] for memory in ('sam2', 'interval')]
    one, other = (result.mask_logits() for result in last)
    assert np.abs(one - other).max() > 1e-4 * np.ptp(one)


@pytest.mark.parametrize('dtype', FORMATS)
def test_reduced_precision_gives_about_the_same(network: Sam2Network, dtype: torch.dtype) -> None:
    reduced = Sam2Network(network.config, image_size=network.image_size).eval()
    reduced.load_state_dict(network.state_dict())
    reduced.to(dtype)
    with torch.inference_mode():
        exact, rounded = our_figures(network), our_figures(reduced)
    for part, tensor in exact.items():
        error = (rounded[part].float() - tensor).square().mean().sqrt()
        assert error < FORMATS[dtype] * (tensor.std() + tensor.abs().mean()), part


@pytest.mark.parametrize(('name', 'sizes'), [('edgetam', (256, 512)), ('efficienttam_ti_1', (32, 96, 160))])
def test_all_allowed_sizes_run(name: str, sizes: tuple[int, ...]) -> None:
    for size in sizes:
        figures = our_figures(random_network(name, image_size=size))
        assert all(tensor.isfinite().all() for tensor in figures.values())
        assert figures['box logits'].shape[1:] == (size // 4, size // 4)


@pytest.mark.parametrize('size', [128, 320, 1000])
def test_other_sizes_of_edgetam_are_refused(size: int) -> None:
    """Its memories are cut into 16 x 16 windows."""
    with pytest.raises(ValueError, match=f'positive multiple of 256 pixels, got {size}'):
        build_sam2('edgetam', image_size=size)
