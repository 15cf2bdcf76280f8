"""Clips that are made here: always the same, fit to be prompted, and a data set like the others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.evaluation.datasets.dataset import ClipChoice
from sam2_ros.evaluation.datasets.registry import open_dataset
from sam2_ros.evaluation.datasets.synthetic import SUBSETS, Subset, SyntheticClips, TargetClip, benchmark_clip
from sam2_ros.synthetic.scene import PRESETS, make_clip

SCENE = replace(PRESETS['occlusion'], height=96, width=128, frames=8, photos=0.0)
SMALL = Subset(SCENE, clips=2, first_seed=77)


@pytest.fixture(scope='module')
def clip() -> TargetClip:
    return benchmark_clip(SMALL, 0)


@pytest.mark.slow
def test_a_clip_is_always_the_same_and_can_be_prompted(clip: TargetClip) -> None:
    other = benchmark_clip(SMALL, 1)
    again = benchmark_clip(SMALL, 0)
    assert again is not clip and (again.images == clip.images).all() and (again.truth == clip.truth).all()
    assert (clip.images != other.images).any()
    assert clip.images.shape == (8, 96, 128, 3)
    assert clip.truth.shape == (8, 96, 128)
    assert clip.truth.dtype == bool
    assert np.count_nonzero(clip.truth[0]) >= 4
    assert other.seed >= 77 + 100


@pytest.mark.slow
def test_targets_that_cannot_be_prompted_are_passed_over() -> None:
    tiny = replace(SMALL, scene=replace(SCENE, height=192, width=256, frames=2, radius=(0.001, 0.002)))
    with pytest.raises(ValueError, match='none of 100 seeds from 77'):
        benchmark_clip(tiny, 0)


@pytest.mark.slow
def test_clips_can_be_of_the_material_of_training(clip: TargetClip) -> None:
    seen = benchmark_clip(replace(SMALL, split='train'), 0)
    np.testing.assert_array_equal(seen.images, make_clip(seen.seed, SCENE, split='train').images)
    np.testing.assert_array_equal(clip.images, make_clip(clip.seed, SCENE, split='heldout').images)


def test_the_benchmark_has_the_five_subsets_it_promises() -> None:
    assert list(SUBSETS) == ['plain', 'lookalikes', 'occlusion', 're_entry', 'small']
    assert all(60 <= subset.scene.frames <= 200 for subset in SUBSETS.values())
    seeds = [range(subset.first_seed, subset.first_seed + 100 * subset.clips) for subset in SUBSETS.values()]
    assert len(set().union(*seeds)) == sum(map(len, seeds))  # no clip is in two subsets


@pytest.mark.slow
def test_a_clip_is_a_video_of_the_data_set(clip: TargetClip) -> None:
    data = SyntheticClips('heldout', subsets={'hard': SMALL})
    assert list(data.names) == ['hard/000', 'hard/001']
    sequence = data.sequence('hard/000')
    assert (len(sequence.frames), sequence.size, dict(sequence.attributes)) == (8, (96, 128), {'subset': 'hard'})
    (target,) = sequence.objects
    assert (target.start, target.scored) == (0, tuple(range(1, 7)))
    for frame in range(8):
        np.testing.assert_array_equal(sequence.image(frame), clip.images[frame])
        np.testing.assert_array_equal(sequence.masks(frame)[target.object_id], clip.truth[frame])
    longer = SyntheticClips('train', ClipChoice(clips=3, frames=9), subsets={'hard': SMALL})
    assert list(longer.names) == ['hard/000', 'hard/001', 'hard/002']
    assert len(longer.sequence('hard/002').frames) == 9


def test_its_number_of_clips_can_be_chosen_and_it_has_no_folder(tmp_path: Path) -> None:
    assert list(open_dataset('synthetic', None, choice=ClipChoice(clips=1)).names) == [f'{one}/000' for one in SUBSETS]
    assert len(open_dataset('synthetic', None).names) == 56
    with pytest.raises(ValueError, match='Synthetic clips are made here, and not read from'):
        open_dataset('synthetic', tmp_path)


@pytest.mark.parametrize(
    ('name', 'choice', 'sentence'),
    [
        (
            'folder',
            ClipChoice(frames=9),
            'the frames of folder are as they are; they can be chosen for synthetic, foot',
        ),
        ('footage', ClipChoice(clips=9), 'the clips of footage are as they are; they can be chosen for synthetic$'),
    ],
)
def test_other_data_sets_are_as_they_are(name: str, choice: ClipChoice, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        open_dataset(name, tmp_path, choice=choice)
