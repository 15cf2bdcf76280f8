"""Clips of cut-outs: the same for the same seed everywhere, masks where the paint is, and what presets name."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sam2_ros.synthetic import cutout_scene
from sam2_ros.synthetic.cutout_scene import make_cutout_clip
from sam2_ros.synthetic.cutouts import SIDES, Material, Picture, read_material
from sam2_ros.synthetic.figures import Figure, figure
from sam2_ros.synthetic.render import paint_picture
from sam2_ros.synthetic.scene import PRESETS, SPLITS, Clip
from tests.common import REPOSITORY
from tests.synthetic.material import Colour, disc, draw_material, flat

pytestmark = pytest.mark.slow

SEEDS = range(8)
STRIPE: Colour = (0, 0, 255)  # where a cut-out was cut
DIGEST = """
import sys
from pathlib import Path
from tests.synthetic.test_cutout_scene import digest, read
print(digest(read(Path(sys.argv[1])), sys.argv[2]))
"""


def read(folder: Path) -> Material:
    return read_material(folder / 'sprites', folder / 'backgrounds')


def clip(material: Material, preset: str, seed: int, *, split: str = 'train', **changes: object) -> Clip:
    scene = replace(PRESETS[preset], height=96, width=128, **changes)  # type: ignore[arg-type]
    return make_cutout_clip(seed, scene, material, split=split)


def digest(material: Material, split: str) -> str:
    """Of pictures, masks and roles of some clips of every preset."""
    sha = hashlib.sha256()
    for preset in PRESETS:
        for seed in (1, 1 << 40):
            made = clip(material, preset, seed, split=split, frames=3, gaps=(4,))
            sha.update(made.images.tobytes() + made.masks.tobytes() + repr(made.roles).encode())
    return sha.hexdigest()


def hue(index: int) -> Colour:
    """A colour of its own, with one channel at 0."""
    colour = [0, 30 + 5 * index, 120]  # with room to get lighter
    return tuple(np.roll(colour, index).tolist())  # type: ignore[return-value]


@pytest.fixture(scope='module')
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rectangles and discs, one of four cut, of two classes; some are persons."""
    folder = tmp_path_factory.mktemp('plain')
    draw_material(
        folder,
        lambda index: disc(40, hue(index)) if index % 2 else flat(48, 24 + 4 * index, hue(index)),
        lambda index: (20, 20, 20 + index),
        number=16,
        notes={index: f'cut:{SIDES[index // 4]}' for index in range(0, 16, 4)},
        classes=('person', 'thing', 'thing'),
    )
    return folder


@pytest.mark.parametrize('split', SPLITS)
def test_a_seed_gives_the_same_bytes_in_another_process(plain: Path, split: str) -> None:
    run = subprocess.run(
        [sys.executable, '-c', DIGEST, plain, split], cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    assert run.stdout.strip() == digest(read(plain), split), run.stderr


def test_seeds_and_splits_change_what_is_shown(plain: Path) -> None:
    material = read(plain)
    shown = [clip(material, 'mixed', 1), clip(material, 'mixed', 2), clip(material, 'mixed', 1, split='heldout')]
    assert len({made.images.tobytes() for made in shown}) == 3


@pytest.mark.parametrize('preset', PRESETS)
def test_shapes_types_and_visibility_agree(plain: Path, preset: str) -> None:
    for seed in SEEDS:
        made = clip(read(plain), preset, seed, frames=6)
        objects = len(made.roles)
        assert made.images.shape == (6, 96, 128, 3) and made.images.dtype == np.uint8
        assert made.masks.shape == (6, objects, 96, 128) and made.masks.dtype == bool
        assert made.masks.sum(axis=1).max() <= 1  # what is in front hides what is behind
        np.testing.assert_array_equal(made.visible, made.masks.any(axis=(2, 3)))
        assert made.roles[0] == 'target' and made.roles.count('target') == 1
        assert set(made.roles) <= {'target', 'lookalike', 'occluder', 'other'}


@pytest.mark.parametrize(('gaps', 'moments'), [((3,), [0, 3, 6, 9, 12]), ((1, 5), [0, 1, 6, 7, 12])])
def test_gaps_skip_frames_of_the_same_scene(plain: Path, gaps: tuple[int, ...], moments: list[int]) -> None:
    for seed in SEEDS:
        every = clip(read(plain), 'occlusion', seed, frames=13, degrade=0.0)
        some = clip(read(plain), 'occlusion', seed, frames=5, gaps=gaps, degrade=0.0)
        np.testing.assert_array_equal(every.masks[moments], some.masks)
        np.testing.assert_array_equal(every.images[moments], some.images)


def test_an_unknown_split_is_refused(plain: Path) -> None:
    with pytest.raises(ValueError, match="split must be one of train, heldout, got 'test'"):
        clip(read(plain), 'plain', 1, split='test')


@pytest.fixture(scope='module')
def by_split(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Held-out pictures have blue and no red, the others red and no blue. Each source has a green of its own."""
    folder, number = tmp_path_factory.mktemp('by_split'), 30
    draft = draw_material(folder / 'draft', lambda _: flat(9, 9, STRIPE), lambda _: STRIPE, number=number)
    held = draft.split('heldout')

    def colour(index: int, pictures: tuple[Picture, ...]) -> Colour:
        is_held = any(one.path.name == f'{index:02d}.png' for one in pictures)
        return (0, 4 * index, 180) if is_held else (180, 4 * index, 0)

    return draw_material(
        folder / 'final',
        lambda index: flat(30, 30, colour(index, held.cutouts)),
        lambda index: colour(index, held.backgrounds),
        number=number,
    )


@pytest.mark.parametrize('preset', ['plain', 'occlusion', 're_entry', 'small'])
def test_neither_split_shows_sources_of_the_other(by_split: Material, preset: str) -> None:
    greens: dict[str, set[int]] = {}
    for split, mine, other in (('train', 0, 2), ('heldout', 2, 0)):
        made = [clip(by_split, preset, seed, split=split, frames=2, gaps=(5,), degrade=0.0) for seed in SEEDS]
        assert all((one.images[..., mine] > 0).all() and (one.images[..., other] == 0).all() for one in made)
        greens[split] = {int(one.images[..., 1].max()) for one in made}
    assert len(greens['train']) > 3  # of several sources


def covers(mask: np.ndarray, size: int) -> np.ndarray:
    """Masks (T, H, W) grown by `size` pixels, or shrunk by -`size`."""
    kernel = np.ones((2 * abs(size) + 1,) * 2)
    change = cv2.dilate if size > 0 else cv2.erode
    return np.stack([change(one.astype(np.uint8), kernel) for one in mask]).astype(bool)


@pytest.mark.parametrize('seed', SEEDS)
def test_a_mask_is_where_the_paint_of_its_object_is(plain: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without motion blur, which mixes colours, and without shadows, which belong to no object."""

    def sharp(*args: Any, **more: Any) -> Figure:
        return replace(figure(*args, **more), blur=0.0)

    monkeypatch.setattr(cutout_scene, 'figure', sharp)
    monkeypatch.setattr(Figure, 'cast_shadow', lambda *_, **__: None)
    made = clip(read(plain), 'occlusion', seed, frames=10, camera=0.0, degrade=0.0)
    hues = np.array([hue(index) for index in range(16)]) / [[np.linalg.norm(hue(index))] for index in range(16)]
    for mask in np.moveaxis(made.masks, 1, 0):
        inner = covers(mask, -1)
        if not inner.any():
            continue
        colours = made.images[inner].astype(float)
        near = (colours / np.linalg.norm(colours, axis=1, keepdims=True)) @ hues.T > 0.999
        assert near.mean(axis=0).max() > 0.99  # of one hue; light changes

    moves = (made.images != made.images[0]).any(axis=(0, 3))
    assert not moves[~covers(made.masks.any(axis=1), 4).any(axis=0)].any()  # large ones have soft edges
    arrived = covers(made.masks[-1:].any(axis=1), -1)[0] & ~covers(made.masks[:1].any(axis=1), 2)[0]
    assert moves[arrived].sum() >= 0.9 * arrived.sum()


def painted(smear: tuple[float, float], *, scale: float, place: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A white square of `scale` pixels in a black frame of 20 x 30: the white, and the label."""
    frame, labels = np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), np.uint8)
    paint_picture(
        frame,
        labels,
        picture=flat(16, 16, (255, 255, 255)),
        longest=16,
        to_pixels=np.array([[scale / 2, 0, place[0]], [0, scale / 2, place[1]]]),
        bend=np.zeros((4, 4, 2)),
        gain=1.0,
        smear=np.array(smear),
        label=3,
    )
    return frame[..., 0], labels


@pytest.mark.parametrize('smear', [(0, 0), (7, 0), (-3, 5)])
@pytest.mark.parametrize('place', [(15, 10), (1, 2), (28.3, 19.6)])
def test_the_label_is_where_more_than_half_of_a_pixel_is_painted(
    smear: tuple[float, float], place: tuple[float, float]
) -> None:
    white, labels = painted(smear, scale=8, place=place)
    np.testing.assert_array_equal(labels, np.where(white > 127, 3, 0))
    assert labels.any()


@pytest.mark.parametrize('smear', [(0, 0), (9, 0), (0, 9), (6, -6)])
def test_what_goes_on_outside_the_frame_does_not_fade_at_its_border(smear: tuple[float, float]) -> None:
    white, labels = painted(smear, scale=60, place=(15, 10))
    assert (white == 255).all() and (labels == 3).all()


def test_nothing_is_painted_outside_the_frame() -> None:
    for place in ((-20, 10), (60, 10), (15, -30), (15, 50)):
        white, labels = painted((6, 6), scale=8, place=place)
        assert not white.any() and not labels.any()


def test_hidden_colours_of_a_cut_out_do_not_get_into_its_edges() -> None:
    position = np.zeros((2, 2))
    made = figure(np.random.default_rng(1), disc(64, (200, 0, 0)), position=position, radius=np.full(2, 0.1), pixels=64)
    red, green, _, alpha = np.moveaxis(made.picture, 2, 0)
    assert max(made.picture.shape) < 24 and ((alpha > 0) & (alpha < 255)).any()
    assert green.max() == 0
    np.testing.assert_allclose(red, alpha * (200 / 255), atol=2)


def cut_material(folder: Path, side: str) -> Material:
    """Orange cut-outs of several shapes, all cut at one side, which is blue. Nothing else is blue."""

    def cutout(index: int) -> np.ndarray:
        height, width = [(60, 60), (20, 70), (70, 20)][index % 3]
        pixels = flat(height, width, (200, 10 * index, 0))
        last = {'left': np.s_[:, 0], 'right': np.s_[:, -1], 'top': np.s_[0], 'bottom': np.s_[-1]}[side]
        pixels[last] = (*STRIPE, 255)
        return pixels

    notes = dict.fromkeys(range(12), f'cut:{side}')
    return draw_material(folder, cutout, lambda _: (60, 60, 0), notes=notes, classes=('person', 'thing'))


@pytest.mark.parametrize('side', SIDES)
def test_a_cut_side_is_never_seen(tmp_path: Path, side: str) -> None:
    """Not of objects, and not of still things in the background; whatever the camera does."""
    material, shown = cut_material(tmp_path, side), 0
    borders = {'top': [np.s_[0]], 'bottom': [np.s_[-1]]}.get(side, [np.s_[:, 0], np.s_[:, -1]])
    for preset in ('plain', 'small'):
        for seed in range(20):
            made = clip(material, preset, seed, frames=6, gaps=(4,), camera=1.5, degrade=0.0, objects=(1, 1))
            assert made.images[..., 2].max() == 0
            for mask in made.masks[:, 0]:
                assert not mask.any() or any(mask[border].any() for border in borders)
            shown += int(made.visible.sum())
    assert shown > 100


@pytest.mark.parametrize('seed', SEEDS)
@pytest.mark.parametrize('split', SPLITS)
@pytest.mark.parametrize('preset', ['occlusion', 're_entry'])
def test_the_target_is_hidden_and_comes_back(plain: Path, preset: str, split: str, seed: int) -> None:
    made = clip(read(plain), preset, seed, split=split, frames=60)
    seen = made.visible[:, 0]
    hidden = np.flatnonzero(~seen)
    assert seen[:2].all() and len(hidden) >= 3 and seen[hidden[0] :].any()
    assert made.roles.count('occluder') == (preset == 'occlusion')


def test_an_occluder_is_where_the_target_was(plain: Path) -> None:
    for seed in SEEDS:
        made = clip(read(plain), 'occlusion', seed, frames=60, objects=(1, 1))
        last = int(np.flatnonzero(~made.visible[:, 0])[0]) - 1
        cover = made.masks[last + 1, made.roles.index('occluder')]
        assert (cover & made.masks[last, 0]).sum() > 0.8 * made.masks[last, 0].sum()


def test_crowds_have_several_members_of_one_class(plain: Path) -> None:
    assert all(3 <= len(clip(read(plain), 'crowd', seed, frames=2).roles) <= 8 for seed in SEEDS)
