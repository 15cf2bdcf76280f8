"""Cut-outs out of images with COCO annotations: the right pixels, the right objects, and nothing half done."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sam2_ros.files.outlines import read_outline
from sam2_ros.synthetic.cutout_scene import make_cutout_clip
from sam2_ros.synthetic.cutouts import MANIFEST_COLUMNS, read_material
from sam2_ros.synthetic.scene import SceneSettings
from sam2_ros.training.cutouts import cut_out, main

HEIGHT, WIDTH = 60, 80
SQUARE = [20, 10, 40, 10, 40, 30, 20, 30]  # covers the columns 20 to 39 and the rows 10 to 29
RED, BLUE = (200, 40, 30), (20, 50, 180)  # RGB
CLASSES = ('cat', 'dog')


def annotation(number: int, segmentation: Any = None, *, image: Any = 1, category: Any = 1, **more: Any) -> dict:
    return {
        'id': number,
        'image_id': image,
        'category_id': category,
        'segmentation': [SQUARE] if segmentation is None else segmentation,
        'iscrowd': 0,
        **more,
    }


class Folder:
    """An annotation file and its images: blue, with a red square where SQUARE is."""

    def __init__(self, path: Path, *, images: int = 1) -> None:
        self.path, self.images, self.out = path, path / 'images', path / 'out'
        self.images.mkdir()
        self.tree: dict[str, Any] = {
            'info': {'description': 'Our pets'},
            'licenses': [{'id': 7, 'name': 'CC BY 2.0', 'url': 'https://licence.example'}],
            'images': [],
            'categories': [{'id': 1, 'name': 'cat'}, {'id': 2, 'name': 'dog'}],
            'annotations': [],
        }
        for number in range(1, images + 1):
            self.add_image(number)

    def add_image(self, number: int, *, height: int = HEIGHT, width: int = WIDTH, **more: Any) -> None:
        pixels = np.full((height, width, 3), BLUE[::-1], np.uint8)
        pixels[10:30, 20:40] = RED[::-1]
        name = f'{number:04d}.png'
        cv2.imwrite(str(self.images / name), pixels)
        self.tree['images'].append({'id': number, 'file_name': name, 'height': height, 'width': width, **more})

    def add(self, *annotations: dict) -> Folder:
        self.tree['annotations'] += annotations
        return self

    def run(self, *options: str) -> int:
        """The exit status of the command; objects may be small."""
        file = self.path / 'instances.json'
        file.write_text(json.dumps(self.tree))
        return main([str(file), str(self.images), str(self.out), '--least-side', '4', *options])

    def rows(self, kind: str = 'sprite') -> list[dict[str, str]]:
        with (self.out / 'MANIFEST.csv').open(newline='') as file:
            return [row for row in csv.DictReader(file) if row['kind'] == kind]

    def sprite(self) -> np.ndarray:
        """The only one: (h, w, 4) RGBA."""
        (row,) = self.rows()
        pixels = cv2.imread(str(self.out / row['file']), cv2.IMREAD_UNCHANGED)
        assert pixels.shape[2] == 4
        return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_square_becomes_its_pixels_and_a_row(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.tree['images'][0] |= {'license': 7, 'flickr_url': 'https://photo.example/1'}
    assert folder.add(annotation(5)).run() == 0
    sprite = folder.sprite()
    assert sprite.shape == (20, 20, 4) and (sprite[..., 3] >= 254).all()
    assert np.abs(sprite[..., :3].astype(int) - RED).max() <= 6  # WebP is not exact
    origin = {
        'source': 'Our pets:0001.png',
        'licence': 'CC BY 2.0, https://licence.example, https://photo.example/1',
        'note': '',
        'use': 'yes',
    }
    assert folder.rows() == [{'file': 'sprites/cat__0001_0.webp', 'kind': 'sprite', 'class': 'cat', **origin}]
    assert folder.rows('background') == [
        {'file': 'backgrounds/0001_0.jpg', 'kind': 'background', 'class': '', **origin}
    ]
    assert tuple(folder.rows()[0]) == MANIFEST_COLUMNS
    said = capsys.readouterr().out
    assert said.startswith(f'1 cut-outs of 1 classes and 1 backgrounds are in {folder.out}. Next: ')
    assert f'--cutouts {folder.out}/sprites --backgrounds {folder.out}/backgrounds' in said


def test_large_objects_are_made_smaller_without_the_colours_around_them(folder: Folder) -> None:
    image = np.full((60, 80, 3), BLUE, np.uint8)
    image[10:50, 11:61] = RED
    outline = read_outline([[11, 10, 61, 10, 61, 50, 11, 50], [3, 10, 4, 10, 4, 50, 3, 50]], height=60, width=80)
    sprite = cut_out(image, outline, longest=20)  # columns 3 to 60, of 2.9 each: mixed ones have both colours below
    assert sprite.shape == (14, 20, 4)
    alpha = sprite[..., 3]
    assert ((alpha > 0) & (alpha < 255)).any() and (alpha == 0).any()
    inner = alpha[:, 3:] > 0
    assert np.abs(sprite[:, 3:][inner][:, :3].astype(int) - RED).max() <= 1
    assert (sprite[alpha == 0] == 0).all()

    assert folder.add(annotation(1)).run('--longest', '10') == 0
    assert folder.sprite().shape == (10, 10, 4)


def box(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    return [x0, y0, x1, y0, x1, y1, x0, y1]


@pytest.mark.parametrize(
    ('polygon', 'note'),
    [
        (box(0, 20, 20, 40), 'cut:left'),
        (box(20, 1.5, 40, 20), 'cut:top'),  # annotators stop a little before the border
        (box(40, 20, 80, 40), 'cut:right'),
        (box(20, 20, 40, 75), 'cut:bottom'),
        (box(3, 3, 77, 57), ''),
    ],
)
def test_the_side_of_the_border_that_cuts_an_object_is_noted(folder: Folder, polygon: list, note: str) -> None:
    assert folder.add(annotation(1, [polygon])).run() == 0
    assert [row['note'] for row in folder.rows()] == [note]
    material = read_material(folder.out / 'sprites', folder.out / 'backgrounds')
    assert material.cutouts[0].cut == note.removeprefix('cut:')


def test_what_is_no_good_cut_out_is_left_out_and_counted(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add(
        annotation(1),
        annotation(2, [box(0, 0, 20, 20)]),
        annotation(3, [box(0, 20, 80, 40)]),
        annotation(4, [box(10, 10, 13, 13)]),
        annotation(5, [box(10, 10, 20, 20), box(30, 10, 34, 20)]),
        annotation(6, {'size': [HEIGHT, WIDTH], 'counts': [0, 4800]}, iscrowd=1),
    )
    assert folder.run() == 0
    assert len(folder.rows()) == 1
    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith('Left out: '))
    parts = {'crowds: 1', 'objects at two borders or more: 2', 'small objects: 1', 'objects in pieces: 1'}
    assert set(line.removeprefix('Left out: ').split('; ')) == parts


TWO_PIECES = [[box(10, 10, 20, 20), box(30, 10, 32, 20)], {'size': [HEIGHT, WIDTH], 'counts': [610, 20, 100, 4, 4066]}]
ONE_PIECE = [[box(10, 10, 20, 20), box(30, 10, 31, 20)], {'size': [HEIGHT, WIDTH], 'counts': [610, 20, 100, 2, 4068]}]


@pytest.mark.parametrize('segmentation', TWO_PIECES)
def test_objects_in_pieces_are_taken_on_demand(folder: Folder, segmentation: Any) -> None:
    assert folder.add(annotation(1, segmentation)).run() == 1
    assert folder.run('--pieces') == 0
    assert len(folder.rows()) == 1


@pytest.mark.parametrize('segmentation', ONE_PIECE)
def test_specks_beside_an_object_are_no_pieces(folder: Folder, segmentation: Any) -> None:
    assert folder.add(annotation(1, segmentation)).run() == 0
    assert folder.sprite()[..., 3].min() == 0


def many(path: Path) -> Folder:
    """Ten images with a cat and a dog each."""
    made = Folder(path, images=10)
    for image in range(1, 11):
        made.add(annotation(2 * image, image=image), annotation(2 * image + 1, image=image, category=2))
    return made


def test_the_most_of_a_class_are_the_same_ones_every_time(tmp_path: Path) -> None:
    files: list[dict[str, bytes]] = []
    for name in ('first', 'again'):
        (tmp_path / name).mkdir()
        folder = many(tmp_path / name)
        if name == 'again':
            folder.tree['annotations'].reverse()
            folder.tree['images'].reverse()
        assert folder.run('--per-class', '3', '--backgrounds', '4') == 0
        rows = folder.rows()
        assert sorted(row['class'] for row in rows) == ['cat'] * 3 + ['dog'] * 3
        assert len(folder.rows('background')) == 4
        files.append({(row['class'] + row['source']): (folder.out / row['file']).read_bytes() for row in rows})
        files.append({row['source']: (folder.out / row['file']).read_bytes() for row in folder.rows('background')})
    assert files[:2] == files[2:]


def test_only_the_classes_that_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = many(tmp_path)
    assert folder.run('--classes', 'dgo') == 1
    assert capsys.readouterr().err == 'error: there is no class dgo; the classes are cat, dog\n'
    assert folder.run('--classes', 'dog') == 0
    assert [row['class'] for row in folder.rows()] == ['dog'] * 10


def test_backgrounds_are_made_smaller(folder: Folder) -> None:
    folder.add_image(2, height=300, width=700)
    assert folder.add(annotation(1)).run() == 0
    sizes = {row['source']: cv2.imread(str(folder.out / row['file'])).shape for row in folder.rows('background')}
    assert sizes == {'Our pets:0001.png': (HEIGHT, WIDTH, 3), 'Our pets:0002.png': (219, 512, 3)}


@pytest.mark.parametrize(
    ('changes', 'licence'),
    [
        ({}, 'licence not stated'),
        ({'license': 8}, 'licence not stated'),
        ({'license': 7}, 'CC BY 2.0, https://licence.example'),
        ({'coco_url': 'https://coco.example'}, 'licence not stated, https://coco.example'),
    ],
)
def test_the_licence_is_what_the_file_says(folder: Folder, changes: dict, licence: str) -> None:
    folder.tree['images'][0] |= changes
    del folder.tree['info']
    assert folder.add(annotation(1)).run() == 0
    assert [(row['licence'], row['source']) for row in folder.rows()] == [(licence, 'instances.json:0001.png')]


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (None, 'instances.json cannot be read: No such file'),
        ('{"images": [', 'instances.json is not JSON'),
        ('[]', 'must hold an object, but holds a list'),
        ('{}', 'lacks the list images and annotations and categories'),
        ('{"images": [], "annotations": {}, "categories": []}', 'lacks the list annotations'),
        ('{"images": [], "annotations": [], "categories": []}', 'has no objects to cut out'),
    ],
)
def test_other_files_are_refused(
    folder: Folder, content: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder.path / 'instances.json'
    if content is not None:
        file.write_text(content)
    assert main([str(file), str(folder.images), str(folder.out)]) == 1
    assert words in capsys.readouterr().err
    assert not folder.out.exists()


def test_folders_that_cannot_be_used_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add(annotation(1))
    folder.out.mkdir()
    (folder.out / 'mine').touch()
    assert folder.run() == 1
    assert 'out is there already; give a new or an empty folder' in capsys.readouterr().err
    assert [path.name for path in folder.out.iterdir()] == ['mine']
    (folder.out / 'mine').unlink()
    assert folder.run() == 0
    folder.out = folder.images / '0001.png'
    assert folder.run() == 1
    folder.out, folder.images = folder.path / 'other', folder.path / 'nowhere'
    assert folder.run() == 1
    assert 'nowhere is no folder of images' in capsys.readouterr().err


@pytest.mark.parametrize('option', ['--longest', '--least-side', '--per-class', '--backgrounds'])
def test_numbers_below_1_are_refused(folder: Folder, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.run(option, '0') == 1
    assert capsys.readouterr().err == f'error: {option[2:].replace("-", "_")} must be 1 or more, got 0\n'


def test_single_broken_entries_are_told_at_the_end(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.add_image(2)
    (folder.images / '0002.png').unlink()
    folder.add_image(3)
    (folder.images / '0003.png').write_bytes(b'')
    folder.add_image(4)
    folder.tree['images'][3]['width'] += 1
    folder.add_image(5)
    folder.tree['images'][4]['file_name'] = '../images/0001.png'
    folder.tree['images'] += [{'id': 6, 'file_name': 'x.png'}, {'file_name': 'x.png'}, 'x.png']
    folder.tree['categories'].append({'name': 'no id'})
    folder.add(annotation(1), *(annotation(10 + image, image=image) for image in range(2, 7)))
    folder.add(annotation(20, image=99), annotation(21, category=[]), annotation(22, []))
    folder.add(annotation(23, [box(100, 10, 120, 30)]))
    folder.tree['annotations'] += [None, {'image_id': 1}]
    assert folder.run() == 0
    assert [row['source'] for row in folder.rows()] == ['Our pets:0001.png']
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('Left out: ')]
    (line,) = lines
    assert set(line.removeprefix('Left out: ').split('; ')) == {
        'missing images: 2 (first: 0002.png)',
        'images without file_name, height and width: 1 (first: image 6)',
        'images without an id: 2',
        'categories without an id: 1',
        'unreadable images: 1 (first: 0003.png)',
        'images of another size than the annotations say: 1 (first: 0004.png)',
        'annotations of an unknown image: 2 (first: annotation 20)',
        'annotations of an unknown category: 2 (first: annotation 21)',
        'annotations without an outline: 1 (first: annotation 22)',
        'annotations outside their image: 1 (first: annotation 23)',
    }


def test_nothing_but_broken_images_is_an_error(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.images / '0001.png').write_bytes(b'no picture')
    assert folder.add(annotation(1)).run() == 1
    assert 'nothing was cut out of' in (said := capsys.readouterr().err)
    assert 'unreadable images: 1 (first: 0001.png)' in said


def assert_whole(folder: Folder) -> None:
    """Every file is a picture, and has a row."""
    files = {path.relative_to(folder.out).as_posix() for path in folder.out.glob('*/*')}
    assert files <= {row['file'] for kind in ('sprite', 'background') for row in folder.rows(kind)}
    assert all(cv2.imread(str(folder.out / file)) is not None for file in files)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_whole_files(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, replaced = many(tmp_path), os.replace

    def replace(*paths: Path) -> None:
        if '__0002' in paths[1].name and not list(folder.out.glob('*/*__0002*.webp')):
            signal.raise_signal(number)
        replaced(*paths)

    monkeypatch.setattr(os, 'replace', replace)
    assert folder.run() == 130
    assert len(folder.rows()) == 4 and len(folder.rows('background')) == 2
    assert_whole(folder)
    assert capsys.readouterr().out.startswith('stopped early; 4 cut-outs of 2 classes and 2 backgrounds')


@pytest.mark.parametrize('error', [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_no_half_file_stays(
    tmp_path: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the disk is full, or a second signal came."""
    folder, replace_file = many(tmp_path), os.replace

    def fail_late(part: Path, path: Path) -> None:
        if '0003' in path.name:
            assert part.exists()
            raise error
        replace_file(part, path)

    monkeypatch.setattr(os, 'replace', fail_late)
    assert folder.run() == (1 if isinstance(error, OSError) else 130)
    assert len(list(folder.out.glob('*/*'))) == 6
    assert_whole(folder)
    assert ('webp cannot be written: No space left' in capsys.readouterr().err) == isinstance(error, OSError)


def test_the_folder_is_what_clips_are_made_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = many(tmp_path)
    assert folder.run() == 0
    assert capsys.readouterr().err == ''
    material = read_material(folder.out / 'sprites', folder.out / 'backgrounds')
    assert len(material.cutouts) == 20 and len(material.backgrounds) == 10
    assert {one.class_name for one in material.cutouts} == set(CLASSES)
    clip = make_cutout_clip(1, SceneSettings(height=64, width=64, frames=3), material)
    assert clip.images.shape == (3, 64, 64, 3) and clip.visible[:, 0].any()


def test_a_folder_that_is_too_small_to_train_on_is_told(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.add(annotation(1)).run() == 0
    assert 'not enough to train on: 1 pictures of 1 sources cannot be divided' in capsys.readouterr().err
