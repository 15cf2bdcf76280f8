"""The choice of device and number format."""

import pytest
import torch

from sam2_ros.model.device import choose_device, choose_dtype


@pytest.mark.parametrize('name', ['cuda:77', 'toaster'])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f'{name}.*accepted are auto, cpu'):
        choose_device(name)


def test_an_open_choice_takes_a_gpu_where_there_is_one() -> None:
    assert choose_device() == torch.device('cuda' if torch.cuda.is_available() else 'cpu')


@pytest.mark.parametrize(
    ('name', 'device', 'expected'),
    [
        ('auto', 'cuda:1', torch.bfloat16),
        ('auto', 'cpu', torch.float32),
        ('bfloat16', 'cpu', torch.bfloat16),
        ('float16', 'cuda', torch.float16),
    ],
)
def test_the_number_format_follows_the_device_or_the_user(name: str, device: str, expected: torch.dtype) -> None:
    assert choose_dtype(name, torch.device(device)) is expected
