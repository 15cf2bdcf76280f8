"""What an operator must not see: hidden objects or backgrounds, and that nothing shows them for a moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.nodes import tracker_scene as scene
from tests.web.operating import BLUE, RED, centre, one_object, only_the_image, prompts_of, show_objects
from tests.web.pretended import PretendedCamera, PretendedRobot, Tracked, pretended, wait_for

pytest.importorskip('selenium', reason='selenium is not installed, which drives the browser')

from tests.web.browser import Browser

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('effect', ['pixelate', 'blur', 'grey'])
def test_objects_or_background_are_hidden(tab: Browser, still: tuple, effect: str) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    only_the_image(tab)
    # just within both discs, of which the red one alone is an object
    reach = scene.RADIUS - 2
    red, blue = (
        [(x + dx * reach, y + dy * reach) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        for x, y in (centre(camera, 'red'), centre(camera, 'blue'))
    )
    wait_for(lambda: tab.is_coloured(red[0], RED), 'red')
    colours = {place: tab.pixel(*place) for place in (*red, *blue)}

    def changed(places: list[tuple[float, float]]) -> int:
        return sum(not tab.is_coloured(place, colours[place], tolerance=8) for place in places)

    tab.choose('#effect', effect)
    for hide, gone, kept in (('objects', red, blue), ('background', blue, red)):
        tab.choose('#hide', hide)
        wait_for(lambda gone=gone: changed(gone) >= 2, f'no {hide}')
        assert changed(kept) == 0
        if effect == 'grey':
            assert all(max(tab.pixel(*place)) - min(tab.pixel(*place)) <= 3 for place in gone)


# Looks at the picture all the time, and keeps the largest number of pixels that had a forbidden colour at once.
WATCH = """
window.forbidden = null;
window.most = 0;
window.looks = 0;
const small = new OffscreenCanvas(160, 120).getContext('2d', { willReadFrequently: true });
const look = () => {
  const canvas = document.getElementById('view');
  if (!window.forbidden || !document.body?.classList.contains('has-picture')) return;
  small.drawImage(canvas, 0, 0, 160, 120);
  const { data } = small.getImageData(0, 0, 160, 120);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (window.forbidden.every((value, part) => Math.abs(value - data[at + part]) < 12)) count++;
  }
  window.most = Math.max(window.most, count);
  window.looks++;
};
setInterval(look, 1);
const kept = sessionStorage.getItem('forbidden'); // the page was loaded again
if (kept) window.forbidden = JSON.parse(kept);
"""
FORBID = """
window.forbidden = arguments[0];
sessionStorage.setItem('forbidden', JSON.stringify(arguments[0]));
window.most = window.looks = 0;
"""


def _may_not_be_seen(tab: Browser, hide: str) -> None:
    """Hide the objects or the background behind grey; from now on somebody watches."""
    colour = {'objects': RED, 'background': BLUE}[hide]
    tab.choose('#effect', 'grey')
    tab.choose('#hide', hide)
    place = centre_of(tab, colour)
    wait_for(lambda: tab.is_coloured(place, (128, 128, 128)), f'no {hide}')
    tab.driver.execute_script(FORBID, colour)


def centre_of(tab: Browser, colour: tuple[int, int, int]) -> tuple[float, float]:
    seconds = (tab.shown_stamp() - 1_800_000_000 * 10**9) / 1e9
    return scene.centre('red' if colour == RED else 'blue', round(seconds / 0.05))


def _nothing_was_seen(tab: Browser) -> None:
    looks = tab.driver.execute_script('return window.looks')
    wait_for(lambda: tab.driver.execute_script('return window.looks') > looks + 5, 'somebody who looks')
    assert tab.driver.execute_script('return window.most') == 0


@pytest.fixture
def watched(tab: Browser) -> Iterator[tuple[PretendedRobot, PretendedCamera]]:
    """Two cameras; the red disc of the first is an object, and hidden."""
    with tab.with_script(WATCH), pretended(('/first', '/second'), moving=False) as robot:
        tab.open(robot.thread.address)
        wait_for(lambda: tab.has('body.has-picture'), 'a picture')
        camera = robot.cameras[0]
        one_object(tab, robot, camera)
        only_the_image(tab)
        yield robot, camera
        _nothing_was_seen(tab)
        assert tab.complaints() == []
        tab.driver.execute_script("sessionStorage.removeItem('forbidden')")


def test_the_watchman_sees_what_is_not_hidden(tab: Browser, still: tuple) -> None:
    with tab.with_script(WATCH):
        tab.open(still[0].thread.address)
        tab.driver.execute_script(FORBID, RED)
        wait_for(lambda: tab.driver.execute_script('return window.most') > 400, 'the red disc')
        tab.driver.execute_script("sessionStorage.removeItem('forbidden')")


def _steps(tab: Browser, robot: PretendedRobot, count: int) -> None:
    """Show images, and see each of them."""
    camera = robot.cameras[0]
    for _ in range(count):
        robot.step()
        wait_for(lambda: tab.shown_stamp() == camera.stamp_ns(camera.index), 'the next picture')


def test_hidden_objects_stay_hidden_when_the_tracker_loses_them(tab: Browser, watched: tuple) -> None:
    """The disc is there all the time. Without its mask nobody knows where, so all is hidden, and that is told."""
    robot, camera = watched
    _may_not_be_seen(tab, 'objects')
    _steps(tab, robot, 3)
    assert tab.is_coloured(centre(camera, 'blue'), BLUE)
    camera.hidden.add('object_1')
    _steps(tab, robot, 3)
    assert tab.is_coloured(centre(camera, 'blue'), (128, 128, 128))
    wait_for(lambda: 'All is hidden: object_1 is not found.' in tab.text('#veil'), 'the reason')
    camera.hidden.clear()
    _steps(tab, robot, 3)
    assert tab.is_coloured(centre(camera, 'blue'), BLUE)
    wait_for(lambda: 'hidden' not in tab.text('#veil'), 'no reason')


def test_hidden_objects_stay_hidden_when_the_tracker_is_silent_or_empty(tab: Browser, watched: tuple) -> None:
    robot, camera = watched
    _may_not_be_seen(tab, 'objects')
    camera.silent = True
    _steps(tab, robot, 3)
    wait_for(lambda: 'All is hidden: the tracker says nothing' in tab.text('#veil'), 'the reason')
    camera.silent = False
    _steps(tab, robot, 2)
    camera.objects.clear()  # by somebody else
    _steps(tab, robot, 3)
    wait_for(lambda: 'All is hidden: nothing is tracked.' in tab.text('#veil'), 'the reason')


def test_hidden_objects_stay_hidden_while_the_picture_is_frozen_and_prompted(tab: Browser, watched: tuple) -> None:
    robot, camera = watched
    _may_not_be_seen(tab, 'objects')
    frozen = camera.index
    tab.press('#freeze')
    robot.step()
    tab.click(*centre(camera, 'red', frozen))
    prompts_of(camera, 2)
    camera.hidden.add('object_1')  # the next answer has no mask
    tab.click(*centre(camera, 'blue', frozen))
    wait_for(lambda: 'object_2' in tab.messages(), 'a second object')
    tab.press('#objects .correct')
    tab.click(*centre(camera, 'red', frozen))
    prompts_of(camera, 4)
    wait_for(lambda: tab.is_coloured((5, 5), (128, 128, 128)), 'all is hidden')
    tab.press('#undo')
    prompts_of(camera, 5)
    camera.objects['object_1'] = Tracked(1, disc='red')  # a painted mask would stay where it is
    camera.hidden.clear()
    tab.press('#freeze')
    _steps(tab, robot, 3)


def test_hidden_objects_stay_hidden_from_camera_to_camera(tab: Browser, watched: tuple) -> None:
    robot, _ = watched
    _may_not_be_seen(tab, 'objects')
    for _ in range(3):
        tab.press('#cameras button:last-child')
        wait_for(lambda: tab.objects() == [], 'the other camera')
        wait_for(lambda: tab.is_coloured((5, 5), (128, 128, 128)), 'nothing of a camera without objects')
        robot.step()
        tab.press('#cameras button')
        wait_for(lambda: tab.objects() == ['object_1'], 'the first camera')
        robot.step()


def test_hidden_objects_stay_hidden_when_the_page_is_loaded_again(tab: Browser, watched: tuple) -> None:
    robot, camera = watched
    _may_not_be_seen(tab, 'objects')
    for _ in range(2):
        tab.driver.refresh()
        wait_for(lambda: tab.has('body.has-picture'), 'a picture')
        _steps(tab, robot, 2)
        assert tab.find('#hide').get_attribute('value') == 'objects'
        assert tab.find('#effect').get_attribute('value') == 'grey'
        assert not tab.find('#fill').is_selected()
        assert tab.is_coloured(centre(camera, 'blue'), BLUE)


def test_hidden_objects_stay_hidden_from_effect_to_effect_and_size_to_size(tab: Browser, watched: tuple) -> None:
    """Structure is what must go: a fine pattern, of which no effect shows its two colours."""
    robot, camera = watched
    camera.pattern = 'red'
    _steps(tab, robot, 1)
    _may_not_be_seen(tab, 'objects')
    for effect in ('pixelate', 'blur', 'grey', 'pixelate', 'grey'):
        tab.choose('#effect', effect)
        tab.resize((1000, 700) if effect == 'pixelate' else (1280, 800))
        _steps(tab, robot, 1)
    tab.resize((1280, 800))


def test_a_hidden_background_stays_hidden(tab: Browser, watched: tuple) -> None:
    robot, camera = watched
    _may_not_be_seen(tab, 'background')
    _steps(tab, robot, 3)
    assert tab.is_coloured(centre(camera, 'red'), RED)
    for change in (camera.hidden.add, camera.hidden.discard):
        change('object_1')
        _steps(tab, robot, 2)
    assert tab.is_coloured(centre(camera, 'red'), RED)
    camera.silent = True
    _steps(tab, robot, 2)
    tab.press('#freeze')
    camera.objects['object_1'] = Tracked(1, disc='red')
    robot.step()
    tab.press('#freeze')
    show_objects(tab, robot, set())
