"""The process trackers on a real ROS graph, and a client for each of its cameras."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import yaml

from sam2_ros.nodes.edge import diagnostics
from sam2_ros.nodes.trackers import diagnostics as process_diagnostics
from sam2_ros.nodes.trackers.node import TrackersNode
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import Client, Graph
from tests.nodes.reference import SIZE

NAMES = ('front', 'left')
NUMBERS = itertools.count()  # of the graphs of this process


def mirrored(index: int) -> np.ndarray:
    """Image `index` of another scene: left and right are exchanged."""
    return np.ascontiguousarray(scene.picture(index)[:, ::-1])


def mirrored_box(name: str, index: int) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = scene.box(name, index)
    return scene.WIDTH - x1, y0, scene.WIDTH - x0, y1


@dataclass(frozen=True)
class Cameras:
    """The process and its clients.

    Attributes:
        node: of the process.
        process: a client of that node.
        front, left: clients of the cameras.
    """

    node: TrackersNode
    process: Client
    front: Client
    left: Client

    def connect(self, *names: str) -> None:
        """Wait until these trackers listen; by default both."""
        for name in names or NAMES:
            client: Client = getattr(self, name)
            client.tracker_node = client.wait_for(lambda name=name: self.node.cameras.get(name), 'the node').node
            client.connected()


@contextmanager
def cameras_graph(
    weights: Path, *, of_cameras: Mapping[str, Mapping[str, Any]] | None = None, **parameters: Any
) -> Iterator[Cameras]:
    """A process of two cameras, run by threads of this one. Its diagnostics come faster than usual.

    Args:
        of_cameras: parameters of single cameras, by name; the others are for all nodes.
    """
    namespace = f'/cameras_{os.getpid()}_{next(NUMBERS)}'
    values = {'cameras': list(NAMES), 'checkpoint': str(weights), 'image_size': SIZE, 'cpu_threads': 1, **parameters}
    content = {'/**': values} | {f'{namespace}/{name}/tracker': own for name, own in (of_cameras or {}).items()}
    with tempfile.NamedTemporaryFile('w', suffix='.yaml') as file:
        yaml.safe_dump({node: {'ros__parameters': dict(own)} for node, own in content.items()}, file)
        file.flush()
        made = Graph(['--ros-args', '--params-file', file.name])
    with (
        mock.patch.object(diagnostics, 'PERIOD', 0.1),
        mock.patch.object(process_diagnostics, 'PERIOD', 0.1),
    ):
        try:
            node = TrackersNode(context=made.context, namespace=namespace)
            clients = [
                Client(made.context, tracker=f'{namespace}/{name}', image=f'{namespace}/{folder}image_raw')
                for name, folder in [('trackers', ''), *((f'{name}/tracker', f'{name}/') for name in NAMES)]
            ]
            for client in clients:
                client.weights = weights
                made.run(client)
            made.run(node)
            cameras = Cameras(node, *clients)
            if values.get('autostart', True):
                cameras.connect()
            yield cameras
        finally:
            made.close()
