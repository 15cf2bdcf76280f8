"""Fixtures shared by all tests."""

from pathlib import Path

import pytest
from hypothesis import settings
from torch import Tensor

from sam2_ros.model import Sam2Network, build_sam2
from sam2_ros.model.checkpoints import load_state_dict
from tests.common import MICRO, REPOSITORY

# The same examples in every run, and no time limits: other tests share the processor.
settings.register_profile('repeatable', deadline=None, derandomize=True)
settings.load_profile('repeatable')

# What `make quick` leaves out because it needs a ROS graph, other processes or whole clips: folders and files.
SLOW = (
    'evaluation/test_',
    'live/test_prompt_jobs.py',
    'model/test_chain.py',
    'model/test_checkpoints.py',
    'model/test_image_encoder.py',
    'model/test_memory.py',
    'model/test_network.py',
    'nodes/bag/',
    'nodes/edge/test_qos.py',
    'nodes/edge/test_startup.py',
    'nodes/recorder/',
    'nodes/tracker/test_',
    'nodes/video_player/',
    'package/test_build.py',
    'package/test_docs.py',
    'synthetic/test_demo_scene.py',
    'synthetic/test_scene.py',
    'test_interruption.py',
    'tools/',
    'tracking/test_',
    'training/test_batches.py',
    'training/test_learning.py',
    'training/test_rollout.py',
    'training/test_settings.py',
    'training/test_train.py',
)
QUICK = (
    'evaluation/test_predictions.py',
    'nodes/tracker/test_labels.py',
    'tools/test_network_arguments.py',
    'tracking/test_distractor.py',
    'tracking/test_image_processing.py',
    'tracking/test_prompt.py',
)  # in spite of that


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file = item.path.relative_to(Path(__file__).parent).as_posix()
        if file.startswith(SLOW) and file not in QUICK:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope='session')
def micro_weights() -> Path:
    """File of trained weights of the micro variant: masks follow the prompt, objects come and go."""
    return REPOSITORY / f'sam2_ros/weights/{MICRO}.safetensors'


@pytest.fixture(scope='session')
def micro_state_dict(micro_weights: Path) -> dict[str, Tensor]:
    """Those weights in float32, under Meta's names."""
    return {key: tensor.float() for key, tensor in load_state_dict(micro_weights).items()}


@pytest.fixture(scope='session')
def micro(micro_weights: Path) -> Sam2Network:
    """The trained micro network at 256 pixels, float32 on the CPU; shared, so leave it as it is."""
    return build_sam2(MICRO, checkpoint=micro_weights, image_size=256)


@pytest.fixture(scope='session')
def micro128(micro_weights: Path) -> Sam2Network:
    """The same at 128 pixels, for tests that track many frames; shared, so leave it as it is."""
    return build_sam2(MICRO, checkpoint=micro_weights, image_size=128)
