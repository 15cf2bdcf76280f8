"""Checkpoints load strictly, and what does not fit is explained."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from sam2_ros.model import VARIANTS, Sam2Network, build_sam2
from sam2_ros.model.checkpoints import CheckpointError, load_checkpoint, load_state_dict
from sam2_ros.model.hugging_face import to_hugging_face
from tests.common import MICRO

pytestmark = pytest.mark.slow

StateDict = dict[str, Tensor]


def save_meta(state_dict: StateDict, path: Path) -> Path:
    torch.save({'model': state_dict}, path)
    return path


def save_own(state_dict: StateDict, path: Path) -> Path:
    safetensors.torch.save_file({key: tensor.contiguous() for key, tensor in state_dict.items()}, path)
    return path


def save_hugging_face(state_dict: StateDict, path: Path) -> Path:
    return save_own(to_hugging_face(state_dict), path)


SAVERS = [save_meta, save_own, save_hugging_face]


@pytest.fixture
def network() -> Sam2Network:
    return Sam2Network(VARIANTS[MICRO])


@pytest.mark.parametrize('save', SAVERS)
def test_every_format_gives_the_same_weights(
    save: Callable[[StateDict, Path], Path], micro_state_dict: StateDict, network: Sam2Network, tmp_path: Path
) -> None:
    path = save(micro_state_dict, tmp_path / 'weights.bin')  # the content decides, not the name
    load_checkpoint(network, path)
    loaded = network.state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in micro_state_dict.items())


def test_half_precision_storage_is_cast(micro_state_dict: StateDict, tmp_path: Path) -> None:
    path = save_own({key: tensor.half() for key, tensor in micro_state_dict.items()}, tmp_path / 'half.safetensors')
    assert all(tensor.dtype == torch.float16 for tensor in load_state_dict(path).values())
    model = build_sam2(MICRO, checkpoint=path)
    assert model.dtype == torch.float32
    assert torch.equal(model.no_obj_ptr, micro_state_dict['no_obj_ptr'].half().float())


@pytest.mark.parametrize('save', [save_meta, save_own])
@pytest.mark.parametrize('kept', [0, 3, 1000, -1])
def test_a_truncated_file_is_refused(
    save: Callable[[StateDict, Path], Path],
    kept: int,
    micro_state_dict: StateDict,
    network: Sam2Network,
    tmp_path: Path,
) -> None:
    path = save(micro_state_dict, tmp_path / 'cut')
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match='truncated or damaged'):
        load_checkpoint(network, path)


@pytest.mark.parametrize('save', [save_meta, save_own])
def test_wrong_bits_are_refused_or_harmless(save: Callable[[StateDict, Path], Path], tmp_path: Path) -> None:
    """Either the path in a CheckpointError, whatever the bit breaks, or a tensor with one wrong number."""
    path = save({f'weights.{number}': torch.ones(3, number + 1) for number in range(8)}, tmp_path / 'bits.pt')
    whole, generator, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(600):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        try:
            load_state_dict(path)
        except CheckpointError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 50


@pytest.mark.parametrize('save', SAVERS)
@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_no_numbers_are_refused(
    save: Callable[[StateDict, Path], Path],
    value: float,
    micro_state_dict: StateDict,
    network: Sam2Network,
    tmp_path: Path,
) -> None:
    spoilt = micro_state_dict['no_obj_ptr'].clone()
    spoilt[0, 7] = value
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    path = save(micro_state_dict | {'no_obj_ptr': spoilt}, tmp_path / 'spoilt')
    with pytest.raises(CheckpointError, match=r'spoilt has values that are not numbers .* in no_obj_ptr'):
        load_checkpoint(network, path)
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


def test_a_missing_file_is_refused(network: Sam2Network, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'no checkpoint .*nowhere\.pt'):
        load_checkpoint(network, tmp_path / 'nowhere.pt')


def test_a_text_file_is_refused(network: Sam2Network, tmp_path: Path) -> None:
    path = tmp_path / 'model.pt'
    path.write_text('<html>404 Not Found</html>' * 100)
    with pytest.raises(CheckpointError, match=r'neither a \.pt nor a \.safetensors'):
        load_checkpoint(network, path)


def test_code_in_a_file_is_not_run(network: Sam2Network, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return Path.touch, (tmp_path / 'ran',)  # type: ignore[return-value]

    torch.save({'model': Payload()}, tmp_path / 'evil.pt')
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(network, tmp_path / 'evil.pt')
    message = str(caught.value)
    assert 'holds more than weights' in message and "'getattr'" in message and 'evil.pt' in message
    assert not any(advice in message for advice in ('damaged', 'weights_only', 'add_safe_globals', 'Re-running'))
    assert len(message) < 400 + len(str(tmp_path))
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('content', [{}, [1], {'model': [1]}, {'state_dict': {}}])
def test_another_layout_is_refused(content: object, network: Sam2Network, tmp_path: Path) -> None:
    torch.save(content, tmp_path / 'other.pt')
    with pytest.raises(CheckpointError, match="'model': state_dict"):
        load_checkpoint(network, tmp_path / 'other.pt')


def test_integer_weights_are_refused(micro_state_dict: StateDict, network: Sam2Network, tmp_path: Path) -> None:
    changed = micro_state_dict | {'no_obj_ptr': torch.zeros(1, 128, dtype=torch.int64)}
    with pytest.raises(CheckpointError, match=r'no_obj_ptr is torch\.int64'):
        load_checkpoint(network, save_meta(changed, tmp_path / 'integers.pt'))


def test_the_differences_are_listed_and_nothing_is_loaded(
    micro_state_dict: StateDict, network: Sam2Network, tmp_path: Path
) -> None:
    changed = dict(micro_state_dict)
    del changed['no_obj_ptr']
    changed['surplus'] = torch.zeros(2)
    changed['obj_ptr_tpos_proj.bias'] = torch.zeros(7)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(network, save_meta(changed, tmp_path / 'changed.pt'))
    message = str(caught.value)
    assert 'changed.pt' in message
    assert '1 missing (no_obj_ptr)' in message
    assert '1 unexpected (surplus)' in message
    assert '1 misshapen (obj_ptr_tpos_proj.bias (7,) instead of (32,))' in message
    assert f'looks most like {MICRO}' in message
    after = network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize(('name', 'save'), [('sam2.1_hiera_small', save_meta), ('sam2_hiera_tiny', save_hugging_face)])
def test_the_variant_of_a_renamed_file_is_recognised(
    name: str, save: Callable[[StateDict, Path], Path], network: Sam2Network, tmp_path: Path
) -> None:
    with torch.device('meta'):
        shapes = {key: tensor.shape for key, tensor in Sam2Network(VARIANTS[name]).state_dict().items()}
    path = save({key: torch.zeros(shape) for key, shape in shapes.items()}, tmp_path / 'renamed')
    with pytest.raises(CheckpointError, match=re.escape(f'It is a {name}')):
        load_checkpoint(network, path)


def test_an_image_only_file_is_recognised(micro_state_dict: StateDict, network: Sam2Network, tmp_path: Path) -> None:
    parts = ('vision_encoder.', 'prompt_encoder.', 'mask_decoder.', 'shared_image_embedding.', 'no_memory_embedding')
    image_only = {key: value for key, value in to_hugging_face(micro_state_dict).items() if key.startswith(parts)}
    with pytest.raises(CheckpointError, match=f'image part of {MICRO}: take the file of the video model'):
        load_checkpoint(network, save_own(image_only, tmp_path / 'model.safetensors'))


def test_counters_of_batch_norms_are_left_out(tmp_path: Path) -> None:
    """The published file of EdgeTAM has them; they are integers, which weights must not be."""
    network = Sam2Network(VARIANTS['edgetam'])
    weights = {key: tensor.clone().add_(1) for key, tensor in network.state_dict().items()}
    counters = {
        key.replace('running_var', 'num_batches_tracked'): torch.tensor(7) for key in weights if 'running_var' in key
    }
    path = save_meta(weights | counters, tmp_path / 'weights.pt')
    load_checkpoint(network, path)
    assert counters and all(torch.equal(tensor, weights[key]) for key, tensor in network.state_dict().items())


def test_a_published_file_of_another_kind_is_refused_though_its_tensors_fit(tmp_path: Path) -> None:
    weights = Sam2Network(VARIANTS['efficienttam_ti_2']).state_dict()
    path = save_meta(weights, tmp_path / 'efficienttam_ti_2.pt')
    with pytest.raises(CheckpointError, match='trained for another computation: take model efficienttam_ti_2'):
        build_sam2('efficienttam_ti', path)
    assert build_sam2('efficienttam_ti_2', path).config.landmarks == 'keys'
    build_sam2('efficienttam_ti', path.rename(tmp_path / 'mine.pt'))


def test_tensors_of_something_else_are_not_attributed(network: Sam2Network, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='looks like none of'):
        load_checkpoint(network, save_meta({'conv1.weight': torch.zeros(3)}, tmp_path / 'resnet.pt'))


def test_a_published_name_demands_the_published_content(
    micro_state_dict: StateDict, network: Sam2Network, tmp_path: Path
) -> None:
    path = save_meta(micro_state_dict, tmp_path / 'sam2.1_hiera_small.pt')
    with pytest.raises(CheckpointError, match=r'bytes, the published sam2\.1_hiera_small\.pt has 184416285'):
        load_checkpoint(network, path)
    with open(path, 'r+b') as file:
        file.truncate(184_416_285)  # the right length, the wrong content
    with pytest.raises(CheckpointError, match=r'SHA-256.*rename it if these are weights of your own'):
        load_checkpoint(network, path)
