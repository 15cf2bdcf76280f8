"""What the cameras of a process share: the network, and the thread that owns it."""

from __future__ import annotations

from weakref import WeakValueDictionary

from sam2_ros.live.inference import InferenceThread
from sam2_ros.live.network import NETWORK_SETTINGS, load_network
from sam2_ros.live.settings import Settings
from sam2_ros.model import Sam2Network


class Engine:
    """One thread, and one network for all that ask for the same one.

    A network goes when nobody uses it any more, and its memory with it.
    """

    def __init__(self) -> None:
        self.thread = InferenceThread()
        self._networks: WeakValueDictionary[tuple[object, ...], Sam2Network] = WeakValueDictionary()

    def network(self, settings: Settings) -> Sam2Network:
        """The network that the settings ask for, see `load_network`, loaded unless it is there."""
        wanted = tuple(settings[name] for name in NETWORK_SETTINGS)
        network = self._networks.get(wanted)
        if network is None:
            network = self._networks[wanted] = load_network(settings)
        return network
