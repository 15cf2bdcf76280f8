"""Objects in space: ros2 launch sam2_ros objects_3d.launch.py depth:=/camera/aligned_depth_to_color/image_raw"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from sam2_ros.nodes.edge.transport import large_image_environment

SHARE = Path(get_package_share_directory('sam2_ros'))
# Launch argument -> what the node calls the topic.
TOPICS = {
    'objects': ('/tracker/objects', 'Objects of the tracker.'),
    'camera_info': ('/camera/camera_info', 'Calibration of the images that the tracker gets.'),
    'depth': ('depth/image_rect', 'Depth image. Its calibration, camera_info, lies beside it.'),
    'points': ('points', 'Point cloud, with source:=points.'),
}
NAMES = {'depth': 'depth/image_rect'}
# Those that are given win over the parameter file.
OVERRIDES = ('source', 'target_frame', 'tracking_frame')


def _node(context: LaunchContext) -> list[Node]:
    params_file = LaunchConfiguration('params_file').perform(context)
    if not Path(params_file).is_file():  # launch_ros would go on without it
        raise FileNotFoundError(f'params_file: there is no file {params_file!r}')
    given = {name: LaunchConfiguration(name).perform(context) for name in OVERRIDES}
    return [
        Node(
            package='sam2_ros',
            executable='objects_3d',
            name='objects_3d',
            namespace=LaunchConfiguration('namespace'),
            output='screen',
            # a text even where it looks like a number
            parameters=[
                params_file,
                {name: ParameterValue(value, value_type=str) for name, value in given.items() if value},
            ],
            remappings=[(NAMES.get(name, name), LaunchConfiguration(name)) for name in TOPICS],
            additional_env=large_image_environment(),
        )
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=what)
                for name, (default, what) in TOPICS.items()
            ),
            *(
                DeclareLaunchArgument(name, default_value='', description='See params_file. Empty: as there.')
                for name in OVERRIDES
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=str(SHARE / 'config/objects_3d.yaml'),
                description='All parameters of the node.',
            ),
            DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node.'),
            OpaqueFunction(function=_node),
        ]
    )
