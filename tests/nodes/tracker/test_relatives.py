"""The node with every variant of EdgeTAM and EfficientTAM: random weights in files of the published layout."""

from pathlib import Path

import pytest
import torch
from sam2_ros.msg import TrackedObject

from tests.model.relatives import RELATIVES, make_decided, random_network
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import graph

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('name', RELATIVES)
def test_the_node_tracks(name: str, tmp_path: Path) -> None:
    size = 256 if name == 'edgetam' else 64
    network = random_network(name, image_size=size)
    make_decided(network)
    path = tmp_path / f'mine_{name}.pt'
    torch.save({'model': network.state_dict()}, path)
    with graph(path, model=name, image_size=size) as client:
        client.step(0)
        for object_id in ('red', 'blue'):
            assert client.set_prompt(object_id, box=scene.box(object_id, 0)).success
        objects = client.step(1).objects
        assert [one.object_id for one in objects] == ['red', 'blue']
        assert all(one.state == TrackedObject.VISIBLE and one.area > 0 for one in objects)
        assert objects[0].object_score_logit != objects[1].object_score_logit  # of their prompts
