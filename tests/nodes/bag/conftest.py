"""Fixtures of the tests with bags."""

import pytest

from sam2_ros.tools.track_bag import main


@pytest.fixture
def run(micro_weights, tmp_path):
    """Runs the command line on a bag; returns the exit status."""

    def run(bag, *words):
        return main([str(bag), str(tmp_path / 'out'), '--checkpoint', str(micro_weights), '--image-size', '64', *words])

    return run
