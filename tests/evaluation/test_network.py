"""The network of an evaluation is the one that was named."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from sam2_ros.evaluation.network import NetworkSource
from tests.common import MICRO


@pytest.mark.slow
def test_a_checkpoint_that_changes_while_a_run_goes_on_is_refused(micro_weights: Path, tmp_path: Path) -> None:
    """Or the new network's masks would be kept as those of the old one."""
    checkpoint = tmp_path / 'weights.safetensors'
    shutil.copy(micro_weights, checkpoint)
    changing = NetworkSource(MICRO, checkpoint, image_size=128)
    assert changing.weights_digest == NetworkSource(MICRO, micro_weights, image_size=128).weights_digest
    changing.load()
    save_file({name: tensor * 0.5 for name, tensor in load_file(checkpoint).items()}, checkpoint)
    with pytest.raises(ValueError, match=r'weights\.safetensors has changed since this run began'):
        changing.load()
