"""The tracker on a camera: ros2 launch sam2_ros tracker.launch.py image:=/camera/image_raw"""

from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, IncludeLaunchDescription, OpaqueFunction
from launch.conditions import IfCondition
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from sam2_ros.nodes.edge.startup import base_topic
from sam2_ros.nodes.edge.transport import large_image_environment

RESPAWN_DELAY = 2.0  # seconds
REFUSED = 2  # exit code of the tracker for names and parameters that it does not accept
SHARE = Path(get_package_share_directory('sam2_ros'))

ARGUMENTS = (
    DeclareLaunchArgument(
        'image',
        default_value='image',
        description='Image topic of the camera; with /compressed at its end the JPEG images there.',
    ),
    DeclareLaunchArgument(
        'transport',
        default_value='',
        choices=['', 'raw', 'compressed'],
        description='raw: the image topic, compressed: <image>/compressed. Empty: see params_file.',
    ),
    DeclareLaunchArgument(
        'detections',
        default_value='',
        description='Topic of a detector (vision_msgs/Detection2DArray) whose boxes start objects. Empty: as in '
        'params_file.',
    ),
    DeclareLaunchArgument('model', default_value='', description='Network, see params_file. Empty: as in params_file.'),
    DeclareLaunchArgument('checkpoint', default_value='', description='Weights file. Empty: as in params_file.'),
    DeclareLaunchArgument('device', default_value='', description='cpu, cuda, auto ... Empty: as in params_file.'),
    DeclareLaunchArgument(
        'params_file', default_value=str(SHARE / 'config/tracker.yaml'), description='All parameters of the tracker.'
    ),
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the tracker.'),
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
        description='Start the tracker again when it ends by itself, as it does when the GPU fails.',
    ),
    DeclareLaunchArgument(
        'tracker',
        default_value='true',
        choices=['true', 'false'],
        description='Start the tracker; false where it runs already and only RViz is wanted.',
    ),
    DeclareLaunchArgument(
        'page',
        default_value='false',
        choices=['true', 'false'],
        description="Serve the operator's page for all trackers: http://localhost:8080 (operator_page.launch.py).",
    ),
    DeclareLaunchArgument('rviz', default_value='false', description='Start RViz with image, overlay and click tool.'),
    DeclareLaunchArgument(
        'frame',
        default_value='',
        description='Fixed frame of RViz: that of the camera, or one that '
        'tf connects with it. Empty: camera_optical_frame.',
    ),
    DeclareLaunchArgument('points', default_value='points', description='Point cloud that RViz shows.'),
    DeclareLaunchArgument(
        'camera_info', default_value='', description='Calibration for RViz. Empty: camera_info beside the image.'
    ),
)
# Launch argument -> parameter; those that are given win over the parameter file.
OVERRIDES = {'transport': 'image_transport', 'model': 'model', 'checkpoint': 'checkpoint', 'device': 'device'}


def _tracker(context: LaunchContext) -> list[Node]:
    if LaunchConfiguration('tracker').perform(context) != 'true':
        return []
    params_file = LaunchConfiguration('params_file').perform(context)
    if not Path(params_file).is_file():  # launch_ros would go on without it
        raise FileNotFoundError(f'params_file: there is no file {params_file!r}')
    given = {parameter: LaunchConfiguration(name).perform(context) for name, parameter in OVERRIDES.items()}
    # a text even where it looks like a number
    overrides = {name: ParameterValue(value, value_type=str) for name, value in given.items() if value}
    detections = LaunchConfiguration('detections').perform(context)
    if detections:
        overrides['detections'] = True
    return [
        Node(
            package='sam2_ros',
            executable='tracker',
            name='tracker',
            namespace=LaunchConfiguration('namespace'),
            output='screen',
            parameters=[params_file, overrides, *_sim_time(context)],
            remappings=[
                ('image', LaunchConfiguration('image')),
                *([('detections', detections)] if detections else []),
            ],
            additional_env=large_image_environment(),
            respawn=LaunchConfiguration('respawn').perform(context) == 'true',
            respawn_delay=RESPAWN_DELAY,
            on_exit=_stay_down_if_refused,
        )
    ]


def _stay_down_if_refused(event: ProcessExited, _: LaunchContext) -> EmitEvent | None:
    """What the tracker refuses to start with, it would refuse again every time."""
    if event.returncode != REFUSED:
        return None
    return EmitEvent(event=ShutdownProcess(process_matcher=matches_action(event.action)))


def _rviz(context: LaunchContext) -> list[Node]:
    image, namespace, frame, points, camera_info = (
        LaunchConfiguration(name).perform(context) for name in ('image', 'namespace', 'frame', 'points', 'camera_info')
    )
    # RViz looks for the calibration beside the name `image`, not beside the topic that name stands for.
    folder, slash, _ = base_topic(image).rpartition('/')
    remappings = [
        # it shows raw images only: where there are none, what the tracker draws
        ('image', 'tracker/overlay' if _transport(context) == 'compressed' or base_topic(image) != image else image),
        ('/camera_info', camera_info or f'{folder}{slash}camera_info'),
        ('points', points),
        ('/clicked_point', f'/{namespace.strip("/")}/clicked_point' if namespace.strip('/') else '/clicked_point'),
    ]
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            namespace=namespace,
            parameters=_sim_time(context),
            remappings=remappings,
            arguments=['-d', str(SHARE / 'config/tracker.rviz'), *(['-f', frame] if frame else [])],
            additional_env=large_image_environment(),
            condition=IfCondition(LaunchConfiguration('rviz')),
        )
    ]


def _page(context: LaunchContext) -> list[IncludeLaunchDescription]:
    if LaunchConfiguration('page').perform(context) != 'true':
        return []
    source = PythonLaunchDescriptionSource(str(SHARE / 'launch/operator_page.launch.py'))
    arguments = {
        'params_file': str(SHARE / 'config/operator_page.yaml'),
        'use_sim_time': LaunchConfiguration('use_sim_time').perform(context),
    }
    return [IncludeLaunchDescription(source, launch_arguments=arguments.items())]


def _transport(context: LaunchContext) -> str:
    """raw or compressed, as the argument or the parameter file says; empty when neither does."""
    given = LaunchConfiguration('transport').perform(context)
    nodes = yaml.safe_load(Path(LaunchConfiguration('params_file').perform(context)).read_text()) or {}
    tables = [node.get('ros__parameters') for node in nodes.values() if isinstance(node, dict)]
    return given or next((table['image_transport'] for table in tables if table and 'image_transport' in table), '')


def _sim_time(context: LaunchContext) -> list[dict[str, bool]]:
    given = LaunchConfiguration('use_sim_time').perform(context)
    return [{'use_sim_time': given.lower() == 'true'}] if given else []


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, *(OpaqueFunction(function=start) for start in (_tracker, _rviz, _page))])
