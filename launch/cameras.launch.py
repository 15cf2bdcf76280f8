"""Several cameras on one network: ros2 launch sam2_ros cameras.launch.py cameras:="front left" image:=image_raw"""

from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from sam2_ros.nodes.edge.transport import large_image_environment

RESPAWN_DELAY = 2.0  # seconds
REFUSED = 2  # exit code of the process for names and parameters that it does not accept
SHARE = Path(get_package_share_directory('sam2_ros'))

ARGUMENTS = (
    DeclareLaunchArgument(
        'cameras',
        default_value='',
        description='Names of the cameras, with spaces between them; each is the namespace of its tracker. '
        'Empty: as in params_file.',
    ),
    DeclareLaunchArgument(
        'image',
        default_value='',
        description='Image topic of each camera, in its namespace. Empty: as in params_file, or image_raw.',
    ),
    DeclareLaunchArgument(
        'transport',
        default_value='',
        choices=['', 'raw', 'compressed'],
        description='raw: the image topic, compressed: <image>/compressed. Empty: see params_file.',
    ),
    DeclareLaunchArgument('model', default_value='', description='Network, see params_file. Empty: as in params_file.'),
    DeclareLaunchArgument('checkpoint', default_value='', description='Weights file. Empty: as in params_file.'),
    DeclareLaunchArgument('device', default_value='', description='cpu, cuda, auto ... Empty: as in params_file.'),
    DeclareLaunchArgument(
        'params_file',
        default_value=str(SHARE / 'config/tracker.yaml'),
        description='All parameters of the process and of the trackers, such as config/cameras.yaml.',
    ),
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of all cameras, before their names.'),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value='',
        choices=['', 'true', 'false', 'True', 'False'],
        description='Take the time from /clock. Empty: as in params_file.',
    ),
    DeclareLaunchArgument(
        'respawn',
        default_value='true',
        choices=['true', 'false'],
        description='Start the process again when it ends by itself, as it does when the GPU fails.',
    ),
    DeclareLaunchArgument(
        'page',
        default_value='false',
        choices=['true', 'false'],
        description="Serve the operator's page for all cameras: http://localhost:8080 (operator_page.launch.py).",
    ),
    DeclareLaunchArgument(
        'rviz', default_value='false', choices=['true', 'false'], description='Start RViz, once for each camera.'
    ),
)
# Launch argument -> parameter; those that are given win over the parameter file.
OVERRIDES = {'transport': 'image_transport', 'model': 'model', 'checkpoint': 'checkpoint', 'device': 'device'}


def _launch(context: LaunchContext) -> list[Any]:
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    if not Path(given['params_file']).is_file():  # launch_ros would go on without it
        raise FileNotFoundError(f'params_file: there is no file {given["params_file"]!r}')
    in_file = _parameters(Path(given['params_file']))
    cameras = given['cameras'].split() or list(in_file.get('cameras', []))
    # texts even where they look like numbers
    overrides: dict[str, Any] = {
        parameter: ParameterValue(given[name], value_type=str) for name, parameter in OVERRIDES.items() if given[name]
    }
    if given['cameras'].split():
        overrides['cameras'] = ParameterValue(cameras, value_type=list[str])
    for camera in cameras if given['image'] else ():
        overrides[f'{camera}.image'] = ParameterValue(given['image'], value_type=str)
    if given['use_sim_time']:
        overrides['use_sim_time'] = given['use_sim_time'].lower() == 'true'
    trackers = Node(
        package='sam2_ros',
        executable='trackers',  # without a name, so that the parameters are for all nodes of the process
        namespace=given['namespace'],
        output='screen',
        parameters=[given['params_file'], *([overrides] if overrides else [])],
        additional_env=large_image_environment(),
        respawn=given['respawn'] == 'true',
        respawn_delay=RESPAWN_DELAY,
        on_exit=_stay_down_if_refused,
    )
    pages = [_page(given)] if given['page'] == 'true' else []
    if given['rviz'] != 'true':
        return [trackers, *pages]
    images = {camera: given['image'] or in_file.get(f'{camera}.image', 'image_raw') for camera in cameras}
    return [trackers, *pages, *(_rviz(given, camera, image) for camera, image in images.items())]


def _page(given: dict[str, str]) -> IncludeLaunchDescription:
    source = PythonLaunchDescriptionSource(str(SHARE / 'launch/operator_page.launch.py'))
    arguments = {
        'params_file': str(SHARE / 'config/operator_page.yaml'),
        'use_sim_time': given['use_sim_time'],
    }
    return IncludeLaunchDescription(source, launch_arguments=arguments.items())


def _rviz(given: dict[str, str], camera: str, image: str) -> GroupAction:
    """RViz for one camera, as the launch file of a single tracker starts it."""
    arguments = {name: given[name] for name in ('transport', 'params_file', 'use_sim_time')}
    arguments |= {'namespace': f'{given["namespace"]}/{camera}', 'image': image, 'tracker': 'false', 'rviz': 'true'}
    source = PythonLaunchDescriptionSource(str(SHARE / 'launch/tracker.launch.py'))
    return GroupAction([IncludeLaunchDescription(source, launch_arguments=arguments.items())])


def _stay_down_if_refused(event: ProcessExited, _: LaunchContext) -> EmitEvent | None:
    """What the process refuses to start with, it would refuse again every time."""
    if event.returncode != REFUSED:
        return None
    return EmitEvent(event=ShutdownProcess(process_matcher=matches_action(event.action)))


def _parameters(file: Path) -> dict[str, Any]:
    """What the file says for all nodes or for the process."""
    nodes = yaml.safe_load(file.read_text()) or {}
    tables = [nodes[name].get('ros__parameters') for name in nodes if name == '/**' or name.endswith('trackers')]
    return {name: value for table in tables if table for name, value in _flat(table).items()}


def _flat(table: dict[str, Any], prefix: str = '') -> dict[str, Any]:
    """`{front: {image: x}}` as `{front.image: x}`."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value, f'{prefix}{name}.') if isinstance(value, dict) else {f'{prefix}{name}': value}
    return flat


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=_launch)])
