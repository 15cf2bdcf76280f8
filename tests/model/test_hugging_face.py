"""Hugging Face's tensor names and Meta's, in both directions."""

import gzip

import pytest
import torch
from torch import Tensor

from sam2_ros.model import VARIANTS, Sam2Network
from sam2_ros.model.hugging_face import is_hugging_face, to_hugging_face, to_meta
from tests.common import REPOSITORY

KEYS = REPOSITORY / 'tests/data/sam2_keys'
TABLES = ['sam2.0_tiny', 'sam2.1_tiny', 'sam2.1_small', 'sam2.1_base_plus', 'sam2.1_large']
GAUSSIAN_COPY = 'shared_image_embedding.positional_embedding'


def rows(table: str) -> list[tuple[str, str, tuple[int, ...]]]:
    """(Meta's name, Hugging Face's name, shape); a name ending in [i] means row i of that tensor."""
    with gzip.open(KEYS / f'hf_map_{table}.tsv.gz', 'rt') as file:
        lines = [line.rstrip('\n').split('\t') for line in file if not line.startswith('#')]
    return [(meta, face, tuple(int(n) for n in shape.split('x') if n)) for meta, face, shape in lines]


def numbered(table: str) -> dict[str, Tensor]:
    """Tensors under Meta's names, each with its own content; their size does not matter to the renaming."""
    return {
        meta: torch.full([min(n, 8) for n in shape], float(index)) for index, (meta, _, shape) in enumerate(rows(table))
    }


@pytest.mark.parametrize('table', TABLES)
def test_every_tensor_gets_the_published_name(table: str) -> None:
    meta = numbered(table)
    face = to_hugging_face(meta)
    for meta_name, face_name, _ in rows(table):
        name, _, row = face_name.partition('[')
        tensor = face[name][[int(row[:-1])]] if row else face[name]
        assert torch.equal(tensor, meta[meta_name]), (meta_name, face_name)
    assert set(face) == {face_name.split('[')[0] for _, face_name, _ in rows(table)} | {GAUSSIAN_COPY}


@pytest.mark.parametrize('table', TABLES)
def test_the_round_trip_is_bit_identical(table: str) -> None:
    generator = torch.Generator().manual_seed(1)
    meta = {key: torch.randn(tensor.shape, generator=generator) for key, tensor in numbered(table).items()}
    back = to_meta(to_hugging_face(meta))
    assert set(back) == set(meta)
    assert all(torch.equal(back[key], meta[key]) for key in meta)


def test_every_tensor_of_edgetam_gets_the_name_and_shape_of_transformers() -> None:
    """Keys and values of its latents are one tensor here and two there."""
    with gzip.open(KEYS / 'hf_keys_edgetam.txt.gz', 'rt') as file:
        lines = [line.rstrip('\n').split('\t') for line in file if not line.startswith('#')]
    expected = {key: tuple(int(n) for n in shape.split('x')) for key, shape in lines}
    published = Sam2Network(VARIANTS['edgetam']).state_dict()
    face = to_hugging_face(published)
    assert {key: tuple(tensor.shape) for key, tensor in face.items()} == expected
    back = to_meta(face)
    assert set(back) == set(published)
    assert all(torch.equal(back[key], tensor) for key, tensor in published.items())


def test_the_two_styles_are_told_apart() -> None:
    meta = numbered('sam2.1_tiny')
    assert is_hugging_face(to_hugging_face(meta))
    assert not is_hugging_face(meta)


def test_unknown_names_and_shapes_stay_visible() -> None:
    face = to_hugging_face(numbered('sam2.1_tiny'))
    face['vision_encoder.backbone.blocks.0.extra.weight'] = torch.zeros(1)
    face['prompt_encoder.point_embed.weight'] = torch.zeros(3, 8)
    face[GAUSSIAN_COPY] = face[GAUSSIAN_COPY] + 1
    back = to_meta(face)
    assert 'vision_encoder.backbone.blocks.0.extra.weight' in back
    assert 'prompt_encoder.point_embed.weight' in back
    assert GAUSSIAN_COPY in back
