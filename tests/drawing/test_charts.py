"""Pictures of what was predicted, as files."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.drawing.charts import save_picture


def test_a_picture_comes_back_in_its_colours(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    save_picture(tmp_path / 'folder/picture.png', rgb)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'folder/picture.png'))[..., ::-1], rgb)


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    (tmp_path / 'picture.png').symlink_to('/dev/full')
    with pytest.raises(OSError, match='No space left on device'):
        save_picture(tmp_path / 'picture.png', np.zeros((6, 8, 3), np.uint8))
