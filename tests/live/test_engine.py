"""One network for all who ask for the same one, from whatever thread."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sam2_ros.live import engine as engine_module
from sam2_ros.live import inference
from sam2_ros.live.engine import Engine
from sam2_ros.live.network import NETWORK_SETTINGS
from tests.common import MICRO

SETTINGS = dict.fromkeys(NETWORK_SETTINGS, '')


def test_a_network_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Network(SimpleNamespace):
        """Can be referred to weakly."""

    loaded: list[str] = []

    def load(settings: dict[str, str]) -> Network:
        time.sleep(0.1)
        loaded.append(settings['model'])
        return Network()

    monkeypatch.setattr(engine_module, 'load_network', load)
    engine = Engine()
    with ThreadPoolExecutor(3) as pool:
        first, second, other = pool.map(engine.network, [SETTINGS, SETTINGS, SETTINGS | {'model': 'other'}])
    assert first is second is not other and sorted(loaded) == ['', 'other']
    del first, second
    gc.collect()
    assert engine.network(SETTINGS) is not None and sorted(loaded) == ['', '', 'other']


def test_the_thread_computes_with_as_many_cpu_threads_as_were_asked_for(
    micro_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it ran before."""
    monkeypatch.setattr(inference, 'LINGER', 10.0)
    engine, before = Engine(), torch.get_num_threads()
    settings = {'model': MICRO, 'checkpoint': str(micro_weights), 'device': 'cpu', 'dtype': 'auto', 'image_size': 64}
    try:
        for threads in (1, 2, 1):
            network = engine.network(settings | {'cpu_threads': threads})
            assert engine.thread.call(torch.get_num_threads) == threads
            del network
            gc.collect()
    finally:
        torch.set_num_threads(before)
