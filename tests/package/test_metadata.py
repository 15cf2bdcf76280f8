"""What package.xml, setup.py, the changelog and the pinned versions say about the package agrees with its sources."""

import ast
import re
import sys
from distutils.core import run_setup
from importlib import import_module

import pytest
from catkin_pkg.package import Package, parse_package
from setuptools import Distribution

from tests.common import REPOSITORY

# Python modules whose rosdep key is not their own name.
ROSDEP_KEYS = {
    'aiohttp': 'python3-aiohttp',
    'catkin_pkg': 'python3-catkin-pkg',
    'cv2': 'python3-opencv',
    'hypothesis': 'python3-hypothesis',
    'numpy': 'python3-numpy',
    'pytest': 'python3-pytest',
    'scipy': 'python3-scipy',
    'setuptools': 'python3-setuptools',
    'tf2_ros': 'tf2_ros_py',
    'tqdm': 'python3-tqdm',
    'yaml': 'python3-yaml',
}
CHOSEN = {'cv_bridge'}  # for this package, by its users; nothing calls it yet
# For rclpy's lifecycle nodes, the launch files and the generated messages.
NOT_IMPORTED = {'lifecycle_msgs', 'ros2launch', 'rosidl_default_runtime', 'rviz2'}
# Too old in the distributions' packages, or in none: the README says how they get in.
WITH_TORCH = {'triton'}  # where that is built for CUDA; nothing needs it elsewhere
FROM_PIP = {'PIL', 'sam2', 'safetensors', 'selenium', 'torch', 'rosbags', 'ray', 'trax'}
# make test installs the build of OpenCV that needs no window system.
INSTALLED_AS = {'PIL': 'pillow', 'trax': 'vot-trax', 'opencv-python': 'opencv-python-headless'}


@pytest.fixture(scope='module')
def manifest() -> Package:
    """package.xml, read and validated as rosdep and colcon do."""
    warnings: list[str] = []
    package = parse_package(str(REPOSITORY), warnings=warnings)
    assert warnings == []
    return package


@pytest.fixture(scope='module')
def distribution() -> Distribution:
    """What setup.py says, without any command being run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        return run_setup('setup.py', stop_after='init')


def _imported_modules(folder: str) -> set[str]:
    """Top-level modules that any source below the folder imports."""
    modules = set()
    for path in (REPOSITORY / folder).rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split('.')[0])
    return modules


def _foreign(folder: str) -> set[str]:
    """The rosdep keys of what the sources below the folder import, without what comes from pip."""
    modules = _imported_modules(folder) - set(sys.stdlib_module_names) - {'sam2_ros', 'tests', 'docs'}
    modules -= FROM_PIP | WITH_TORCH
    return {ROSDEP_KEYS.get(module, module) for module in modules}


def _requirements(distribution: Distribution) -> set[str]:
    """Names of all that setup.py asks for, extras included, without their version limits."""
    lists = [distribution.install_requires, *distribution.extras_require.values()]
    return {re.split('[<>=]', requirement)[0] for requirements in lists for requirement in requirements}


def test_one_version_everywhere(manifest: Package, distribution: Distribution) -> None:
    newest = re.search(r'^## (\S+)', (REPOSITORY / 'CHANGELOG.md').read_text(), re.MULTILINE)
    assert manifest.version == distribution.get_version() == newest[1]


def test_licence_is_the_same_everywhere(manifest: Package, distribution: Distribution) -> None:
    assert manifest.licenses == [distribution.get_license()] == ['Apache-2.0']
    assert 'Apache License' in (REPOSITORY / manifest.licenses[0].file).read_text()


def test_package_xml_names_what_the_sources_import(manifest: Package) -> None:
    foreign = _foreign('sam2_ros')
    assert {'rclpy', 'python3-numpy', 'python3-opencv', 'sensor_msgs'} <= foreign
    named = {dependency.name for dependency in manifest.exec_depends}
    assert foreign - named == set()
    assert named - foreign - _foreign('launch') - NOT_IMPORTED == CHOSEN


def test_package_xml_names_what_the_tests_import(manifest: Package) -> None:
    named = {dependency.name for dependency in [*manifest.exec_depends, *manifest.test_depends]}
    assert _foreign('tests') - named == {'torchvision', 'utils'}  # compared with where they are at hand
    assert {dependency.name for dependency in manifest.test_depends} - _foreign('tests') == {
        'ament_cmake_pytest',
        'python3-pil',
    }


def test_package_xml_names_what_the_launch_files_start(manifest: Package) -> None:
    sources = [file.read_text() for file in (REPOSITORY / 'launch').glob('*.py')]
    started = {package for source in sources for package in re.findall(r"package='(\w+)'", source)} - {'sam2_ros'}
    assert started == {'rviz2'}
    assert started | {'ros2launch'} <= {dependency.name for dependency in manifest.exec_depends}


def test_setup_names_what_the_sources_import(distribution: Distribution) -> None:
    assert {INSTALLED_AS.get(module, module) for module in FROM_PIP} - _requirements(distribution) == set()


def test_command_lines_exist(distribution: Distribution) -> None:
    scripts = distribution.entry_points['console_scripts']
    assert len(scripts) >= 4
    for script in scripts:
        module, function = script.split(' = ')[1].split(':')
        assert callable(getattr(import_module(module), function))


def test_everything_installed_is_pinned(distribution: Distribution) -> None:
    pins = re.findall(r'^([A-Za-z0-9_.-]+)==\S+$', (REPOSITORY / 'constraints.txt').read_text(), re.MULTILINE)
    lines = [line for file in REPOSITORY.glob('scripts/requirements*.txt') for line in file.read_text().split('\n')]
    names = _requirements(distribution) | {line for line in lines if line and not line.startswith('#')}
    assert len(names) > 40
    assert {INSTALLED_AS.get(name, name) for name in names} - set(pins) == set()
