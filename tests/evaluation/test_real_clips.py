"""The whole way on filmed clips, where they are: they may be used for research, but not be part of the repository."""

from pathlib import Path

import pytest

from sam2_ros.evaluation.__main__ import main
from tests.common import REPOSITORY
from tests.evaluation.test_command_lines import table

CLIPS = REPOSITORY.parent / 'shared/data/clips'
CAR = 'davis_car-turn'

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def clips() -> None:
    if not (CLIPS / CAR).is_dir():
        pytest.skip(f'there are no filmed clips in {CLIPS}; they are not part of the repository')


def test_the_bundled_model_follows_a_car(tmp_path: Path) -> None:
    arguments = ['folder', str(CLIPS), '--videos', CAR, '--image-size', '192', '--memory', 'sam2']
    assert main([*arguments, '--output', str(tmp_path)]) == 0
    text = (tmp_path / 'results.md').read_text()
    figures = table(text, 'memory | J&F')[0]
    assert figures[0] == 'sam2' and 60 < float(figures[1]) < 100
    assert table(text, 'video | frames')[0][:3] == [CAR, '33', '1']
    assert {file.name for file in (tmp_path / 'pictures').iterdir()} == {f'{CAR}.png', f'worst_{CAR}.jpg'}
