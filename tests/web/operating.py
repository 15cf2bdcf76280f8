"""What tests do again and again, as operators do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.nodes import tracker_scene as scene
from tests.web.pretended import PretendedCamera, PretendedRobot, wait_for

if TYPE_CHECKING:  # selenium may be missing
    from tests.web.browser import Browser

RED, BLUE = (230, 60, 50), (60, 110, 240)  # of the discs


def centre(camera: PretendedCamera, disc: str, index: int | None = None) -> tuple[int, int]:
    """The middle of a disc in an image, the newest if none is given; whole pixels."""
    x, y = scene.centre(disc, camera.index if index is None else index)
    return round(x), round(y)


def prompts_of(camera: PretendedCamera, number: int) -> list:
    wait_for(lambda: len(camera.prompts) == number, f'{number} prompts')
    return camera.prompts


def show_objects(tab: Browser, robot: PretendedRobot, names: set[str]) -> None:
    """Show the next image, and see these names in the list."""
    robot.step()
    wait_for(lambda: set(tab.objects()) == names, f'the list of {names}')


def one_object(tab: Browser, robot: PretendedRobot, camera: PretendedCamera) -> str:
    """Click on the red disc, and see it in the list."""
    tab.click(*centre(camera, 'red'))
    prompts_of(camera, 1)
    show_objects(tab, robot, {'object_1'})
    return 'object_1'


def only_the_image(tab: Browser) -> None:
    """Switch off what is drawn over it."""
    for setting in ('#fill', '#outline', '#plates'):
        tab.press(setting)
