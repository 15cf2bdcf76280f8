"""Which part of the package may import which, and what an import leaves alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.common import REPOSITORY

PACKAGE = REPOSITORY / 'sam2_ros'
ROS_FREE = ('model', 'tracking', 'tools', 'evaluation', 'training')
MAY_USE_ROS = ('nodes/', 'tools/track_bag.py')
ROS_MODULES = {
    'builtin_interfaces',
    'cv_bridge',
    'launch',
    'launch_ros',
    'message_filters',
    'rcl_interfaces',
    'rclpy',
    'tf2_ros',
}
# What each layer may import of the package; layers not named here may import all but the nodes.
LOWER_LAYERS = {'model': {'model'}, 'tracking': {'tracking', 'model'}}


def _modules() -> list[str]:
    return sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob('*.py'))


def _imports(source: str, module: str) -> set[str]:
    """Absolute names of all that a module imports, at any depth of its code, so that `from a import b` gives a.b."""
    names = set()
    parents = ('sam2_ros', *Path(module).parent.parts)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = (*parents[: len(parents) - node.level + 1],) if node.level else ()
            names |= {'.'.join((*base, *filter(None, [node.module]), alias.name)) for alias in node.names}
    return names


def _forbidden(module: str, source: str) -> set[str]:
    """Those imports of a module that its layer may not make."""
    layer = module.split('/')[0]
    forbidden = set()
    for name in _imports(source, module):
        top, second = (*name.split('.'), '')[:2]
        if top == 'sam2_ros':
            is_ros = second in ('nodes', 'msg', 'srv')
            if second in ROS_FREE and second not in LOWER_LAYERS.get(layer, ROS_FREE):
                forbidden.add(name)
        else:
            is_ros = top in ROS_MODULES or top.endswith(('_msgs', '_srvs', '_msgs_py'))
        if is_ros and not module.startswith(MAY_USE_ROS):
            forbidden.add(name)
    return forbidden


@pytest.mark.parametrize('module', _modules())
def test_imports_point_one_way(module: str) -> None:
    assert _forbidden(module, (PACKAGE / module).read_text()) == set()


@pytest.mark.parametrize(
    ('module', 'line', 'forbidden'),
    [
        ('model/hiera.py', 'from sam2_ros.tracking import VideoTracker', {'sam2_ros.tracking.VideoTracker'}),
        ('model/hiera.py', 'from ..tracking.prompt import Prompt', {'sam2_ros.tracking.prompt.Prompt'}),
        ('tracking/tracker.py', 'import sam2_ros.tools', {'sam2_ros.tools'}),
        ('tracking/tracker.py', 'from sam2_ros.model import build_sam2', set()),
        ('tracking/tracker.py', 'from .prompt import Prompt', set()),
        ('tools/bench.py', 'def run():\n    import rclpy', {'rclpy'}),
        ('tools/bench.py', 'from sam2_ros.msg import Prompt', {'sam2_ros.msg.Prompt'}),
        ('tools/track_bag.py', 'from sensor_msgs.msg import Image', set()),
        ('evaluation/scores.py', 'from sam2_ros.nodes import conversions', {'sam2_ros.nodes.conversions'}),
        ('nodes/tracker.py', 'import rclpy, sam2_ros.tracking', set()),
    ],
)
def test_an_import_against_the_direction_is_found(module: str, line: str, forbidden: set[str]) -> None:
    assert _forbidden(module, line) == forbidden


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
        'sam2_ros.' + module.removesuffix('.py').removesuffix('/__init__').replace('/', '.')
        for module in _modules()
        if module.startswith(ROS_FREE) and module not in MAY_USE_ROS
    ]
    run = subprocess.run(
        [sys.executable, '-c', IMPORT_WITHOUT_ROS, *names], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert run.stdout == f'{len(names)} imported\n', run.stderr
