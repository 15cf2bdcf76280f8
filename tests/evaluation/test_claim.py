"""Results of two configurations are never mixed in a folder."""

from pathlib import Path
from typing import Any

import pytest

from sam2_ros.evaluation.claim import ConfigMismatchError, claim_folder


def claim(folder: Path, config: dict[str, Any], *, overwrite: bool = False) -> None:
    claim_folder(folder, config, kept='*.npz', overwrite=overwrite)


def test_the_same_configuration_finds_its_results_again(tmp_path: Path) -> None:
    claim(tmp_path / 'new', {'size': 256, 'radius': [0.1, 0.2]})
    (tmp_path / 'new/a.npz').touch()
    claim(tmp_path / 'new', {'radius': [0.1, 0.2], 'size': 256})
    assert (tmp_path / 'new/a.npz').exists()


def test_another_configuration_is_refused_until_told_to_overwrite(tmp_path: Path) -> None:
    claim(tmp_path, {'size': 256, 'model': 'micro'})
    (tmp_path / 'a.npz').touch()
    with pytest.raises(ConfigMismatchError, match=r'size 256 instead of 384.*--overwrite') as error:
        claim(tmp_path, {'size': 384, 'model': 'micro'})
    assert 'micro' not in str(error.value)  # only what differs
    assert (tmp_path / 'a.npz').exists()  # nothing was lost
    claim(tmp_path, {'size': 384, 'model': 'micro'}, overwrite=True)
    assert not (tmp_path / 'a.npz').exists()
    (tmp_path / 'a.npz').touch()
    with pytest.raises(ConfigMismatchError):
        claim(tmp_path, {'size': 256, 'model': 'micro'})


@pytest.mark.parametrize('damage', [None, '', '[]'])
def test_results_of_an_unknown_configuration_are_refused(tmp_path: Path, damage: str | None) -> None:
    claim(tmp_path, {'size': 256})
    (tmp_path / 'a.npz').touch()
    (tmp_path / 'config.json').unlink()
    if damage is not None:
        (tmp_path / 'config.json').write_text(damage)
    with pytest.raises(ConfigMismatchError, match=r'no config.json that tells what made them.*--overwrite'):
        claim(tmp_path, {'size': 256})
    assert (tmp_path / 'a.npz').exists()
    claim(tmp_path, {'size': 256}, overwrite=True)
    claim(tmp_path, {'size': 256})


def test_overwriting_deletes_nothing_but_results(tmp_path: Path) -> None:
    claim(tmp_path, {'size': 1})
    for name in ('a.npz', 'notes.txt'):
        (tmp_path / name).touch()
    claim(tmp_path, {'size': 2}, overwrite=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['config.json', 'notes.txt']
