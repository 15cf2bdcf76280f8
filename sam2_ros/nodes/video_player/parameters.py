"""The parameters of the video player. Run as a module, it prints config/video_player.yaml."""

from sam2_ros.nodes.edge.parameters import Change, ParameterRow, yaml_text
from sam2_ros.video.source import ACCEPTED

PLAYER_PARAMETERS = (
    ParameterRow('source', 'synthetic', f'Frames to publish: {ACCEPTED}.', change=Change.NEVER),
    ParameterRow(
        'rate',
        0.0,
        'Frames published per second. 0: the frame rate of the source.',
        'Hz',
        0.0,
        1000.0,
        change=Change.NEVER,
    ),
    ParameterRow(
        'width',
        0,
        'Width of the images. 0: from the height, or as in the source.',
        'pixels',
        0,
        16384,
        change=Change.NEVER,
    ),
    ParameterRow(
        'height',
        0,
        'Height of the images. 0: from the width, or as in the source.',
        'pixels',
        0,
        16384,
        change=Change.NEVER,
    ),
    ParameterRow('loop', True, 'Start again at the end. Otherwise the node ends with the video.', change=Change.NEVER),
    ParameterRow(
        'max_frames', 0, 'The node ends after this many frames. 0: no limit.', 'frames', 0, 10**9, change=Change.NEVER
    ),
    ParameterRow('paused', False, 'Publish nothing, stay at the current frame.'),
    ParameterRow(
        'wait_for_subscribers',
        0,
        'Do not start before this many listen to the images.',
        'subscribers',
        0,
        1000,
        change=Change.NEVER,
    ),
    ParameterRow(
        'reliability',
        'reliable',
        'reliable serves every subscriber; best_effort is what many camera drivers offer.',
        choices=('reliable', 'best_effort'),
        change=Change.NEVER,
    ),
    ParameterRow('compressed', False, 'Also publish JPEG images on <image>/compressed.', change=Change.NEVER),
    ParameterRow(
        'jpeg_quality', 90, 'Quality of the compressed images, from small to good.', '', 1, 100, change=Change.NEVER
    ),
    ParameterRow('frame_id', 'camera_optical_frame', 'Frame of the camera.', change=Change.NEVER),
    ParameterRow(
        'horizontal_fov', 60.0, 'Horizontal field of view, for camera_info.', 'degrees', 1.0, 179.0, change=Change.NEVER
    ),
)
TITLE = 'Parameters of the video_player node, all at their defaults.'


if __name__ == '__main__':
    print(yaml_text(PLAYER_PARAMETERS, title=TITLE), end='')
