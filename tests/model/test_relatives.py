"""EdgeTAM and EfficientTAM beside their official code: its samples always, itself where it is at hand."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sam2_ros.evaluation.measures.metrics import region_similarity
from sam2_ros.evaluation.official import load_official, missing_code, official_video_predictor
from sam2_ros.model import VARIANTS, Sam2Network
from sam2_ros.tracking import TrackerOptions, VideoTracker
from tests.common import MICRO, REPOSITORY
from tests.model import relatives
from tests.official_video import LOGIT_TOLERANCE, add_prompt, compare, official_state
from tests.tracking.clips import moving_clip

pytestmark = pytest.mark.slow

TOLERANCE = 1e-4  # of the range of all values of a tensor
MEMORY_TOLERANCE = 2.0**-8  # memories are stored in bfloat16: half a step of it


def tolerance(name: str) -> float:
    return MEMORY_TOLERANCE if name.startswith('memory') else TOLERANCE


@pytest.fixture(scope='module', params=relatives.DIFFERENT)
def ours(request: pytest.FixtureRequest) -> tuple[str, relatives.Figures]:
    with torch.inference_mode():
        return request.param, relatives.our_figures(relatives.random_network(request.param))


def test_every_part_gives_the_official_samples(ours: tuple[str, relatives.Figures]) -> None:
    name, figures = ours
    golden, mine = relatives.golden(name), relatives.sampled(figures)
    assert golden.keys() == mine.keys()
    for part, expected in golden.items():
        assert mine[part]['shape'] == expected['shape'], part
        difference = np.abs(np.subtract(mine[part]['values'], expected['values'])).max()
        assert difference <= tolerance(part) * expected['range'], (part, difference)


def test_objects_differ_and_so_do_prompts(ours: tuple[str, relatives.Figures]) -> None:
    """Otherwise equal samples would say little."""
    _, figures = ours
    for part, tensor in figures.items():
        if len(tensor) > 1:
            assert (tensor[0] - tensor[1]).abs().max() > 10 * tolerance(part) * (tensor.max() - tensor.min()), part
    box, point = figures['box logits'], figures['point logits']
    assert (box - point).abs().max() > 0.05 * (box.max() - box.min())


def run_official(*words: str) -> None:
    subprocess.run(
        [sys.executable, 'tests/model/run_relatives.py', *words],
        cwd=REPOSITORY,
        env=os.environ | {'PYTHONPATH': f'{REPOSITORY}:{os.environ.get("PYTHONPATH", "")}'},
        check=True,
    )


def needs_code(name: str) -> None:
    missing = missing_code(VARIANTS[name])
    if missing:
        pytest.skip(missing)


@pytest.mark.parametrize('name', relatives.RELATIVES)
def test_every_part_gives_the_official_tensors(name: str, tmp_path: Path) -> None:
    needs_code(name)
    run_official('figures', name, str(tmp_path / 'official.npz'))
    ours = relatives.our_figures(relatives.random_network(name))
    with np.load(tmp_path / 'official.npz') as official:
        assert set(official) == set(ours)
        for part, tensor in ours.items():
            expected: Tensor = torch.from_numpy(official[part])
            span = expected.max().clamp(min=0) - expected.min().clamp(max=0)
            assert (tensor.float() - expected).abs().max() <= tolerance(part) * span, part


@pytest.mark.parametrize('kind', ['box', 'points', 'mask'])
@pytest.mark.parametrize('name', relatives.DIFFERENT)
def test_a_clip_is_tracked_as_by_the_official_predictor(name: str, kind: str, tmp_path: Path) -> None:
    needs_code(name)
    run_official('clip', name, kind, str(tmp_path / 'official.npz'))
    network, images, prompts = relatives.clip(name, kind)
    # as probabilities, because random masks have pixels so close to 0 that rounding decides whether they are 0 or 1
    tracker = VideoTracker(network, 'sam2', options=TrackerOptions(binarize_prompt_memory=False))
    ours = {}
    for frame, image in enumerate(images):
        result = tracker.step(image, prompts if frame == 0 else ())
        ours |= {(frame, one): result[one].mask_logits() for one in result}
    with np.load(tmp_path / 'official.npz') as saved:
        official = {(int(key.split()[0]), key.split()[1]): saved[key] for key in saved}
    # the borders of random masks are everywhere: wherever a logit is as near to 0 as the official one may differ
    compare(ours, official, tie=LOGIT_TOLERANCE)
    for frame in (0, len(images) - 1):
        one, other = official[frame, 'a'], official[frame, 'b']
        assert np.abs(one - other).max() > 5 * LOGIT_TOLERANCE * np.ptp(one), 'their prompts do not matter'


@pytest.mark.parametrize('landmarks', ['scores', 'keys'])
def test_landmarks_with_trained_weights(landmarks: str, micro_state_dict: dict[str, Tensor]) -> None:
    """The bundled weights fit a network that reads landmarks: its masks follow the prompts, and are compared, too."""
    config = replace(VARIANTS[MICRO], landmarks=landmarks)
    if missing := missing_code(config):
        pytest.skip(missing)
    video, kinds = moving_clip(relatives.FRAMES), {'a': 'box', 'b': 'point', 'c': 'mask'}
    images = [video.image(frame) for frame in range(len(video))]
    prompts = [video.prompt(object_id, kind) for object_id, kind in kinds.items()]
    network = Sam2Network(config, image_size=256).eval()
    network.load_state_dict(micro_state_dict)
    predictor = official_video_predictor(config, image_size=256, binarize_mask_from_pts_for_mem_enc=True)
    load_official(predictor, micro_state_dict)
    state = official_state(predictor, images)
    for prompt in prompts:
        add_prompt(predictor, state, 0, prompt)
    official = {
        (frame, one): logits[row, 0].numpy()
        for frame, ids, logits in predictor.propagate_in_video(state)
        for row, one in enumerate(ids)
    }
    tracker = VideoTracker(network, 'sam2')
    results = [tracker.step(image, prompts if frame == 0 else ()) for frame, image in enumerate(images)]
    compare(
        {(frame, one): result[one].mask_logits() for frame, result in enumerate(results) for one in kinds}, official
    )
    found = [region_similarity(results[-1][one].mask, video.mask(one, len(video) - 1)) for one in kinds]
    assert np.mean(found) > 0.6, found
