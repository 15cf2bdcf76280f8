"""The page on a phone: fingers instead of a mouse, and small screens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.nodes import tracker_scene as scene
from tests.web.operating import centre, one_object, prompts_of, show_objects
from tests.web.pretended import PretendedRobot, pretended, wait_for

pytest.importorskip('selenium', reason='selenium is not installed, which drives the browser')

from tests.web.browser import DESKTOP, PHONE, Browser

pytestmark = pytest.mark.slow


@pytest.fixture
def phone(tab: Browser) -> Iterator[PretendedRobot]:
    """A robot with two cameras, and its page on a phone."""
    with pretended(('/front/tracker', '/rear/tracker'), moving=False) as robot, tab.phone():
        tab.open(robot.thread.address)
        wait_for(lambda: tab.has('body.has-picture'), 'a picture')
        yield robot
        assert tab.complaints() == []


def _close(point: tuple[float, ...], place: tuple[float, float]) -> bool:
    """Fingers are put on whole pixels of the screen."""
    return max(abs(a - b) for a, b in zip(point, place, strict=False)) <= 1


def _tap_button(tab: Browser, selector: str) -> None:
    """With a finger, where it is on the screen."""
    script = (
        'const place = document.querySelector(arguments[0]).getBoundingClientRect();'
        'return [place.left + place.width / 2, place.top + place.height / 2]'
    )
    x, y = tab.driver.execute_script(script, selector)
    for kind, points in (('touchStart', [{'x': x, 'y': y}]), ('touchEnd', [])):
        tab.driver.execute_cdp_cmd('Input.dispatchTouchEvent', {'type': kind, 'touchPoints': points})


def test_a_tap_is_a_point_and_a_swipe_is_a_box(tab: Browser, phone: PretendedRobot) -> None:
    camera = phone.cameras[0]
    place = centre(camera, 'red')
    tab.tap(*place)
    (prompt,) = prompts_of(camera, 1)
    assert _close(prompt.points[0], place) and prompt.points[0][2] == 1 and prompt.box is None
    left, top, right, bottom = scene.box('blue', camera.index)
    tab.swipe((left, top), ((left + right) / 2, bottom), (right, bottom))
    prompt = prompts_of(camera, 2)[-1]
    assert (
        prompt.points == () and _close(prompt.box[:2], (left, top)) and _close(prompt.box[2:], (right + 1, bottom + 1))
    )


def test_taps_beside_the_object_by_the_button(tab: Browser, phone: PretendedRobot) -> None:
    """There is no right button and no Shift: buttons do that."""
    camera = phone.cameras[0]
    red, blue = centre(camera, 'red'), centre(camera, 'blue')
    _tap_button(tab, '#collect')
    tab.tap(*red)
    _tap_button(tab, '#sign')
    wait_for(lambda: 'not part of it' in tab.text('#sign'), 'the other sign')
    tab.tap(*blue)
    assert camera.prompts == []
    _tap_button(tab, '#send')
    (prompt,) = prompts_of(camera, 1)
    assert [label for *_, label in prompt.points] == [1, 0]
    assert _close(prompt.points[0], red) and _close(prompt.points[1], blue)


def test_a_long_press_opens_no_menu_and_is_one_point(tab: Browser, phone: PretendedRobot) -> None:
    camera = phone.cameras[0]
    tab.driver.execute_script(
        "window.menus = []; addEventListener('contextmenu', (event) => menus.push(event.defaultPrevented))"
    )
    place = centre(camera, 'red')
    tab.touch('touchStart', place)
    tab.driver.execute_async_script('setTimeout(arguments[0], 900)')  # longer than the browser's own long press
    tab.touch('touchEnd')
    (prompt,) = prompts_of(camera, 1)
    assert len(prompt.points) == 1 and _close(prompt.points[0], place)
    assert all(tab.driver.execute_script('return window.menus'))


def test_a_mask_is_painted_by_finger(tab: Browser, phone: PretendedRobot) -> None:
    camera = phone.cameras[0]
    _tap_button(tab, '[data-tool=brush]')
    tab.swipe((40, 40), (60, 40), (80, 40))
    (prompt,) = prompts_of(camera, 1)
    left, top = prompt.corner
    row = prompt.mask[40 - top]
    assert row[45 - left : 75 - left].all() and not prompt.mask.all()


@pytest.mark.parametrize('tool', ['point', 'brush'])
def test_two_fingers_zoom_and_lose_nothing(tab: Browser, phone: PretendedRobot, tool: str) -> None:
    """The first of two fingers has begun a box or a stroke: that goes, what was collected before stays."""
    camera = phone.cameras[0]
    _tap_button(tab, f'[data-tool={tool}]')
    _tap_button(tab, '#collect')
    place = centre(camera, 'red')
    tab.swipe(place, *([(place[0] + 12, place[1])] if tool == 'brush' else []))
    wait_for(lambda: tab.find('#send').is_enabled(), 'something to send')
    tab.spread((80, 60))
    wait_for(lambda: tab.zoom() > 1.1, 'a larger picture')
    assert tab.find('#send').is_enabled() and camera.prompts == []
    tab.driver.execute_script("document.getElementById('send').click()")  # it may be outside now
    (prompt,) = prompts_of(camera, 1)
    if tool == 'point':
        assert len(prompt.points) == 1 and prompt.box is None
    else:
        assert prompt.corner[0] + prompt.mask.shape[1] < 70, 'nothing at the place of the two fingers'


def test_a_tap_on_the_larger_picture_hits_its_pixel(tab: Browser, phone: PretendedRobot) -> None:
    camera = phone.cameras[0]
    place = centre(camera, 'red')
    tab.spread(place)
    wait_for(lambda: tab.zoom() > 1.1, 'a larger picture')
    wait_for(tab.zoom_rests, 'the end of the zoom')
    assert camera.prompts == []
    wait_for(lambda: tab.text('#frozen') == '', 'that the picture is not held any more')
    tab.tap(*place)
    (prompt,) = prompts_of(camera, 1)
    assert _close(prompt.points[0], place)


def test_a_gesture_that_the_phone_takes_away_sends_nothing(tab: Browser, phone: PretendedRobot) -> None:
    camera = phone.cameras[0]
    tab.touch('touchStart', (20, 20))
    tab.touch('touchMove', (60, 60))
    tab.touch('touchCancel')
    tab.tap(*centre(camera, 'red'))
    (prompt,) = prompts_of(camera, 1)
    assert prompt.box is None


def test_several_cameras_on_a_phone(tab: Browser, phone: PretendedRobot) -> None:
    front, rear = phone.cameras
    _tap_button(tab, '#cameras button:last-child')
    wait_for(lambda: tab.find('#cameras button:last-child').get_attribute('aria-pressed') == 'true', 'the other one')
    wait_for(lambda: tab.shown_stamp() == rear.stamp_ns(rear.index) and tab.has('body.has-picture'), 'its picture')
    tab.tap(*centre(rear, 'red'))
    prompts_of(rear, 1)
    assert front.prompts == []
    show_objects(tab, phone, {'object_1'})
    phone.step()
    _tap_button(tab, '#cameras button')
    wait_for(lambda: tab.objects() == [], 'the first camera')


@pytest.mark.parametrize('size', [DESKTOP, PHONE, (320, 568), (844, 390)])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_every_size_and_colour_scheme_is_usable(tab: Browser, size: tuple[int, int], scheme: str) -> None:
    """Nothing is wider than the screen, texts differ from what is behind them, and a click still hits its pixel."""
    with pretended(('/front/tracker', '/rear/tracker'), moving=False) as robot:
        tab.resize(size)
        tab.colour_scheme(scheme)
        try:
            tab.open(robot.thread.address)
            wait_for(lambda: tab.has('body.has-picture'), 'a picture')
            camera = robot.cameras[0]
            one_object(tab, robot, camera)
            assert _close(camera.prompts[0].points[0], centre(camera, 'red', 1))
            assert tab.driver.execute_script('return document.documentElement.scrollWidth') <= size[0]
            tab.press('#objects .select')
            assert tab.driver.execute_script(CONTRAST) >= 4.5
            assert tab.driver.execute_script(CLIPPED) == []
            height = tab.driver.execute_script("return document.getElementById('view').clientHeight")
            assert height > 0.25 * size[1], 'there is room for the picture'
            tab.press('#help')
            assert tab.driver.execute_script(CONTRAST) >= 4.5
            assert tab.driver.execute_script('return document.documentElement.scrollWidth') <= size[0]
            assert tab.complaints() == []
        finally:
            tab.resize(DESKTOP)
            tab.colour_scheme('light')


# Buttons and fields whose text is wider than they are.
CLIPPED = """
return Array.from(document.querySelectorAll('button, label, select, .name, .state'))
  .filter((one) => one.offsetParent && getComputedStyle(one).display !== 'inline')
  .filter((one) => one.scrollWidth > one.clientWidth + 1)
  .map((one) => one.textContent.trim());
"""
# The least contrast, by the formula of WCAG 2, of texts with their backgrounds.
CONTRAST = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [0.2126 * r, 0.7152 * g, 0.0722 * b].reduce((sum, part) => sum + part, 0);
const bend = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const linear = (rgb) => rgb.slice(0, 3).map((value) => bend(value / 255));
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const colour = numbers(getComputedStyle(one).backgroundColor);
    if (colour.length < 4 || colour[3] > 0.5) return colour;
  }
  return [255, 255, 255];
};
const selector = 'h1, h2, p, dt, dd, button:enabled, label, .name, .state, .number, #messages li';
const texts = Array.from(document.querySelectorAll(selector))
  .filter((one) => one.offsetParent && one.textContent.trim());
return Math.min(...texts.map((one) => {
  const [a, b] = [numbers(getComputedStyle(one).color), behind(one)].map((colour) => light(linear(colour)) + 0.05);
  return Math.max(a, b) / Math.min(a, b);
}));
"""
