"""Which cluster is asked for what, as far as that needs no cluster."""

import importlib.util
import socket
import sys
from pathlib import Path

import pytest

from sam2_ros.evaluation import cluster
from sam2_ros.evaluation.__main__ import main
from sam2_ros.evaluation.cluster import RayCluster, shares_of
from tests.evaluation import layouts

HAS_RAY = importlib.util.find_spec('ray') is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="needs Ray: pip install '.[cluster]'")


@pytest.mark.parametrize(
    ('processes', 'gpus', 'shares'),
    [
        (3, 0.0, {'num_cpus': 2, 'num_gpus': 0.0}),
        (8, 0.0, {'num_cpus': 1, 'num_gpus': 0.0}),
        (8, 0.25, {'num_cpus': 1, 'num_gpus': 0.25}),
        (2, 1.0, {'num_cpus': 1, 'num_gpus': 1.0}),
    ],
)
def test_processes_share_what_a_cluster_has(processes: int, gpus: float, shares: dict[str, float]) -> None:
    assert shares_of({'CPU': 8.0, 'GPU': 2.0, 'memory': 1e9}, processes=processes, gpus=gpus) == shares


@pytest.mark.parametrize(
    ('processes', 'gpus', 'sentence'),
    [
        (9, 0.0, '9 processes need 9 cores, and the cluster has 8'),
        (5, 0.5, '5 processes need 2.5 GPUs, and the cluster has 2'),
    ],
)
def test_a_cluster_that_is_too_small_is_refused(processes: int, gpus: float, sentence: str) -> None:
    """Ray would wait for ever."""
    with pytest.raises(ValueError, match=sentence):
        shares_of({'CPU': 8.0, 'GPU': 2.0}, processes=processes, gpus=gpus)


@pytest.mark.parametrize(
    ('more', 'sentence'),
    [
        (['--gpus', '0.5'], '--gpus is for --ray'),
        pytest.param(['--ray', 'local', '--gpus', '0.5'], '--gpus is for --device cuda', marks=needs_ray),
        pytest.param(['--ray', 'head'], "host:port, 'auto' or 'local', not 'head'", marks=needs_ray),
    ],
)
def test_what_does_not_fit_together_is_refused(
    more: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, *more) == 1
    assert sentence in capsys.readouterr().err


@needs_ray
def test_a_silent_address_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as bound:  # nobody listens
        bound.bind(('127.0.0.1', 0))
        address = f'127.0.0.1:{bound.getsockname()[1]}'
        assert run(tmp_path, '--ray', address) == 1
    assert f'nothing answers at {address}' in capsys.readouterr().err


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'ray', None)
    cluster._ray.cache_clear()
    with pytest.raises(ImportError, match=r"needs the Python package ray: pip install '\.\[cluster\]'"):
        RayCluster('local', 2)


def run(folder: Path, *more: str) -> int:
    layouts.folder(folder / 'data')
    return main(['folder', str(folder / 'data'), '--image-size', '128', '--output', str(folder / 'out'), *more])
