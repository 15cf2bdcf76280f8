"""The operator's page for all trackers: ros2 launch sam2_ros operator_page.launch.py, then open http://localhost:8080"""

from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from sam2_ros.nodes.edge.transport import large_image_environment

SHARE = Path(get_package_share_directory('sam2_ros'))
# Those that are given win over the parameter file: launch argument -> type, and what it is.
OVERRIDES: dict[str, tuple[Any, str]] = {
    'host': (str, 'Address to listen on. Any but 127.0.0.1 needs the token that is printed at the start.'),
    'port': (int, 'Port to listen on.'),
    'allowed_hosts': (list[str], 'Further names under which browsers open the page, with spaces between them.'),
    'trackers': (list[str], 'Full names of the trackers to show, with spaces between them. Empty: all.'),
    'token_file': (str, 'File with the token, which only its owner can read.'),
    'read_only': (bool, 'true: pages show, and change nothing.'),
    'certificate': (str, 'File of the certificate for https.'),
    'key': (str, 'File of its key.'),
    'recordings': (str, 'Folder for recordings.'),
}


def _node(context: LaunchContext) -> list[Node]:
    params_file = LaunchConfiguration('params_file').perform(context)
    if not Path(params_file).is_file():  # launch_ros would go on without it
        raise FileNotFoundError(f'params_file: there is no file {params_file!r}')
    given = {name: LaunchConfiguration(name).perform(context) for name in OVERRIDES}
    overrides = {
        name: given[name].split() if kind == list[str] else ParameterValue(given[name], value_type=kind)
        for name, (kind, _) in OVERRIDES.items()
        if given[name]
    }
    sim_time = LaunchConfiguration('use_sim_time').perform(context)
    return [
        Node(
            package='sam2_ros',
            executable='operator_page',
            name='operator_page',
            output='screen',
            emulate_tty=True,
            parameters=[
                params_file,
                *([overrides] if overrides else []),
                *([{'use_sim_time': sim_time.lower() == 'true'}] if sim_time else []),
            ],
            additional_env=large_image_environment(),
        )
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value='', description=f'{what} Not given: as in params_file.')
                for name, (_, what) in OVERRIDES.items()
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=str(SHARE / 'config/operator_page.yaml'),
                description='All parameters of the node.',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='',
                choices=['', 'true', 'false', 'True', 'False'],
                description='Take the time from /clock. Empty: as in params_file.',
            ),
            OpaqueFunction(function=_node),
        ]
    )
