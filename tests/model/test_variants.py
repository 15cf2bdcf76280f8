"""The published variants have exactly the published tensors."""

import gzip

import pytest
import torch

from sam2_ros.model import VARIANTS, Sam2Network, build_sam2
from tests.common import REPOSITORY

KEYS = REPOSITORY / 'tests/data/sam2_keys'
PUBLISHED = [name for name in VARIANTS if name != 'sam2.1_hiera_micro']
PARAMETERS = {  # learned numbers, without the Gaussian matrix
    'sam2.1_hiera_micro': 4_556_386,
    'sam2.1_hiera_tiny': 38_962_498,
    'sam2.1_hiera_small': 46_060_354,
    'sam2.1_hiera_base_plus': 80_850_178,
    'sam2.1_hiera_large': 224_446_642,
    'sam2_hiera_tiny': 38_945_986,
    'sam2_hiera_small': 46_043_842,
    'sam2_hiera_base_plus': 80_833_666,
    'sam2_hiera_large': 224_430_130,
    'edgetam': 13_895_794,
    **{f'efficienttam_s{kind}': 34_055_842 for kind in ('', '_512x512', '_1', '_2')},
    **{f'efficienttam_ti{kind}': 17_866_018 for kind in ('', '_512x512', '_1', '_2')},
}


def on_meta(name: str) -> Sam2Network:
    with torch.device('meta'):
        return Sam2Network(VARIANTS[name])


def published_table(name: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    if 'hiera' in name:
        table = name.replace('sam2_hiera', 'sam2.0').replace('_hiera', '')
    else:
        table = '_'.join(name.split('_')[:2])  # the kinds of EfficientTAM have the same tensors
    with gzip.open(KEYS / f'keys_{table}.txt.gz', 'rt') as file:
        rows = [line.rstrip('\n').split('\t') for line in file if not line.startswith('#')]
    return {key: (dtype, tuple(int(n) for n in shape.split('x') if n)) for key, dtype, shape in rows}


@pytest.mark.slow
@pytest.mark.parametrize('name', PUBLISHED)
def test_tensors_are_the_published_ones(name: str) -> None:
    ours = {
        key: (str(tensor.dtype).removeprefix('torch.'), tuple(tensor.shape))
        for key, tensor in on_meta(name).state_dict().items()
    }
    assert ours == published_table(name)


def test_there_is_a_table_for_each_published_variant() -> None:
    assert len(PUBLISHED) == 17
    assert len(published_table('sam2.1_hiera_tiny')) == 471
    assert len(published_table('sam2_hiera_large')) == 900
    assert len(published_table('edgetam')) == 876
    assert len(published_table('efficienttam_ti_1')) == 455


@pytest.mark.parametrize('name', VARIANTS)
def test_number_of_parameters(name: str) -> None:
    assert sum(parameter.numel() for parameter in on_meta(name).parameters()) == PARAMETERS[name]


def test_without_weights_there_is_a_warning() -> None:
    with pytest.warns(UserWarning, match=r'random.*download_weights sam2\.1_hiera_tiny'):
        model = build_sam2('sam2.1_hiera_tiny', image_size=64)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r'sam2\.1_hiera_huge.*sam2\.1_hiera_large'):
        build_sam2('sam2.1_hiera_huge')


@pytest.mark.parametrize('image_size', [0, -32, 100, 1000, 256.0])
def test_an_image_size_that_is_no_multiple_of_32_is_refused(image_size: float) -> None:
    with pytest.raises(ValueError, match='multiple of 32'):
        build_sam2('sam2.1_hiera_micro', image_size=image_size)  # type: ignore[arg-type]


def test_an_integer_dtype_is_refused() -> None:
    with pytest.raises(TypeError, match='floating'):
        build_sam2('sam2.1_hiera_micro', dtype=torch.int8)
