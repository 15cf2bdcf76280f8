"""Predictions come back from the disk as they were, and are never mixed with those of another configuration."""

from pathlib import Path

import numpy as np
import pytest

from sam2_ros.evaluation.predictions import ConfigMismatchError, Prediction, PredictionStore, RunKey

KEY = RunKey('dam', 'box', 3)


def some_track(*, frames: int = 4, height: int = 5, width: int = 13) -> Prediction:
    rng = np.random.default_rng(0)
    return Prediction(rng.random((frames, height, width)) < 0.5, rng.normal(size=frames).astype(np.float32))


@pytest.mark.parametrize('width', [1, 8, 13])
def test_a_track_comes_back_as_it_was(tmp_path: Path, width: int) -> None:
    store, track = PredictionStore(tmp_path, {}), some_track(width=width)
    store.save(KEY, track)
    loaded = store.load(KEY)
    np.testing.assert_array_equal(loaded.masks, track.masks, strict=True)
    np.testing.assert_array_equal(loaded.object_score, track.object_score, strict=True)


def test_runs_are_kept_apart(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path, {})
    others = [RunKey('sam2', 'box', 3), RunKey('dam', 'point', 3), RunKey('dam', 'box', 4), RunKey('dam', 'box', 3, 1)]
    store.save(KEY, some_track())
    assert store.has(KEY)
    assert not any(store.has(other) for other in others)
    with pytest.raises(FileNotFoundError):
        store.load(others[0])


def test_the_same_configuration_finds_its_predictions_again(tmp_path: Path) -> None:
    PredictionStore(tmp_path, {'size': 256, 'radius': [0.1, 0.2]}).save(KEY, some_track())
    assert PredictionStore(tmp_path, {'radius': [0.1, 0.2], 'size': 256}).has(KEY)


def test_another_configuration_is_refused_until_told_to_overwrite(tmp_path: Path) -> None:
    PredictionStore(tmp_path, {'size': 256, 'model': 'micro'}).save(KEY, some_track())
    with pytest.raises(ConfigMismatchError, match=r'size 256 instead of 384.*--overwrite') as error:
        PredictionStore(tmp_path, {'size': 384, 'model': 'micro'})
    assert 'micro' not in str(error.value)  # only what differs
    assert PredictionStore(tmp_path, {'size': 256, 'model': 'micro'}).has(KEY)  # nothing was lost
    assert not PredictionStore(tmp_path, {'size': 384, 'model': 'micro'}, overwrite=True).has(KEY)
    PredictionStore(tmp_path, {'size': 384, 'model': 'micro'}).save(KEY, some_track())
    with pytest.raises(ConfigMismatchError):
        PredictionStore(tmp_path, {'size': 256, 'model': 'micro'})


@pytest.mark.parametrize('damage', [None, '', '[]'])
def test_predictions_of_an_unknown_configuration_are_refused(tmp_path: Path, damage: str | None) -> None:
    PredictionStore(tmp_path, {'size': 256}).save(KEY, some_track())
    (tmp_path / 'config.json').unlink()
    if damage is not None:
        (tmp_path / 'config.json').write_text(damage)
    with pytest.raises(ConfigMismatchError, match=r'no config.json that tells what made them.*--overwrite'):
        PredictionStore(tmp_path, {'size': 256})
    assert (tmp_path / KEY.file_name).exists()
    assert not PredictionStore(tmp_path, {'size': 256}, overwrite=True).has(KEY)
    assert PredictionStore(tmp_path, {'size': 256}).folder == tmp_path


def test_overwriting_deletes_nothing_but_predictions(tmp_path: Path) -> None:
    PredictionStore(tmp_path, {'size': 1}).save(KEY, some_track())
    (tmp_path / 'notes.txt').write_text('mine')
    PredictionStore(tmp_path, {'size': 2}, overwrite=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['config.json', 'notes.txt']
