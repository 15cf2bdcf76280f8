"""The tracker on a camera: ros2 launch sam2_ros tracker.launch.py image:=/camera/image_raw"""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = Path(get_package_share_directory('sam2_ros'))

ARGUMENTS = (
    DeclareLaunchArgument('image', default_value='image', description='Image topic of the camera.'),
    DeclareLaunchArgument('transport', default_value='', choices=['', 'raw', 'compressed'],
                          description='raw: the image topic, compressed: <image>/compressed. Empty: see params_file.'),
    DeclareLaunchArgument('model', default_value='', description='Network, see params_file. Empty: as in params_file.'),
    DeclareLaunchArgument('checkpoint', default_value='', description='Weights file. Empty: as in params_file.'),
    DeclareLaunchArgument('device', default_value='', description='cpu, cuda, auto ... Empty: as in params_file.'),
    DeclareLaunchArgument('params_file', default_value=str(SHARE / 'config/tracker.yaml'),
                          description='All parameters of the tracker.'),
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the tracker.'),
    DeclareLaunchArgument('use_sim_time', default_value='false', description='Take the time from /clock.'),
    DeclareLaunchArgument('rviz', default_value='false', description='Start RViz with image, overlay and click tool.'),
)
# Launch argument -> parameter; those that are given win over the parameter file.
OVERRIDES = {'transport': 'image_transport', 'model': 'model', 'checkpoint': 'checkpoint', 'device': 'device'}


def _tracker(context: LaunchContext) -> list[Node]:
    given = {name: LaunchConfiguration(name).perform(context) for name in OVERRIDES}
    overrides = {OVERRIDES[name]: value for name, value in given.items() if value}
    return [Node(
        package='sam2_ros', executable='tracker', name='tracker', namespace=LaunchConfiguration('namespace'),
        output='screen', parameters=[LaunchConfiguration('params_file'), overrides,
                                     {'use_sim_time': LaunchConfiguration('use_sim_time')}],
        remappings=[('image', LaunchConfiguration('image'))],
    )]


def _large_images() -> list[SetEnvironmentVariable]:
    """Let large best-effort images through (Fast DDS 2 and 3), unless a profile is set already."""
    profile = str(SHARE / 'config/fastdds_large_images.xml')
    names = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
    return [SetEnvironmentVariable(name, profile) for name in names if name not in os.environ]


def generate_launch_description() -> LaunchDescription:
    rviz = Node(
        package='rviz2', executable='rviz2', arguments=['-d', str(SHARE / 'config/tracker.rviz')],
        namespace=LaunchConfiguration('namespace'),
        remappings=[('image', LaunchConfiguration('image'))],
        parameters=[{'use_sim_time': LaunchConfiguration('use_sim_time')}],
        condition=IfCondition(LaunchConfiguration('rviz')))
    return LaunchDescription([*ARGUMENTS, *_large_images(), OpaqueFunction(function=_tracker), rviz])
