"""The GPU suite, rehearsed on the CPU: every part runs, fails alone, and needs nothing but what it says."""

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sam2_ros.tools import bench, gpu_suite
from sam2_ros.tools.gpu_parts import PARTS, REHEARSAL
from sam2_ros.tools.gpu_suite import MOST_SECONDS, chosen_parts, run_suite
from tests.common import REPOSITORY

pytestmark = pytest.mark.slow

TINY = replace(REHEARSAL, clip=3, long=10, objects=(1,), cameras=(1,))


def lines_of(part: str, left: float = 100.0) -> list[str]:
    return '\n'.join(PARTS[part](TINY, lambda: left)).splitlines()


def test_masks_are_compared_with_every_memory() -> None:
    rows = [line for line in lines_of('correct') if line.startswith('|')][2:]
    assert len(rows) == 9
    for row in rows:
        assert row.split('|')[2:6] == [' 1.00000 ', ' 1.0000 ', ' 0.00% ', ' 0.00% ']


def test_half_precision_is_compared() -> None:
    rows = [line.split('|') for line in lines_of('precision') if line.startswith('|')][2:]
    assert [row[1].split(': ')[1].strip() for row in rows] == ['bfloat16', 'float16'] * 2
    assert all(0.8 < float(row[2]) <= 1 for row in rows)


def test_both_sides_are_measured() -> None:
    rows = [line.split('|') for line in lines_of('official') if line.startswith('|')][2:]
    assert [row[1].strip() for row in rows] == ['ours', 'official']
    assert all(float(row[6]) > 0 and float(row[11]) > 0.99 for row in rows)


@pytest.mark.parametrize(
    ('part', 'words'),
    [('machine', 'torch'), ('cameras', '| 1 |'), ('long', 'memory grew by'), ('start', 'first mask after')],
)
def test_other_parts_say_something(part: str, words: str) -> None:
    assert any(words in line for line in lines_of(part))


@pytest.mark.parametrize('part', ['speed', 'official'])
def test_a_part_stops_in_time(part: str) -> None:
    assert lines_of(part, left=1.0)[-1] == 'no time left for the rows that are missing'


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One part runs, one is ended, one fails; the page says so, and was printed on the way."""
    monkeypatch.setitem(MOST_SECONDS, 'correct', 0.0)
    monkeypatch.setattr(gpu_suite, 'GRACE', 0.5)
    monkeypatch.setitem(PARTS, 'unknown', PARTS['long'])
    monkeypatch.setitem(MOST_SECONDS, 'unknown', 100.0)
    page = run_suite(tmp_path / 'new', ['machine', 'correct', 'unknown'], seconds=300).read_text()
    assert capsys.readouterr().out == page
    assert 'a rehearsal on the CPU' in page
    machine, correct, unknown = page.split('\n## ')[1:]
    assert 'done after' in machine and 'ended because its time was over' in correct
    assert "KeyError: 'unknown'" in unknown and 'exit status 1 after' in unknown


def test_parts_for_which_there_is_no_time_are_named(tmp_path: Path) -> None:
    assert bench.main(['--gpu-suite', str(tmp_path), '--parts', 'speed,machine', '--seconds', '1']) == 0
    page = (tmp_path / 'gpu.md').read_text()
    assert page.count('not run: no time left') == 2
    assert page.index('## machine') < page.index('## speed')


def test_parts_are_chosen_by_name() -> None:
    assert chosen_parts('all') == list(PARTS) == list(MOST_SECONDS)
    assert chosen_parts('long,machine') == ['machine', 'long']
    with pytest.raises(argparse.ArgumentTypeError, match="'fast' is not one of all, machine"):
        chosen_parts('machine,fast')


ALONE = """
import sys

class Bare:
    def find_spec(self, name, path=None, target=None):
        known = {*sys.stdlib_module_names, 'torch', 'numpy', 'cv2', 'safetensors', 'sam2_ros'}
        if name.partition('.')[0] not in known | torchs_own:
            raise ImportError(f'{name} is not there')

import torch, cv2, numpy, safetensors.torch
torchs_own = {'typing_extensions', 'sympy', 'mpmath', 'networkx', 'jinja2', 'fsspec', 'filelock', 'markupsafe'}
sys.meta_path.insert(0, Bare())
from sam2_ros.tools.bench import main
from sam2_ros.tools.gpu_suite import say_part
say_part('start', 60.0)
main(['--gpu-suite', sys.argv[1], '--parts', 'machine', '--seconds', '1'])
"""


def test_it_runs_on_a_bare_machine(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, '-c', ALONE, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 0, run.stderr
    assert 'first mask after' in run.stdout and 'page: ' in run.stdout
