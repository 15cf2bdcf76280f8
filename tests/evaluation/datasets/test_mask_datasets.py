"""All data sets with masks: each in its layout on disk, whole and damaged."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.evaluation.datasets.dataset import DatasetError
from sam2_ros.evaluation.datasets.registry import DATASETS, open_dataset
from tests.evaluation.filmed import write_clip
from tests.evaluation.layouts import (
    FRAMES,
    LABELS,
    LAYOUTS,
    Expected,
    davis2017,
    endovis2018,
    first,
    jpegs,
    lvos,
    mose_hidden,
    png,
    sav,
    uvo,
    virtual_kitti2,
    youtube_vos,
)


@pytest.mark.parametrize(('name', 'write'), LAYOUTS, ids=lambda one: getattr(one, '__name__', one))
def test_a_data_set_in_its_layout(name: str, write: Callable[[Path], Expected], tmp_path: Path) -> None:
    known = write(tmp_path)
    data = open_dataset(name, tmp_path, known.split)
    assert list(data.names) == [known.name]
    sequence = data.sequence(known.name)
    some = next(iter(known.masks.values()))
    assert (len(sequence.frames), sequence.size) == (len(some), some.shape[1:])
    assert sequence.image(0).shape == (*sequence.size, 3)
    assert {one.object_id for one in sequence.objects} == known.masks.keys()
    for one in sequence.objects:
        mask = known.masks[one.object_id]
        assert one.start == first(mask)
        assert one.scored == known.scored[one.object_id]
        assert np.array_equal(sequence.first_mask(one), mask[one.start])
        assert dict(one.attributes) == known.attributes.get(one.object_id, {})
        for frame in one.scored:
            assert np.array_equal(sequence.masks(frame)[one.object_id], mask[frame]), frame
    assert sequence.disjoint == (name not in ('sav', 'uvo', 'lv-vis'))


def test_every_data_set_with_masks_is_tried() -> None:
    assert {name for name, _ in LAYOUTS} == {name for name, one in DATASETS.items() if 'online' in one.protocols}


def test_the_label_255_is_an_object_only_if_it_is_alone_in_the_video(tmp_path: Path) -> None:
    """Also in a frame that shows nothing else."""
    labels = np.where(LABELS == 2, 255, LABELS)
    labels[4][labels[4] == 1] = 0
    write_clip(tmp_path / 'both', labels)
    write_clip(tmp_path / 'alone', np.where(LABELS == 1, 255, 0).astype(np.uint8))
    data = open_dataset('folder', tmp_path)
    assert {name: [one.object_id for one in data.sequence(name).objects] for name in data.names} == {
        'alone': ['255'],
        'both': ['1'],
    }


def test_frames_that_a_server_wants(tmp_path: Path) -> None:
    """All images of 30 per second are tracked; every fifth is submitted."""
    youtube_vos(tmp_path)
    jpegs(tmp_path / 'valid_all_frames/JPEGImages/y', [f'{number:05}' for number in range(5 * FRAMES)])
    sequence = open_dataset('youtube-vos', tmp_path).sequence('y')
    assert len(sequence.frames) == 5 * FRAMES and sequence.submitted == tuple(range(0, 5 * FRAMES, 5))
    assert [one.start for one in sequence.objects] == [0, 10]


def test_lvos_knows_which_videos_are_unseen(tmp_path: Path) -> None:
    lvos(tmp_path)
    (tmp_path / 'unseen_videos.txt').write_text('other\nv\n')
    (tmp_path / 'val').rename(tmp_path / 'valid')
    (tmp_path / 'val_meta.json').rename(tmp_path / 'valid_meta.json')
    assert open_dataset('lvos', tmp_path).sequence('v').attributes == {'seen': 'no'}


def _unlink(file: str) -> Callable[[Path], None]:
    return lambda root: (root / file).unlink()


def _write(file: str, content: str) -> Callable[[Path], object]:
    return lambda root: (root / file).write_text(content)


def _smaller(file: str) -> Callable[[Path], None]:
    return lambda root: png(root / file, np.ones((5, 7), np.uint8))


@pytest.mark.parametrize(
    ('name', 'write', 'damage', 'sentence'),
    [
        ('davis2017', davis2017, _unlink('ImageSets/2017/val.txt'), 'val.txt cannot be read: No such file'),
        ('davis2017', davis2017, _write('ImageSets/2017/val.txt', 'cow\n'), '480p/cow holds no images'),
        (
            'davis2017', davis2017, _unlink('Annotations/480p/bear/00003.png'),
            r'00003\.jpg has no label image .*bear/00003\.png; every frame needs one',
        ),
        ('davis2017', davis2017, _write('Annotations/480p/bear/00000.png', 'no image'), '00000.png cannot be read'),
        ('davis2017', davis2017, _smaller('Annotations/480p/bear/00000.png'), 'its masks are 7 x 5 pixels'),
        ('mose', mose_hidden, _unlink('valid/Annotations/a1/00000.png'), 'a1 has no label image for any of its 6'),
        ('lvos', lvos, _write('val_meta.json', '{}'), r'val_meta\.json has no videos'),
        ('lvos', lvos, _unlink('val/Annotations/v/00000011.png'), r'00000011\.png; every frame needs one'),
        ('sav', sav, _unlink('sav_val/JPEGImages_24fps/sav_1/00008.jpg'), r'00008\.png has no image .*00008\.jpg'),
        ('sav', sav, _unlink('sav_val/sav_val.txt'), ''),
        ('youtube-vos', youtube_vos, _unlink('valid/Annotations/y/00010.png'), r'00010\.png is missing'),
        ('youtube-vos', youtube_vos, _unlink('valid/JPEGImages/y/00015.jpg'), 'names the frame 00015, which is not in'),
        ('uvo', uvo, _unlink('uvo_videos_dense_frames/yt/9.png'), 'names frame 9 of yt, which is not in'),
        (
            'virtual-kitti2', virtual_kitti2,
            _unlink('Scene01/clone/frames/instanceSegmentation/Camera_0/instancegt_00002.png'),
            'holds 5 label images, but .* 6 images',
        ),
        (
            'endovis2018', endovis2018, _write('miccai_challenge_release_1/labels.json', '[{"name": "x"}]'),
            r'labels\.json is not a list of classes',
        ),
    ],
)  # fmt: skip
def test_a_damaged_data_set_names_the_file(
    name: str, write: Callable[[Path], Expected], damage: Callable[[Path], object], sentence: str, tmp_path: Path
) -> None:
    known = write(tmp_path)
    damage(tmp_path)
    if not sentence:  # it can be done without
        assert list(open_dataset(name, tmp_path).names) == [known.name]
        return
    with pytest.raises((ValueError, OSError), match=sentence):
        data = open_dataset(name, tmp_path)
        sequence = data.sequence(data.names[0])
        sequence.first_mask(sequence.objects[0])


def test_objects_of_lvos_that_are_no_labels_are_refused(tmp_path: Path) -> None:
    lvos(tmp_path)
    (tmp_path / 'val_meta.json').write_text(json.dumps({'videos': {'v': {'objects': {'dog': {}}}}}))
    with pytest.raises(DatasetError, match='the objects of v must be named by numbers'):
        open_dataset('lvos', tmp_path).sequence('v')


@pytest.mark.parametrize(
    ('name', 'split', 'sentence'),
    [
        ('imagenet', '', "there is no data set 'imagenet'; accepted are folder, davis2016"),
        ('sav', 'train', "SA-V has no split 'train'; accepted are val, test"),
        ('mose', '', 'holds no folders of JPEGs; is .* the folder of mose'),
        ('esd', '', r'holds no folders ESD-1/\*/RGB/images; is it the folder of esd'),
        ('sav', '', 'Annotations_6fps holds no folders of videos'),
    ],
)
def test_what_is_no_data_set(name: str, split: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        _ = open_dataset(name, tmp_path, split).names
    with pytest.raises(ValueError, match='nowhere is no folder; it must be that of'):
        open_dataset('sav', tmp_path / 'nowhere')
