"""Synthetic clips: the same for the same seed everywhere, with masks that tell the truth, showing what presets name."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_ros.synthetic.motion import fold, hidden_phases
from sam2_ros.synthetic.scene import PRESETS, SPLITS, Clip, SceneSettings, make_clip
from tests.common import REPOSITORY

pytestmark = pytest.mark.slow

SEEDS = range(8)

# A fresh process, in which the other split has no material at all: a clip that needs it cannot be made.
DIGEST_WITHOUT_THE_OTHER_SPLIT = """
import sys
from sam2_ros.synthetic import shapes, textures
split, other = sys.argv[1:]
del shapes.FAMILIES[other], textures.PATTERNS[other], textures.PHOTOS[other]
from tests.synthetic.test_scene import digest
print(digest(split))
"""


def clip(preset: str, seed: int, *, split: str = 'train', **changes: object) -> Clip:
    scene = replace(PRESETS[preset], height=96, width=128, photos=0.0)
    return make_clip(seed, replace(scene, **changes), split=split)  # type: ignore[arg-type]


def digest(split: str, *, photos: float = 0.5) -> str:
    """Of pictures, masks and roles of some clips of every preset."""
    sha = hashlib.sha256()
    for preset in PRESETS:
        for seed in (1, 1 << 40):
            made = clip(preset, seed, split=split, frames=3, gaps=(4,), photos=photos)
            sha.update(made.images.tobytes() + made.masks.tobytes() + repr(made.roles).encode())
    return sha.hexdigest()


@pytest.mark.parametrize(('split', 'other'), [SPLITS, SPLITS[::-1]])
def test_a_seed_gives_the_same_bytes_in_another_process_that_lacks_the_other_split(split: str, other: str) -> None:
    run = subprocess.run(
        [sys.executable, '-c', DIGEST_WITHOUT_THE_OTHER_SPLIT, split, other],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.stdout.strip() == digest(split), run.stderr


def test_seeds_splits_and_photographs_change_what_is_shown() -> None:
    shown = [clip('mixed', 1), clip('mixed', 2), clip('mixed', 1, split='heldout'), clip('mixed', 1, photos=1.0)]
    assert len({made.images.tobytes() for made in shown}) == 4


@pytest.mark.parametrize('preset', PRESETS)
def test_shapes_types_and_visibility_agree(preset: str) -> None:
    for seed in SEEDS:
        made = clip(preset, seed, frames=12)
        objects = len(made.roles)
        assert made.images.shape == (12, 96, 128, 3) and made.images.dtype == np.uint8
        assert made.masks.shape == (12, objects, 96, 128) and made.masks.dtype == bool
        assert made.masks.sum(axis=1).max() <= 1  # what is in front hides what is behind
        np.testing.assert_array_equal(made.visible, made.masks.any(axis=(2, 3)))
        assert made.roles[0] == 'target' and made.roles.count('target') == 1
        assert set(made.roles) <= {'target', 'lookalike', 'occluder', 'other'}


@pytest.mark.parametrize(('gaps', 'moments'), [((3,), [0, 3, 6, 9, 12]), ((1, 5), [0, 1, 6, 7, 12])])
def test_gaps_skip_frames_of_the_same_scene(gaps: tuple[int, ...], moments: list[int]) -> None:
    every = clip('occlusion', 5, frames=13, degrade=0.0)
    some = clip('occlusion', 5, frames=5, gaps=gaps, degrade=0.0)
    np.testing.assert_array_equal(every.masks[moments], some.masks)
    np.testing.assert_array_equal(every.images[moments], some.images)


@pytest.mark.parametrize('seed', SEEDS)
def test_only_what_a_mask_covers_moves(seed: int) -> None:
    made = clip('lookalikes', seed, frames=6, camera=0.0, degrade=0.0)
    covered = made.masks.any(axis=1).astype(np.uint8)
    near = np.stack([cv2.dilate(mask, np.ones((5, 5))) for mask in covered]).astype(bool)  # edges are antialiased
    inner = np.stack([cv2.erode(mask, np.ones((3, 3))) for mask in covered]).astype(bool)
    background = ~near.any(axis=0)
    assert background.mean() > 0.3
    assert (made.images[:, background] == made.images[0, background]).all()
    arrived = inner[-1] & ~near[0]
    changed = (made.images[-1] != made.images[0]).any(axis=-1)
    assert changed[arrived].sum() >= 0.9 * arrived.sum()


def test_lookalikes_wear_the_colours_of_the_target() -> None:
    distance: dict[str, list[float]] = {'lookalike': [], 'other': []}
    for seed in range(16):
        made = clip('lookalikes', seed, frames=1, degrade=0.0)
        assert 2 <= made.roles.count('lookalike') <= 4
        large = [mask if mask.sum() > 20 else np.zeros_like(mask) for mask in made.masks[0]]
        colours = [made.images[0][mask].mean(axis=0) if mask.any() else np.full(3, np.nan) for mask in large]
        for role, colour in zip(made.roles[1:], colours[1:], strict=True):
            distance[role].append(float(np.abs(colour - colours[0]).mean()))
    assert np.nanmedian(distance['lookalike']) < 0.5 * np.nanmedian(distance['other'])


@pytest.mark.parametrize('seed', SEEDS)
@pytest.mark.parametrize('split', SPLITS)
@pytest.mark.parametrize('preset', ['occlusion', 're_entry'])
def test_the_target_is_hidden_fully_and_comes_back(preset: str, split: str, seed: int) -> None:
    made = clip(preset, seed, split=split, frames=60)
    seen = made.visible[:, 0]
    hidden = np.flatnonzero(~seen)
    assert seen[:2].all() and len(hidden) >= 5 and seen[hidden[0] :].any()
    assert made.roles.count('occluder') == (preset == 'occlusion')


@pytest.mark.parametrize('seed', SEEDS)
def test_where_the_target_went(seed: int) -> None:
    """The occluder is where it was just before; or it was at the edge of the frame."""
    behind = clip('occlusion', seed, frames=60, objects=(1, 1))
    last = int(np.flatnonzero(~behind.visible[:, 0])[0]) - 1
    cover = behind.masks[last + 1, behind.roles.index('occluder')]
    assert (cover & behind.masks[last, 0]).sum() > 0.9 * behind.masks[last, 0].sum()

    away = clip('re_entry', seed, frames=60, objects=(1, 1))
    rows, columns = np.nonzero(away.masks[int(np.flatnonzero(~away.visible[:, 0])[0]) - 1, 0])
    to_edge = min(rows.min(), columns.min(), 95 - rows.max(), 127 - columns.max())
    assert to_edge <= 2


def test_plain_targets_stay_and_small_ones_are_small() -> None:
    plain, small = ([clip(preset, seed, frames=30) for seed in SEEDS] for preset in ('plain', 'small'))
    assert all(made.visible[:, 0].all() and set(made.roles) <= {'target', 'other'} for made in plain)
    areas = [np.median([made.masks[0, 0].sum() for made in clips]) for clips in (plain, small)]
    assert areas[1] < 0.3 * areas[0]


def test_crowds_have_several_walkers_before_a_calm_camera() -> None:
    assert all(3 <= len(clip('crowd', seed, frames=2).roles) <= 8 for seed in SEEDS)


@pytest.mark.parametrize('preset', ['street', 'thicket'])
def test_a_screen_stays_in_place_in_front_of_everything_on_the_way_of_the_target(preset: str) -> None:
    still = {'frames': 12, 'camera': 0.0, 'degrade': 0.0}
    for seed in SEEDS:
        free, made = (clip(preset, seed, **still, screens=(count, count)) for count in (0, 1))
        assert made.roles == (*free.roles, 'occluder')
        screen = made.masks[:, -1]
        assert all((now & screen[0]).sum() > 0.6 * (now | screen[0]).sum() for now in screen)  # foliage sways
        assert (free.masks[4:, 0] & screen[4:]).any()
        np.testing.assert_array_equal(made.masks[:, :-1], free.masks & ~screen[:, None])


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'height': 8}, 'at least 16x16 pixels'),
        ({'frames': 0}, 'one frame'),
        ({'gaps': (2, 0)}, 'gaps of 1 or more'),
        ({'gaps': ()}, 'gaps of 1 or more'),
        ({'objects': (0, 3)}, 'objects and radius'),
        ({'radius': (0.3, 0.1)}, 'ordered'),
        ({'lookalikes': (3, 2)}, 'lookalikes'),
        ({'screens': (-1, 2)}, 'screens'),
    ],
)
def test_settings_that_show_nothing_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SceneSettings(**changes)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="split must be one of train, heldout, got 'test'"):
        make_clip(1, SceneSettings(), split='test')


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(4, 200))
def test_events_begin_visible_and_hide_fully(seed: int, frames: int) -> None:
    phase = hidden_phases(np.random.default_rng(seed), frames)
    assert phase.shape == (frames,) and phase.min() >= 0 and phase.max() <= 1
    assert phase[0] < 1 and phase[1] < 1
    if frames >= 12:
        assert phase[0] == 0 and phase.max() == 1
        assert np.diff((phase > 0.5).astype(int)).clip(min=0).sum() == max(1, round(frames / 45))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=1, max_size=8), st.floats(-3, 3), st.floats(0.1, 4))
def test_fold_reflects_at_walls(positions: list[float], low: float, span: float) -> None:
    given_positions, high = np.array(positions), low + span
    folded = fold(given_positions, np.array(low), np.array(high))
    assert (folded >= low - 1e-9).all() and (folded <= high + 1e-9).all()
    inside = (given_positions >= low) & (given_positions <= high)
    np.testing.assert_allclose(folded[inside], given_positions[inside], atol=1e-9)
    np.testing.assert_allclose(fold(2 * high - given_positions, np.array(low), np.array(high)), folded, atol=1e-9)
