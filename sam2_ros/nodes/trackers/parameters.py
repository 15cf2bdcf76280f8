"""The parameters of the process trackers. `python -m sam2_ros.nodes.trackers.parameters` prints config/cameras.yaml."""

from collections.abc import Sequence
from dataclasses import replace

from sam2_ros.live.network import NETWORK_SETTINGS
from sam2_ros.nodes.edge.parameters import Change, ParameterRow, yaml_text
from sam2_ros.nodes.tracker.parameters import TRACKER_PARAMETERS

CAMERAS = ParameterRow(
    'cameras',
    (),
    'Names of the cameras, such as front and left. Each has a tracker node in the namespace of its name.',
    change=Change.NEVER,
    items=str,
)
PROCESS_PARAMETERS = (
    CAMERAS,
    *(row for row in TRACKER_PARAMETERS if row.name == 'autostart' or row.name in NETWORK_SETTINGS),
)


def camera_parameters(camera: str, *, first: bool) -> tuple[ParameterRow, ...]:
    """What the process has to know about one camera; all else is a parameter of its tracker node.

    Args:
        first: it is the first of the list, or the only one.
    """
    return (
        ParameterRow(
            f'{camera}.image',
            'image_raw',
            'Image topic of this camera, in its namespace unless it begins with a slash; with /compressed at its end '
            'the JPEG images there.',
            change=Change.NEVER,
        ),
        ParameterRow(
            f'{camera}.weight',
            1.0,
            'Share of the time of the network while several cameras wait for it: 2 gets twice as much as 1.',
            'shares',
            0.01,
            100.0,
        ),
        ParameterRow(
            f'{camera}.space_clicks',
            first,
            'Clicks in space on the shared topic clicked_point go to this camera. By default only to the first.',
        ),
    )


def process_parameters(cameras: Sequence[str]) -> list[ParameterRow]:
    """All parameters of the process for these cameras."""
    rows = list(PROCESS_PARAMETERS)
    for number, camera in enumerate(cameras):
        rows += camera_parameters(camera, first=number == 0)
    return rows


_NAMES = ('front', 'left')
EXAMPLE = [replace(CAMERAS, default=_NAMES), *process_parameters(_NAMES)[1:]]
TITLE = (
    'Parameters of the process trackers, for two cameras. Those of tracker.yaml that are not here are given to all\n'
    '# cameras in this place, or to one of them below /front/tracker.'
)


if __name__ == '__main__':
    print(yaml_text(EXAMPLE, title=TITLE), end='')
