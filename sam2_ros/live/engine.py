"""What the cameras of a process share: the network, and the thread that owns it."""

from __future__ import annotations

import threading
from functools import partial
from weakref import WeakValueDictionary

import torch

from sam2_ros.live.inference import InferenceThread
from sam2_ros.live.network import NETWORK_SETTINGS, load_network
from sam2_ros.live.settings import Settings
from sam2_ros.model import Sam2Network


class Engine:
    """One inference thread, and one network for all who ask for the same one.

    A network is freed when its last user is gone. Any thread may ask for it.
    """

    def __init__(self) -> None:
        self.thread = InferenceThread()
        self._lock = threading.Lock()
        self._networks: WeakValueDictionary[tuple[object, ...], Sam2Network] = WeakValueDictionary()

    def network(self, settings: Settings) -> Sam2Network:
        """The network that the settings ask for (see `load_network`). It is loaded when nobody has it yet."""
        wanted = tuple(settings[name] for name in NETWORK_SETTINGS)
        with self._lock:
            network = self._networks.get(wanted)
            if network is None:
                network = self._networks[wanted] = load_network(settings)
                # each thread has a number of its own; new ones take over that of the process
                self.thread.call(partial(torch.set_num_threads, torch.get_num_threads()))
            return network
