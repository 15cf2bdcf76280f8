"""A camera made of a video, the tracker and RViz: ros2 launch sam2_ros demo.launch.py source:=video.mp4

With source:=bodies the camera has depth, and objects_3d shows boxes in space: depth:=true.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from sam2_ros.nodes.edge.transport import large_image_environment
from sam2_ros.video.source import ACCEPTED

SHARE = Path(get_package_share_directory('sam2_ros'))
IMAGE = '/camera/image_raw'


def generate_launch_description() -> LaunchDescription:
    arguments = (
        DeclareLaunchArgument('source', default_value='synthetic', description=f'Video to track in: {ACCEPTED}.'),
        DeclareLaunchArgument(
            'depth', default_value='false', description='Find objects in space; for source:=bodies, which has depth.'
        ),
        DeclareLaunchArgument('rviz', default_value='true', description='Start RViz: image, overlay, click tool.'),
    )
    tracker = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / 'launch/tracker.launch.py')),
        launch_arguments={'image': IMAGE, 'rviz': LaunchConfiguration('rviz')}.items(),
    )
    player = Node(
        package='sam2_ros',
        executable='video_player',
        name='video_player',
        output='screen',
        # a text even where it looks like a number, such as that of a webcam
        parameters=[{'source': ParameterValue(LaunchConfiguration('source'), value_type=str)}],
        remappings=[('image', IMAGE)],
        additional_env=large_image_environment(),
    )
    # Without the arguments of the others: `source` and `params_file` mean something else there, and `depth` a topic.
    objects_3d = GroupAction(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(SHARE / 'launch/objects_3d.launch.py')),
                launch_arguments={'camera_info': '/camera/camera_info'}.items(),
            )
        ],
        forwarding=False,
        condition=IfCondition(LaunchConfiguration('depth')),
    )
    return LaunchDescription([*arguments, tracker, player, objects_3d])
