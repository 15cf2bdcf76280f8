"""What is read from image files before they are decoded."""

from __future__ import annotations

import io
import time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sam2_ros.files.image_headers import image_size, is_truncated

PICTURE = np.random.default_rng(3).integers(0, 256, (37, 53, 3), np.uint8)
JPEG, PNG = (cv2.imencode(extension, PICTURE)[1].tobytes() for extension in ('.jpg', '.png'))


def _saved(kind: str, mode: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PICTURE).convert(mode).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ('kind', 'mode', 'options'),
    [
        ('JPEG', 'RGB', {}),
        ('JPEG', 'L', {}),
        ('JPEG', 'CMYK', {}),
        ('JPEG', 'RGB', {'progressive': True}),
        ('JPEG', 'RGB', {'comment': b'\xff\xc0\xff\xd9' * 9, 'icc_profile': bytes(200_000)}),
        ('PNG', 'RGB', {}),
        ('PNG', 'P', {}),
        ('PNG', 'I;16', {}),
        ('WEBP', 'RGB', {}),
        ('WEBP', 'RGB', {'lossless': True}),
        ('WEBP', 'RGBA', {}),
        ('WEBP', 'RGB', {'exif': b'Exif'}),
        ('TIFF', 'RGB', {}),
        ('TIFF', 'L', {'big_tiff': False}),
    ],
)
def test_size_of_every_kind(kind: str, mode: str, options: dict[str, object]) -> None:
    data = _saved(kind, mode, **options)
    assert image_size(data) == (37, 53)
    assert image_size(memoryview(data)) == (37, 53)
    assert not is_truncated(data)


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'GIF89a' + bytes(100),
        _saved('BMP', 'RGB'),
        JPEG[:30],
        PNG[:20],
        _saved('WEBP', 'RGB')[:27],
        _saved('TIFF', 'RGB')[:12],
        PNG[:16] + bytes(8) + PNG[24:],
    ],
)
def test_a_size_that_is_not_there_is_none(data: bytes) -> None:
    assert image_size(data) is None


@given(st.binary(max_size=80), st.integers(0, 300), st.sampled_from(['JPEG', 'PNG', 'WEBP', 'TIFF']))
def test_any_damage_gives_a_size_or_none(rubbish: bytes, at: int, kind: str) -> None:
    data = _saved(kind, 'RGB')
    size = image_size(data[:at] + rubbish + data[at + len(rubbish) :])
    assert size is None or min(size) > 0
    is_truncated(data[:at] + rubbish)


@pytest.mark.parametrize('between', [b'', b'\xff\xff', b'rubbish', b'\xff\0\0'])
def test_what_lies_between_the_segments_of_a_jpeg_is_skipped_as_the_decoder_does(between: bytes) -> None:
    data = JPEG[:2] + b'\xff\xfe\x00\x04ab' + between + JPEG[2:]
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == PICTURE.shape
    assert image_size(data) == (37, 53)
    assert not is_truncated(data)
    assert is_truncated(data[:-2])


@pytest.mark.parametrize('filling', [b'\xff', b'\xff\x01', b'\xff\xfe\x00\x02', b'\0'])
def test_megabytes_of_nothing_cost_no_time(filling: bytes) -> None:
    data = JPEG[:3] + filling * (10_000_000 // len(filling))
    started = time.process_time()
    assert image_size(data) is None
    assert is_truncated(data)
    assert time.process_time() - started < 1.0
