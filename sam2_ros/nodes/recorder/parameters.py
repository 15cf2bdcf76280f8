"""The parameters of the recorder."""

from sam2_ros.nodes.edge.parameters import Change, ParameterRow

RECORDER_PARAMETERS = (
    ParameterRow('folder', 'demo', 'Folder that the recording is written to.', change=Change.NEVER),
    ParameterRow(
        'prompts',
        '',
        'What to track, in the words of the command line: --box 10,20,50,80 --point 5:30,40',
        change=Change.NEVER,
    ),
    ParameterRow(
        'player',
        '',
        'Name of a paused video player to set going as soon as the tracker listens. Empty: the camera runs by itself.',
        change=Change.NEVER,
    ),
    ParameterRow(
        'frames', 0, 'Images to come, for the progress bar. 0: unknown.', 'images', 0, 10**9, change=Change.NEVER
    ),
    ParameterRow('frame_rate', 30.0, 'Frame rate of the written video.', 'Hz', 0.1, 1000.0, change=Change.NEVER),
    ParameterRow('objects_3d', False, 'Also record what objects_3d finds, in objects_3d.csv.', change=Change.NEVER),
    ParameterRow(
        'timeout',
        60.0,
        'The recording fails when nothing new comes for this long.',
        's',
        1.0,
        3600.0,
        change=Change.NEVER,
    ),
)
