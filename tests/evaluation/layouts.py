"""Tiny data sets on disk, each in the layout in which it is downloaded."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.evaluation.datasets.vot_regions import box_text, mask_text
from sam2_ros.evaluation.measures.boxes import boxes_of
from sam2_ros.files.run_lengths import RunLengths
from tests.evaluation.filmed import draw_labels, write_clip

FRAMES = 6
EARLY, LATE = 1, 2  # labels of an object that is there from the begin, and of one that comes in frame 2
LABELS = draw_labels({EARLY: range(FRAMES), LATE: range(2, FRAMES)}, frames=FRAMES)
ALONE = draw_labels({EARLY: range(FRAMES)}, frames=FRAMES)


@dataclass(frozen=True)
class Expected:
    """What a data set must say of its one video.

    Attributes:
        name: of the video.
        masks: by object its true masks, (T, H, W) bool.
        scored: by object the frames that count.
        split: of the data set; empty: the usual one.
    """

    name: str
    masks: Mapping[str, np.ndarray]
    scored: Mapping[str, tuple[int, ...]]
    split: str = ''
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def expected(name: str, labels: np.ndarray = LABELS, *, names: Mapping[int, str] | None = None, **more) -> Expected:
    """For label images in which all frames but the first and the last count."""
    shown = [int(label) for label in np.unique(labels) if label]
    masks = {(names or {}).get(label, str(label)): labels == label for label in shown}
    scored = {own: tuple(f for f in range(1, FRAMES - 1) if f >= first(mask)) for own, mask in masks.items()}
    return Expected(name, masks, **{'scored': scored, **more})


def first(mask: np.ndarray) -> int:
    """The first frame that shows it."""
    return int(mask.any(axis=(1, 2)).argmax())


def jpegs(folder: Path, names: list[str], suffix: str = '.jpg') -> None:
    """Plain pictures of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / f'{name}{suffix}'), np.full((*LABELS.shape[1:], 3), 90, np.uint8))


def png(file: Path, image: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), image)


def folder(root: Path) -> Expected:
    write_clip(root / 'yard', LABELS)
    return expected('yard')


def davis2016(root: Path) -> Expected:
    jpegs(root / 'JPEGImages/480p/bear', [f'{n:05}' for n in range(FRAMES)])
    for number, labels in enumerate(ALONE):
        png(root / f'Annotations/480p/bear/{number:05}.png', np.where(labels, 255, 0).astype(np.uint8))
    write(root / 'ImageSets/2016/val.txt', 'bear\n')
    return expected('bear', ALONE)


def davis2017(root: Path) -> Expected:
    """Objects that are not in the first frame do not count, and 255 is void."""
    labels = LABELS.copy()
    labels[:, -4:, -4:] = 255
    write_clip(root / 'JPEGImages/480p/bear', labels, masks=root / 'Annotations/480p/bear')
    write(root / 'ImageSets/2017/val.txt', 'bear\n')
    return expected('bear', ALONE)


def mose(root: Path) -> Expected:
    write_clip(root / 'train/JPEGImages/a1', LABELS, masks=root / 'train/Annotations/a1')
    return expected('a1', split='train')


def mose_hidden(root: Path) -> Expected:
    write_clip(root / 'valid/JPEGImages/a1', ALONE, masks=root / 'valid/Annotations/a1')
    for number in range(1, FRAMES):
        (root / f'valid/Annotations/a1/{number:05}.png').unlink()
    return expected('a1', ALONE, scored={str(EARLY): ()})


def lvos(root: Path) -> Expected:
    """Numbers begin with 1 and go by 5; an object counts between the ends of its own range."""
    stems = [f'{number:08}' for number in range(1, 5 * FRAMES, 5)]
    jpegs(root / 'val/JPEGImages/v', stems)
    for stem, labels in zip(stems, LABELS, strict=True):
        png(root / f'val/Annotations/v/{stem}.png', labels)
    ranges = {EARLY: (1, 26, 6), LATE: (11, 26, 4)}
    objects = {
        str(label): {'frame_range': {'start': str(start), 'end': str(end), 'frame_nums': count}}
        for label, (start, end, count) in ranges.items()
    }
    write(root / 'val_meta.json', json.dumps({'videos': {'v': {'objects': objects}}}))
    return expected('v', scored={str(EARLY): (1, 2, 3, 4), str(LATE): (3, 4)})


def youtube_vos(root: Path) -> Expected:
    """Every fifth frame is annotated, in the validation set where an object begins only."""
    stems = [f'{5 * number:05}' for number in range(FRAMES)]
    for split in ('train', 'valid'):
        jpegs(root / split / 'JPEGImages/y', stems)
        for number in range(FRAMES):
            if split == 'train' or number in (0, 2):
                png(root / split / f'Annotations/y/{stems[number]}.png', LABELS[number])
        categories = {EARLY: 'dog', LATE: 'dog' if split == 'train' else 'yeti'}
        objects = {
            str(label): {'category': categories[label], 'frames': stems[first(label == LABELS) :]}
            for label in (EARLY, LATE)
        }
        write(root / split / 'meta.json', json.dumps({'videos': {'y': {'objects': objects}}}))
    attributes = {str(EARLY): {'category': 'dog', 'seen': 'yes'}, str(LATE): {'category': 'yeti', 'seen': 'no'}}
    return expected('y', scored={str(EARLY): (), str(LATE): ()}, attributes=attributes)


def youtube_vos_train(root: Path) -> Expected:
    youtube_vos(root)
    return expected('y', split='train', attributes={str(EARLY): {'category': 'dog'}, str(LATE): {'category': 'dog'}})


def vost(root: Path) -> Expected:
    """Only frames with a label image are frames of the video."""
    stems = [f'frame{number:05}' for number in range(2 * FRAMES)]
    jpegs(root / 'JPEGImages/cut', stems)
    for number, labels in enumerate(ALONE):
        png(root / f'Annotations/cut/{stems[2 * number]}.png', labels)
    write(root / 'ImageSets/val.txt', 'cut\n')
    return expected('cut', ALONE)


def pumavos(root: Path) -> Expected:
    write_clip(root / 'JPEGImages/p', LABELS, masks=root / 'Annotations/p')
    return expected('p')


def vipseg(root: Path) -> Expected:
    """Things have numbers above 124; 200 is a leftover."""
    jpegs(root / 'imgs/7_x', [f'{n:08}' for n in range(FRAMES)])
    values = np.array([12, 6100, 6101], np.uint16)  # the background is stuff
    for number, labels in enumerate(LABELS):
        image = values[labels]
        image[-1, -1] = 200
        png(root / f'panomasks/7_x/{number:08}.png', image)
    write(root / 'val.txt', '7_x\n')
    return expected('7_x', names={EARLY: '6100', LATE: '6101'})


def sav(root: Path) -> Expected:
    """Every fourth frame is annotated; masks of an object begin where it does, and may overlap."""
    stems = [f'{number:05}' for number in range(4 * FRAMES)]
    jpegs(root / 'sav_val/JPEGImages_24fps/sav_1', stems)
    masks, scored = {}, {}
    for label, object_id in ((EARLY, '000'), (LATE, '001')):
        begin = first(label == LABELS)
        for number in range(begin, FRAMES):
            file = root / f'sav_val/Annotations_6fps/sav_1/{object_id}/{stems[4 * number]}.png'
            png(file, 255 * (LABELS[number] == label).astype(np.uint8))
        masks[object_id] = np.repeat(label == LABELS, 4, axis=0)
        masks[object_id][: 4 * begin] = False
        scored[object_id] = tuple(4 * number for number in range(begin + 1, FRAMES - 1))
    write(root / 'sav_val/sav_val.txt', 'sav_1\n')
    return Expected('sav_1', masks, scored)


def uvo(root: Path) -> Expected:
    """Names of the images are numbers without zeros: 10 comes after 9."""
    file = root / 'VideoDenseSet/UVO_video_val_dense_with_label.json'
    return _instances(root / 'uvo_videos_dense_frames', file, 'yt', numbers=range(8, 8 + FRAMES), suffix='.png')


def lv_vis(root: Path) -> Expected:
    return _instances(root / 'val', root / 'val_instances.json', '00012', numbers=range(FRAMES), suffix='.jpg')


def _instances(images: Path, file: Path, name: str, *, numbers: range, suffix: str) -> Expected:
    stems = [str(number) if suffix == '.png' else f'{number:05}' for number in numbers]
    jpegs(images / name, stems, suffix)
    height, width = LABELS.shape[1:]
    annotations = [
        {
            'id': label,
            'video_id': 1,
            'category_id': label,
            'segmentations': [
                RunLengths.of(labels == label).to_coco() if (labels == label).any() else None for labels in LABELS
            ],
        }
        for label in (EARLY, LATE)
    ]
    videos = [{'id': 1, 'height': height, 'width': width, 'file_names': [f'{name}/{stem}{suffix}' for stem in stems]}]
    categories = [{'id': EARLY, 'name': 'cup'}, {'id': LATE, 'name': 'hand'}]
    write(file, json.dumps({'videos': videos, 'annotations': annotations, 'categories': categories}))
    return expected(name, attributes={str(EARLY): {'class': 'cup'}, str(LATE): {'class': 'hand'}})


def virtual_kitti2(root: Path) -> Expected:
    frames = root / 'Scene01/clone/frames'
    jpegs(frames / 'rgb/Camera_0', [f'rgb_{n:05}' for n in range(FRAMES)])
    for number, labels in enumerate(LABELS):
        png(frames / f'instanceSegmentation/Camera_0/instancegt_{number:05}.png', labels)
    return expected('Scene01')


def endovis2018(root: Path) -> Expected:
    """Colours of classes, with their names in a file."""
    release = root / 'miccai_challenge_release_1'
    jpegs(release / 'seq_1/left_frames', [f'frame{n:03}' for n in range(FRAMES)], '.png')
    colours = np.array([[0, 0, 0], [0, 255, 0], [0, 255, 255]], np.uint8)
    for number, labels in enumerate(LABELS):
        png(release / f'seq_1/labels/frame{number:03}.png', colours[labels][..., ::-1])
    named = [('background-tissue', [0, 0, 0]), ('shaft', [0, 255, 0]), ('clasper', [0, 255, 255])]
    entries = [{'name': name, 'color': colour, 'classid': n} for n, (name, colour) in enumerate(named)]
    write(release / 'labels.json', json.dumps(entries))
    return expected(
        'miccai_challenge_release_1/seq_1',
        names={EARLY: '65280', LATE: '65535'},
        attributes={'65280': {'class': 'shaft'}, '65535': {'class': 'clasper'}},
    )


def esd(root: Path) -> Expected:
    scene = root / 'ESD-1/linear_goodlight/RGB'
    jpegs(scene / 'images', [str(n) for n in range(FRAMES)], '.png')
    colours = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 7]], np.uint8)
    for number, labels in enumerate(LABELS):
        png(scene / f'masks/{number}.png', colours[labels][..., ::-1])
    return expected('ESD-1/linear_goodlight', names={EARLY: '65536', LATE: '7'})


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


# Name of the data set and what writes it; a data set may be there twice.
LAYOUTS: tuple[tuple[str, Callable[[Path], Expected]], ...] = (
    ('folder', folder),
    ('davis2016', davis2016),
    ('davis2017', davis2017),
    ('mose', mose),
    ('mose', mose_hidden),
    ('lvos', lvos),
    ('sav', sav),
    ('youtube-vos', youtube_vos),
    ('youtube-vos', youtube_vos_train),
    ('vost', vost),
    ('uvo', uvo),
    ('endovis2018', endovis2018),
    ('esd', esd),
    ('lv-vis', lv_vis),
    ('pumavos', pumavos),
    ('vipseg', vipseg),
    ('virtual-kitti2', virtual_kitti2),
)


def got10k(root: Path, *, split: str = 'test') -> str:
    """One video, of which the test split tells the first box only. Returns its name."""
    name = f'GOT-10k_{split.capitalize()}_000001'
    jpegs(root / split / name, [f'{n:08}' for n in range(1, FRAMES + 1)])
    for number, labels in enumerate(ALONE, 1):
        cv2.imwrite(str(root / split / name / f'{number:08}.jpg'), cv2.merge([labels * 200] * 3))
    boxes = '\n'.join(map(_box_line, ALONE[:1] if split == 'test' else ALONE))
    write(root / split / name / 'groundtruth.txt', boxes + '\n')
    write(root / split / name / 'cover.label', '8\n' * FRAMES)
    write(root / split / 'list.txt', f'{name}\n')
    return name


def lasot(root: Path) -> str:
    folder = root / 'bear' / 'bear-1'
    write_clip(folder / 'img', ALONE)
    for file in (folder / 'img').glob('*.png'):
        file.unlink()
    write(folder / 'groundtruth.txt', '\n'.join(map(_box_line, ALONE)) + '\n')
    for name in ('full_occlusion', 'out_of_view'):
        write(folder / f'{name}.txt', ','.join('0' * FRAMES))
    write(root / 'testing_set.txt', 'bear-1\n')
    return 'bear-1'


def vot(root: Path, *, boxes: bool = False, known: int = FRAMES) -> str:
    """One video with two objects, or with one whose truth is boxes as in DiDi; the first frames have a known truth."""
    name = 'ants'
    write_clip(root / name / 'color', LABELS)
    for file in (root / name / 'color').glob('*.png'):
        file.unlink()
    write(root / name / 'sequence', 'channels.color=color/%05d.jpg\n')
    write(root / 'list.txt', f'{name}\n')
    if boxes:
        write(root / name / 'groundtruth.txt', '\n'.join(map(_box_line, ALONE[:known])) + '\n')
        write(root / name / 'first_frame_segm.txt', mask_text(ALONE[0] > 0) + '\n')
        return name
    moved = np.roll(ALONE, 24, axis=2)
    for object_id, labels in (('a', ALONE), ('b', moved)):
        lines = [mask_text(one > 0) for one in labels[:known]]
        write(root / name / f'groundtruth_{object_id}.txt', '\n'.join(lines) + '\n')
    return name


def _box_line(labels: np.ndarray) -> str:
    return box_text(boxes_of(labels > 0))
