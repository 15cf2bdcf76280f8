"""One network for all who ask for the same one, from whatever thread."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from sam2_ros.live import engine as engine_module
from sam2_ros.live.engine import Engine
from sam2_ros.live.network import NETWORK_SETTINGS

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
