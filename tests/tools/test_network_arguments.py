"""Networks from the command line."""

import argparse

import pytest
import torch

from sam2_ros.tools.network_arguments import add_model_arguments, load_requested_network


def model_options(*words):
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    return parser.parse_args(words)


def test_a_network_is_built_as_asked(micro_weights):
    model = load_requested_network(
        model_options(
            '--checkpoint', str(micro_weights), '--image-size', '64', '--dtype', 'bfloat16', '--device', 'cpu'
        )
    )
    assert (model.image_size, model.dtype, model.device.type) == (64, torch.bfloat16, 'cpu')


def test_a_network_without_weights_is_refused():
    with pytest.raises(ValueError, match=r'no bundled weights.*download_weights sam2.1_hiera_tiny'):
        load_requested_network(model_options('--model', 'sam2.1_hiera_tiny'))
