"""Labels come from image files as they were written. Masks are tested as prompts, in tests/video/test_prompts.py."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2_ros.files.masks import read_labels

LABELS = np.array([[0, 0, 1, 1], [0, 2, 255, 0], [0, 0, 0, 3]], np.uint8)


@pytest.mark.parametrize('first', [0, 255])
@pytest.mark.parametrize('colours', [4, 256])
def test_labels_of_a_palette_are_the_numbers_of_its_colours(tmp_path: Path, colours: int, first: int) -> None:
    """Whatever the colours are, and if two are the same."""
    labels = np.minimum(LABELS, colours - 1)
    picture = Image.fromarray(labels, 'P')
    picture.putpalette([first] * 6 + [9, 8, 7] * (colours - 2))
    picture.save(tmp_path / 'labels.png')
    np.testing.assert_array_equal(read_labels(tmp_path / 'labels.png'), labels)


@pytest.mark.parametrize('labels', [LABELS, LABELS.astype(np.uint16) * 257])
def test_labels_without_a_palette_are_the_grey_values(tmp_path: Path, labels: np.ndarray) -> None:
    Image.fromarray(labels).save(tmp_path / 'labels.png')
    np.testing.assert_array_equal(read_labels(tmp_path / 'labels.png'), labels, strict=True)


def test_what_holds_no_labels_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.stack([LABELS] * 3, axis=2)).save(tmp_path / 'colours.png')
    with pytest.raises(ValueError, match=r'colours\.png has colours without a palette.* a label image of 8 or 16 bits'):
        read_labels(tmp_path / 'colours.png')
    with pytest.raises(ValueError, match=r'nothing\.png cannot be read: No such file'):
        read_labels(tmp_path / 'nothing.png')
