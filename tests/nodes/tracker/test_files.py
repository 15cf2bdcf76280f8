"""The files that are not code: RViz finds the topics of the tracker, the launch files find their files."""

import re

import pytest
import yaml

from tests.common import REPOSITORY


def test_rviz_shows_image_and_overlay_and_has_the_click_tool() -> None:
    view = yaml.safe_load((REPOSITORY / 'config/tracker.rviz').read_text())['Visualization Manager']
    topics = {display['Class']: set() for display in view['Displays']}
    for display in view['Displays']:
        topics[display['Class']].add(display['Topic']['Value'])
    assert topics['rviz_default_plugins/Image'] == {'image', 'tracker/overlay'}
    tools = {tool['Class']: tool for tool in view['Tools']}
    assert tools['rviz_default_plugins/PublishPoint']['Topic']['Value'] == '/clicked_point'


def test_rviz_is_told_which_docks_to_show() -> None:
    """It reads uninitialised memory where these are missing."""
    window = yaml.safe_load((REPOSITORY / 'config/tracker.rviz').read_text())['Window Geometry']
    assert (window['Hide Left Dock'], window['Hide Right Dock']) == (False, True)


def test_the_docks_of_rviz_have_their_places() -> None:
    """Qt writes the name of a dock, in its own form of a text, and whether it is visible. RViz switches each display on
    or off with its dock.
    """
    rviz = yaml.safe_load((REPOSITORY / 'config/tracker.rviz').read_text())
    state = bytes.fromhex(rviz['Window Geometry']['QMainWindow State'])
    shown = {panel['Name']: True for panel in rviz['Panels']}
    shown |= {
        display['Name']: display['Enabled']
        for display in rviz['Visualization Manager']['Displays']
        if display['Class'].endswith(('/Camera', '/Image'))
    }
    assert len(shown) == 5 == state.count(b'\xfb')
    for name, visible in shown.items():
        text = name.encode('utf-16-be')
        assert b'\xfb' + len(text).to_bytes(4, 'big') + text + bytes([visible]) in state, name


@pytest.mark.parametrize('name', ['tracker.launch.py', 'demo.launch.py'])
def test_launch_files_name_files_and_nodes_that_exist(name: str) -> None:
    source = (REPOSITORY / 'launch' / name).read_text()
    files = re.findall(r"SHARE / '([^']+)'", source)
    assert files and all((REPOSITORY / file).is_file() for file in files)
    executables = set(re.findall(r"package='sam2_ros',\s+executable='(\w+)'", source))
    assert executables and all((REPOSITORY / f'sam2_ros/nodes/{node}/node.py').is_file() for node in executables)
