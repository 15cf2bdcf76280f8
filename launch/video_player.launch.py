"""A video as a camera: ros2 launch sam2_ros video_player.launch.py source:=video.mp4 image:=/camera/image_raw"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from sam2_ros.nodes.edge.transport import large_image_environment
from sam2_ros.video.source import ACCEPTED

# Arguments that are parameters of the node: default, type, description.
PARAMETERS = {
    'source': ('synthetic', str, f'Frames to publish: {ACCEPTED}.'),
    'rate': ('0.0', float, 'Frames per second. 0: as in the source.'),
    'width': ('0', int, 'Width of the images in pixels. 0: from the height, or as in the source.'),
    'height': ('0', int, 'Height of the images in pixels. 0: from the width, or as in the source.'),
    'loop': ('true', bool, 'Start again at the end, or end with the video.'),
    'paused': ('false', bool, 'Start paused; ros2 param set /video_player paused false goes on.'),
    'reliability': ('reliable', str, 'Quality of service: reliable or best_effort.'),
    'compressed': ('false', bool, 'Also publish JPEG images on <image>/compressed.'),
}


def generate_launch_description():
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, _, description) in PARAMETERS.items()
    ]
    # Without its type a source called 0 would arrive as a number.
    values = {
        name: ParameterValue(LaunchConfiguration(name), value_type=type_) for name, (_, type_, _) in PARAMETERS.items()
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
