"""Images in, masks and boxes out."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from sam2_ros.model.normalization import normalize
from sam2_ros.tracking.masks import box_of, resolve_overlaps
from sam2_ros.tracking.options import TrackerOptions
from sam2_ros.tracking.postprocessing import clean_logits, masks_at, resize_logits
from sam2_ros.tracking.preprocessing import RESIZERS, check_image, shrink

EIGHT = np.ones((3, 3))  # neighbours of a pixel


def picture(height: int = 180, width: int = 240) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize('size', [64, 128, 256])
@pytest.mark.parametrize('noisy', [False, True])
def test_the_default_resizer_is_that_of_the_official_video_predictor(size: int, noisy: bool) -> None:
    """Pillow, bicubic on bytes, but for rounding: one grey level, two where the image grows, in few places."""
    image = picture()
    if noisy:
        image = np.random.default_rng(1).integers(0, 256, image.shape, dtype=np.uint8)
    ours = shrink(image, size, 'bicubic').permute(1, 2, 0).numpy().astype(int)
    official = np.asarray(Image.fromarray(image).resize((size, size))).astype(int)
    assert np.abs(ours - official).max() <= (1 if size < 180 else 2)
    assert (ours != official).mean() < 0.02


@pytest.mark.parametrize('size', [64, 256])
def test_the_pillow_resizer_is_that_of_the_official_video_predictor_to_the_bit(size: int) -> None:
    ours = shrink(picture(), size, 'pillow').permute(1, 2, 0).numpy()
    assert np.array_equal(ours, np.asarray(Image.fromarray(picture()).resize((size, size))))


def test_without_pillow_its_resizer_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('sam2_ros.tracking.options.find_spec', lambda name: None)
    with pytest.raises(ValueError, match='pip install pillow'):
        TrackerOptions(resize='pillow')


@pytest.mark.parametrize('resize', sorted(RESIZERS))
def test_an_image_of_the_networks_size_stays_as_it_is(resize: str) -> None:
    """So the caller may resize in a way of his own."""
    assert np.array_equal(shrink(picture(64, 64), 64, resize).permute(1, 2, 0).numpy(), picture(64, 64))


def test_the_bilinear_resizer_is_antialiased_and_keeps_fractions() -> None:
    ours = shrink(picture(), 64, 'bilinear').permute(1, 2, 0).numpy()
    official = np.asarray(Image.fromarray(picture()).resize((64, 64), Image.Resampling.BILINEAR))
    assert np.abs(ours - official).max() < 1.5
    assert (ours % 1 != 0).any()


@pytest.mark.parametrize('resize', sorted(RESIZERS))
@pytest.mark.parametrize('size', [64, 128])
def test_the_callers_image_may_change_afterwards(resize: str, size: int) -> None:
    image = picture(64, 64).copy()
    small = shrink(image, size, resize)
    before = small.clone()
    image[:] = 0
    assert torch.equal(small, before)


def test_normalised_values() -> None:
    grey = shrink(np.full((5, 7, 3), 255, np.uint8), 32, 'bicubic')
    out = normalize(grey / 255)
    assert out.shape == (3, 32, 32) and out.dtype == torch.float32
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(out.amax(dim=(1, 2)), expected)
    torch.testing.assert_close(out.amin(dim=(1, 2)), expected)


@pytest.mark.parametrize(
    ('image', 'error'),
    [
        (np.zeros((4, 4, 3), np.float32), TypeError),
        ([[1]], TypeError),
        (np.zeros((4, 4), np.uint8), ValueError),
        (np.zeros((4, 4, 4), np.uint8), ValueError),
        (np.zeros((0, 4, 3), np.uint8), ValueError),
    ],
)
def test_unsuitable_images(image: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=r'\(H, W, 3\) uint8 array in RGB order'):
        check_image(image)  # type: ignore[arg-type]


@pytest.mark.parametrize('size', [(45, 77), (16, 16), (9, 10)])
def test_logits_are_resized_as_in_the_official_predictor(size: tuple[int, int]) -> None:
    logits = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0)) * 10
    official = F.interpolate(logits[:, None], size, mode='bilinear', align_corners=False)[:, 0]
    torch.testing.assert_close(resize_logits(logits, size), official, atol=1e-4, rtol=0)
    for mask, expected in zip(masks_at(logits, size), official > 0, strict=True):
        assert mask.dtype == bool
        assert (mask == expected.numpy()).mean() > 0.999


def test_boxes_are_half_open() -> None:
    mask = np.zeros((10, 12), dtype=bool)
    assert box_of(mask) is None
    mask[5, 3] = True
    assert box_of(mask) == (3, 5, 4, 6)
    mask[9, 11] = True
    assert box_of(mask) == (3, 5, 12, 10)


def test_a_box_leaves_out_specks_but_no_piece_of_an_object_that_is_cut_apart() -> None:
    mask = np.zeros((240, 320), dtype=bool)
    mask[40:80, 30:70] = True
    for row, column in ((3, 5), (230, 310), (0, 319), (239, 0)):
        mask[row, column] = True
    mask[200:210, 290:297] = True
    assert box_of(mask) == (30, 40, 70, 80)
    mask[:, 48:52] = False  # a pole in front of it: twice 720 pixels beside 70
    assert box_of(mask) == (30, 40, 70, 80)
    mask[200:210, 290:310] = True  # 200 pixels are no speck
    assert box_of(mask) == (30, 40, 310, 210)
    ring = np.zeros((240, 320), dtype=bool)
    ring[10:50, 10:50] = True
    ring[11:49, 11:49] = False  # as large as what it encloses
    ring[200:210, 200:210] = True
    assert box_of(ring) == (10, 10, 50, 50)


def expected_box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """Without outlines: components, their holes filled, inner ones gone."""
    pieces = [
        ndimage.binary_fill_holes(labels == number)
        for labels, count in [ndimage.label(mask, EIGHT)]
        for number in range(1, count + 1)
    ]
    if not pieces:
        return None
    least = max(piece.sum() for piece in pieces) / 10
    rows, columns = np.nonzero(np.any([piece for piece in pieces if piece.sum() >= least], axis=0))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), smooth=st.floats(0.5, 4), height=st.integers(1, 60), width=st.integers(1, 60))
def test_boxes_are_those_of_the_large_components(seed: int, smooth: float, height: int, width: int) -> None:
    noise = np.random.default_rng(seed).normal(size=(height, width))
    mask = ndimage.gaussian_filter(noise, smooth, mode='constant') > 0
    box = box_of(mask)
    assert box == expected_box(mask)
    if box is None:
        assert not mask.any()
        return
    x0, y0, x1, y1 = box
    assert box_of(mask[:, ::-1]) == (width - x1, y0, width - x0, y1)
    assert box_of(mask[::-1]) == (x0, height - y1, x1, height - y0)
    transposed = box_of(mask.T)
    assert transposed == (y0, x0, y1, x1)
    rows, columns = np.nonzero(mask)
    assert columns.min() <= x0 and rows.min() <= y0 and x1 <= columns.max() + 1 and y1 <= rows.max() + 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), hole=st.integers(0, 6), speck=st.integers(0, 6))
def test_holes_are_filled_and_specks_removed(seed: int, hole: int, speck: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(1, 20, 24)).astype(np.float32)
    logits = ndimage.gaussian_filter(logits, (0, 0.8, 0.8))
    filled = logits[0] > 0
    labels, count = ndimage.label(~filled, EIGHT)
    for component in range(1, count + 1):
        if (labels == component).sum() <= hole:
            filled = filled | (labels == component)
    expected = filled.copy()
    labels, count = ndimage.label(filled, EIGHT)
    for component in range(1, count + 1):
        if (labels == component).sum() <= speck:
            expected &= labels != component
    cleaned = clean_logits(torch.from_numpy(logits), max_hole_area=hole, max_speck_area=speck)[0].numpy()
    assert ((cleaned > 0) == expected).all()
    kept = (cleaned > 0) == (logits[0] > 0)
    assert (cleaned[kept] == logits[0][kept]).mean() > 0.9  # what is not in such a component keeps its logit


def test_cleaning_is_off_by_default() -> None:
    logits = torch.randn(2, 8, 8)
    assert clean_logits(logits, max_hole_area=0, max_speck_area=0) is logits


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 4))
def test_contested_pixels_go_to_the_highest_logit(seed: int, count: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(count, 6, 7)).astype(np.float32)
    masks = resolve_overlaps(list(logits > 0), lambda index: logits[index])
    for index, mask in enumerate(masks):
        assert (mask == (logits[index] > 0) & (logits.argmax(axis=0) == index)).all()


def test_logits_are_asked_for_only_where_objects_overlap() -> None:
    apart = [np.eye(4, dtype=bool), np.eye(4, dtype=bool)[::-1]]

    def refuse(index: int) -> np.ndarray:
        raise AssertionError(f'logits of {index} were computed')

    assert [mask.sum() for mask in resolve_overlaps(apart, refuse)] == [4, 4]
