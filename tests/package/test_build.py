"""colcon builds the package both ways; what it installs is complete and works without the source tree."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix

from tests.common import REPOSITORY

pytestmark = pytest.mark.slow

BUILT = Path(get_package_prefix('sam2_ros')).parent  # by make build; all tests run on it
LINTERS = ('mypy', 'ruff_check', 'ruff_format')

USE = """
import sys
from pathlib import Path
import sam2_ros, sam2_ros.msg, sam2_ros.nodes.edge.messages, sam2_ros.srv, sam2_ros.tracking
from rclpy.serialization import deserialize_message, serialize_message
for module in (sam2_ros, sam2_ros.msg, sam2_ros.nodes, sam2_ros.srv, sam2_ros.tracking):
    print(Path(module.__file__).parent)
TrackedObject = sam2_ros.msg.TrackedObject
sent = TrackedObject(object_id='cup', has_box=True, box=[3.0, 5.0, 4.0, 6.0], state=TrackedObject.OCCLUDED)
print(deserialize_message(serialize_message(sent), TrackedObject) == sent)
"""


def _run(command: list[str], *, cwd: Path, env: dict[str, str]) -> str:
    run = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _environment_without_the_package() -> dict[str, str]:
    """This process's environment, without all that leads to the source tree or its build."""
    env = {key: value for key, value in os.environ.items() if key not in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS')}
    for key in ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH', 'COLCON_PREFIX_PATH', 'LD_LIBRARY_PATH', 'PYTHONPATH'):
        paths = [path for path in env.pop(key, '').split(os.pathsep) if path and not path.startswith(str(BUILT))]
        if paths:
            env[key] = os.pathsep.join(paths)
    return env


def _copy_compiled(workspace: Path) -> None:
    """Give a workspace the compiled messages of `make build`: to compile them once more would take a minute.

    Whatever is older than its source is compiled all the same. Files of CMake name their own folder; libraries do, too,
    and are linked anew. Of commands that name a folder CMake keeps digests, which would have all of them run again.
    """
    if not (BUILT.parent / 'build').exists():
        return
    before, now = (f'{folder}/'.encode() for folder in (BUILT.parent, workspace))
    anew = shutil.ignore_patterns('*.so', 'CMakeRuleHashes.txt')
    shutil.copytree(BUILT.parent / 'build', workspace / 'build', symlinks=True, ignore=anew)
    for file in (workspace / 'build').rglob('*'):
        if file.is_symlink() or not file.is_file() or before not in (content := file.read_bytes()) or b'\0' in content:
            continue
        times = file.stat()
        file.write_bytes(content.replace(before, now))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture(scope='module')
def plain_workspace() -> Path:
    """A workspace that is built and installed now, without links. It lies beside the install folder of `make build`."""
    workspace = BUILT.parent / 'plain'
    shutil.rmtree(workspace, ignore_errors=True)
    (workspace / 'src').mkdir(parents=True)
    (workspace / 'src/sam2_ros').symlink_to(REPOSITORY)
    _copy_compiled(workspace)
    python = [f'-DPython3_EXECUTABLE={sys.executable}', f'-DPYTHON_EXECUTABLE={sys.executable}']
    command = ['colcon', 'build', '--cmake-args', *python, '-DAMENT_CMAKE_SYMLINK_INSTALL=OFF']
    _run(command, cwd=workspace, env=_environment_without_the_package())
    assert not any(path.is_symlink() for path in (workspace / 'install').rglob('*'))
    return workspace


@pytest.fixture(scope='module', params=['plain', 'symlink'])
def install(request: pytest.FixtureRequest) -> Path:
    """Install folder of a plain build made now, or of the symlink build that all tests run on."""
    return BUILT if request.param == 'symlink' else request.getfixturevalue('plain_workspace') / 'install'


@pytest.fixture
def sourced(install: Path) -> dict[str, str]:
    """The environment of a shell that has sourced the installation."""
    dump = f'. "{install}/setup.sh" && "{sys.executable}" -c "import json, os; print(json.dumps(dict(os.environ)))"'
    return json.loads(_run(['sh', '-c', dump], cwd=install, env=_environment_without_the_package()))


def _python_folder(install: Path) -> Path:
    (folder,) = install.glob('sam2_ros/**/*-packages/sam2_ros')
    return folder


def test_messages_and_sources_are_one_installed_package(install: Path, sourced: dict[str, str], tmp_path: Path) -> None:
    folder = _python_folder(install)
    parts = [folder, folder / 'msg', folder / 'nodes', folder / 'srv', folder / 'tracking']
    assert _run([sys.executable, '-c', USE], cwd=tmp_path, env=sourced).split() == [*map(str, parts), 'True']


def test_all_files_are_installed(install: Path) -> None:
    share = install / 'sam2_ros/share/sam2_ros'
    targets = {'sam2_ros': _python_folder(install), 'launch': share / 'launch', 'config': share / 'config'}
    for source, target in targets.items():
        paths = (REPOSITORY / source).rglob('*')
        files = [path for path in paths if path.is_file() and '__pycache__' not in path.parts]
        assert files
        for file in files:
            assert (target / file.relative_to(REPOSITORY / source)).read_bytes() == file.read_bytes()


@pytest.mark.parametrize('node', ['tracker', 'trackers', 'video_player', 'recorder', 'objects_3d', 'operator_page'])
def test_ros2_run_finds_the_nodes(install: Path, sourced: dict[str, str], tmp_path: Path, node: str) -> None:
    launcher = install / 'sam2_ros/lib/sam2_ros' / node
    assert os.access(launcher, os.X_OK)
    # An unknown ROS argument ends the node before it does anything, with one sentence.
    command = [launcher, '--ros-args', '--no-such-flag']
    run = subprocess.run(command, cwd=tmp_path, env=sourced, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2
    assert "error: unknown ROS arguments: ['--no-such-flag']" in run.stderr


def test_colcon_test_runs_pytest_and_the_linters(plain_workspace: Path) -> None:
    """Not all of it: this test is one of them. Nor are the others looked through for the chosen one."""
    folders = (plain_workspace / 'src/sam2_ros/tests').iterdir()
    others = [folder for folder in folders if folder.is_dir() and folder.name != 'package']
    words = ['-k test_licence_is_the_same_everywhere', *(f'--ignore={folder}' for folder in others)]
    _run(
        ['colcon', 'test', '--return-code-on-test-failure'],
        cwd=plain_workspace,
        env=_environment_without_the_package() | {'PYTEST_ADDOPTS': ' '.join(words)},
    )
    results = plain_workspace / 'build/sam2_ros/test_results/sam2_ros'
    assert 'test_licence_is_the_same_everywhere' in (results / 'tests.xunit.xml').read_text()
    assert {file.name for file in results.iterdir()} == {f'{linter}.xml' for linter in LINTERS} | {'tests.xunit.xml'}
