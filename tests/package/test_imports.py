"""Which part of the package may import which, and what an import leaves alone."""

import subprocess
import sys

import pytest

from docs.rooms import MAY_USE_ROS, PACKAGE, ROOMS, arrows, floors, forbidden_imports, modules, printed_map
from tests.common import REPOSITORY


@pytest.mark.parametrize('module', modules())
def test_imports_point_one_way(module: str) -> None:
    assert forbidden_imports(module, (PACKAGE / module).read_text()) == set()


def test_the_map_of_the_rooms_is_true() -> None:
    """Every room has its line, every arrow is needed, and no room imports one that stands above it."""
    print(printed_map())
    assert arrows() == ROOMS
    heights = floors(ROOMS)
    assert all(heights[room] > heights[other] for room, others in ROOMS.items() for other in others)


@pytest.mark.parametrize(
    ('module', 'line', 'forbidden'),
    [
        ('model/hiera.py', 'from sam2_ros.tracking import VideoTracker', {'sam2_ros.tracking.VideoTracker'}),
        ('model/hiera.py', 'from ..tracking.prompt import Prompt', {'sam2_ros.tracking.prompt.Prompt'}),
        ('tracking/tracker.py', 'import sam2_ros.tools', {'sam2_ros.tools'}),
        ('tracking/tracker.py', 'from sam2_ros.model import build_sam2', set()),
        ('tracking/tracker.py', 'from .prompt import Prompt', set()),
        ('synthetic/scene.py', 'from sam2_ros.training import train', {'sam2_ros.training.train'}),
        ('live/inference.py', 'from sam2_ros.nodes.edge import qos', {'sam2_ros.nodes.edge.qos'}),
        ('live/inference.py', 'from sam2_ros.msg import Prompt', {'sam2_ros.msg.Prompt'}),
        ('tools/bench.py', 'def run():\n    import rclpy', {'rclpy'}),
        ('tools/bench.py', 'from sam2_ros.msg import Prompt', {'sam2_ros.msg.Prompt'}),
        ('tools/track_bag.py', 'from sensor_msgs.msg import Image', set()),
        ('evaluation/evaluation.py', 'from sam2_ros.training import train', {'sam2_ros.training.train'}),
        ('evaluation/evaluation.py', 'from ament_index_python import packages', {'ament_index_python.packages'}),
        ('nodes/edge/qos.py', 'from sam2_ros.nodes.tracker import node', {'sam2_ros.nodes.tracker.node'}),
        (
            'nodes/recorder/node.py',
            'from ..tracker.node import TrackerNode',
            {'sam2_ros.nodes.tracker.node.TrackerNode'},
        ),
        ('nodes/tracker/node.py', 'from sam2_ros.tools import bench', {'sam2_ros.tools.bench'}),
        ('nodes/tracker/node.py', 'import rclpy, sam2_ros.tracking', set()),
    ],
)
def test_an_import_against_the_direction_is_found(module: str, line: str, forbidden: set[str]) -> None:
    assert forbidden_imports(module, line) == forbidden


IMPORT_WITHOUT_ROS = """
import importlib, os, random, sys

class NoRos:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'rclpy', 'rosidl_parser'} or name.split('.')[0].endswith(('_msgs', '_interfaces')):
            raise ImportError(f'{name} is part of ROS')

sys.meta_path.insert(0, NoRos())
import cv2, numpy, torch

def state():
    return (
        torch.initial_seed(), torch.get_rng_state().sum().item(), torch.get_num_threads(), torch.get_default_dtype(),
        torch.is_grad_enabled(), torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic,
        torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled(), cv2.getNumThreads(),
        random.getstate(), numpy.random.get_state()[1].tolist(), dict(os.environ), os.getcwd(),
    )

before = state()
for name in sys.argv[1:]:
    importlib.import_module(name)
assert state() == before, [b for a, b in zip(before, state()) if a != b]
print(len(sys.argv) - 1, 'imported')
"""


def test_the_library_imports_without_ros_and_changes_nothing() -> None:
    names = [
        '.'.join(('sam2_ros', *module.removesuffix('.py').removesuffix('__init__').strip('/').split('/'))).strip('.')
        for module in modules()
        if not module.startswith(MAY_USE_ROS)
    ]
    run = subprocess.run(
        [sys.executable, '-c', IMPORT_WITHOUT_ROS, *names], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert run.stdout == f'{len(names)} imported\n', run.stderr


@pytest.mark.parametrize(
    'module', [f'sam2_ros.nodes.{name}.node' for name in ('objects_3d', 'operator_page', 'recorder', 'video_player')]
)
def test_nodes_that_compute_nothing_do_without_torch(module: str) -> None:
    code = f'import sys, {module}; sys.exit("torch" in sys.modules and "torch was imported")'
    run = subprocess.run([sys.executable, '-c', code], cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
