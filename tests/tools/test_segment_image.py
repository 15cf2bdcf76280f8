"""The command line that segments everything in an image."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.tools.segment_image import main
from tests.scenes import Scene, scene

OPTIONS = ['--points-per-side', '8', '--image-size', '256', '--pred-iou-thresh', '0.4']


@pytest.fixture(scope='module')
def picture() -> Scene:
    return scene(height=150, width=210, seed=1)


@pytest.fixture
def file(tmp_path: Path, picture: Scene) -> Path:
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), picture.image[..., ::-1])
    return path


def test_masks_and_a_picture_are_written(
    file: Path, picture: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    assert main([str(file), *OPTIONS]) == 0
    folder = file.parent / 'picture_masks'
    written = json.loads((folder / 'masks.json').read_text())
    assert written['image'] == {'file_name': 'picture.png', 'height': 150, 'width': 210}
    masks = [RunLengths.from_coco(record['segmentation'], size=(150, 210)) for record in written['annotations']]
    assert [mask.area for mask in masks] == [record['area'] for record in written['annotations']] != []
    overlay = cv2.imread(str(folder / 'overlay.png'))[..., ::-1]
    covered = np.any([mask.mask() for mask in masks], axis=0)
    changed = (overlay != picture.image).any(-1)
    assert (
        changed[covered].mean() > 0.95
        and changed[~cv2.dilate(covered.astype(np.uint8), np.ones((9, 9))).astype(bool)].sum() == 0
    )
    assert f'{len(masks)} masks' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--points-per-side', '0'], 'no point in a layer'),
        (['--box-nms-thresh', '2'], 'box_nms_thresh must be from 0 to 1'),
        (['--model', 'sam2.1_hiera_large'], 'no bundled weights'),
    ],
)
def test_what_cannot_be_done_is_told(
    file: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(file), '--out', str(file.parent / 'out'), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (file.parent / 'out').exists()


def test_a_file_that_is_no_image_and_the_image_itself_are_kept(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / 'text.png'
    text.write_text('no image')
    assert main([str(text), *OPTIONS]) == 1
    assert 'cannot be read as an image' in capsys.readouterr().err
    overlay = file.rename(tmp_path / 'overlay.png')
    before = overlay.read_bytes()
    assert main([str(overlay), '--out', str(tmp_path), *OPTIONS]) == 1
    assert 'would be overwritten' in capsys.readouterr().err
    assert overlay.read_bytes() == before
