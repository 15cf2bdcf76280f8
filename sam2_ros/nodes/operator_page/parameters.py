"""The parameters of the operator's page. Run as a module, it prints config/operator_page.yaml."""

from sam2_ros.nodes.edge.decode_images import MAX_PIXELS
from sam2_ros.nodes.edge.parameters import AUTOSTART, Change, ParameterRow, yaml_text

OPERATOR_PAGE_PARAMETERS = (
    AUTOSTART,
    ParameterRow(
        'trackers',
        (),
        'Full names of the trackers that are shown, such as /front/tracker. Empty: all that are found.',
        items=str,
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'host',
        '127.0.0.1',
        'Address to listen on. Any but that of this machine alone needs the token, see token_file.',
        change=Change.UNCONFIGURED,
    ),
    ParameterRow('port', 8080, 'Port to listen on. 0: any that is free.', '', 0, 65535, change=Change.UNCONFIGURED),
    ParameterRow(
        'allowed_hosts',
        (),
        'Further names and addresses under which browsers open the page, such as robot.local.',
        items=str,
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'token',
        'remote',
        'Whether browsers need the token: only when other machines reach the host, or always.',
        choices=('remote', 'always'),
        change=Change.UNCONFIGURED,
    ),
    ParameterRow(
        'token_file',
        '',
        'File with the token, which only its owner can read. Empty: a new one at each start, printed once.',
        change=Change.UNCONFIGURED,
    ),
    ParameterRow('read_only', False, 'Pages show, and change nothing.', change=Change.UNCONFIGURED),
    ParameterRow('certificate', '', 'File of the certificate for https. Empty: http.', change=Change.UNCONFIGURED),
    ParameterRow('key', '', 'File of the key of the certificate.', change=Change.UNCONFIGURED),
    ParameterRow('max_viewers', 8, 'Pages that may be open at once.', 'pages', 1, 100, change=Change.UNCONFIGURED),
    ParameterRow(
        'transport',
        'auto',
        'Images to show: raw, or compressed as the camera sends them. auto: compressed where somebody publishes them.',
        choices=('auto', 'raw', 'compressed'),
    ),
    ParameterRow('max_rate', 15.0, 'Pictures per second for each camera, at most.', 'Hz', 0.1, 1000.0),
    ParameterRow('max_width', 960, 'Wider raw images are made smaller for the page.', 'pixels', 16, 100000),
    ParameterRow('jpeg_quality', 80, 'Of raw images on the page.', '', 1, 100),
    ParameterRow('answer_timeout', 10.0, 'A tracker that has not answered by then is given up.', 's', 0.1, 3600.0),
    ParameterRow('input_timeout', 2.0, 'Diagnostics report a tracker that is silent for longer.', 's', 0.1, 3600.0),
    ParameterRow('max_image_pixels', MAX_PIXELS, 'Larger images are refused.', 'pixels', 1, 10**9),
    ParameterRow('recordings', 'recordings', 'Folder for recordings. Each gets a folder of its own in it.'),
    ParameterRow('recording_quality', 95, 'JPEG quality of raw images in recordings.', '', 1, 100),
    ParameterRow('recording_megabytes', 10000.0, 'A recording ends when it is so large.', 'MB', 0.001, 1e9),
)
TITLE = 'Parameters of the operator_page node, all at their defaults.'


if __name__ == '__main__':
    print(yaml_text(OPERATOR_PAGE_PARAMETERS, title=TITLE), end='')
