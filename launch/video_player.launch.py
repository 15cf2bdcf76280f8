"""A video as a camera: ros2 launch sam2_ros video_player.launch.py source:=video.mp4 image:=/camera/image_raw"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from sam2_ros.nodes.edge.transport import large_image_environment
from sam2_ros.nodes.video_player.parameters import PLAYER_PARAMETERS


def generate_launch_description() -> LaunchDescription:
    """Every parameter of the node is an argument."""
    arguments = [
        DeclareLaunchArgument(
            row.name, default_value=row.default_text, description=f'{row.description} ({row.accepted})'
        )
        for row in PLAYER_PARAMETERS
    ]
    # Without its type a source called 0 would arrive as a number.
    values = {
        row.name: ParameterValue(LaunchConfiguration(row.name), value_type=type(row.default))
        for row in PLAYER_PARAMETERS
    }
    player = Node(
        package='sam2_ros',
        executable='video_player',
        name='video_player',
        output='screen',
        parameters=[values],
        namespace=LaunchConfiguration('namespace'),
        remappings=[('image', LaunchConfiguration('image'))],
        additional_env=large_image_environment(),
    )
    return LaunchDescription(
        [
            *arguments,
            DeclareLaunchArgument('image', default_value='image', description='Topic of the images.'),
            DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node.'),
            player,
        ]
    )
