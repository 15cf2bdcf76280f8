"""What the page says of objects and pictures, and that it keeps no more than it shows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.web.operating import one_object
from tests.web.pretended import PERIOD, PretendedRobot, Tracked, pretended, wait_for

pytest.importorskip('selenium', reason='selenium is not installed, which drives the browser')

from tests.web.browser import Browser

pytestmark = pytest.mark.slow


def test_hidden_objects_are_told_in_words(tab: Browser, still: tuple) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    camera.hidden.add('object_1')
    robot.step()
    wait_for(lambda: 'hidden, seen 4 %' in tab.text('#objects .state'), 'the state')
    tab.press('#objects .rename')
    tab.type('#rename-name', 'cup')
    tab.press('#renaming button[value=rename]')
    wait_for(lambda: 'cannot be seen in this picture' in tab.messages(), 'the sentence')


def test_the_age_of_the_picture_is_told(tab: Browser, still: tuple) -> None:
    wait_for(lambda: 'The picture is' in tab.text('#veil'), 'the age')
    still[0].step()
    wait_for(lambda: tab.text('#veil') == '', 'a fresh picture')


CURVE = """
const canvas = document.querySelector('#objects .curve');
const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
copy.fillStyle = '#fff';
copy.fillRect(0, 0, canvas.width, canvas.height);
copy.drawImage(canvas, 0, 0);
return [canvas.height, Array.from(copy.getImageData(0, 0, canvas.width, canvas.height).data)];
"""
TEXT, ACCENT = (27, 31, 36), (15, 118, 110)  # of the light page
TOP, BOTTOM, SIDE = 9, 5, 3  # pixels around the curve


def _curve(tab: Browser) -> np.ndarray:
    """The curve of the first object: (height, width, 3)."""
    height, data = tab.driver.execute_script(CURVE)
    return np.array(data, int).reshape(height, -1, 4)[..., :3]


def _columns(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Middles of the groups of columns in which this colour appears."""
    found = np.flatnonzero((np.abs(pixels - colour).max(-1) < 60).any(0))
    return np.array([group.mean() for group in np.split(found, np.flatnonzero(np.diff(found) > 1) + 1) if len(group)])


def test_the_curve_shows_thirty_seconds_and_the_memory_events(tab: Browser, still: tuple) -> None:
    robot, camera = still
    camera.objects['cup'] = Tracked(1, disc='red')
    camera.events = {50: 'anchor', 250: 'anchor', 350: 'prompt', 450: 'recent', 550: 'anchor'}
    for _ in range(700 - camera.index):
        if camera.index == 500:
            camera.hidden.add('cup')
        robot.step()
    wait_for(lambda: tab.shown_stamp() == camera.stamp_ns(700), 'the last picture')
    wait_for(lambda: 'hidden' in tab.text('#objects .state'), 'the list')
    pixels = _curve(tab)
    height, width, _ = pixels.shape

    def column(index: int) -> float:
        return width - SIDE - (700 - index) * PERIOD / 30 * (width - 2 * SIDE)

    anchors = _columns(pixels[:TOP], ACCENT)
    assert anchors == pytest.approx([column(250), column(550)], abs=1.5)  # the first is older than 30 s
    marks = _columns(pixels[:TOP], TEXT)
    assert any(abs(mark - column(350)) < 1.5 for mark in marks), 'the prompt'
    assert _columns(pixels[-3:], ACCENT) == pytest.approx([column(450)], abs=1.5)
    for index, occlusion in ((120, 0.06), (300, 0.06), (480, 0.06), (520, 0.96), (690, 0.96)):
        rows = np.flatnonzero(np.abs(pixels[TOP - 3 :, round(column(index))] - TEXT).max(-1) < 90) + TOP - 3
        expected = height - BOTTOM - occlusion * (height - BOTTOM - TOP)
        assert rows.size and abs(rows.mean() - expected) < 3, index
    assert 'anchor' in tab.find('#objects .curve').get_attribute('title')


def test_the_curve_begins_anew_when_time_jumps_back(tab: Browser, still: tuple) -> None:
    robot, camera = still
    camera.objects['cup'] = Tracked(1, disc='red')
    camera.events = {100: 'anchor'}
    for _ in range(200):
        robot.step()
    wait_for(lambda: tab.shown_stamp() == camera.stamp_ns(camera.index), 'the last picture')
    wait_for(lambda: len(_columns(_curve(tab)[:TOP], ACCENT)) == 1, 'the anchor')
    camera.index = 0
    robot.step()
    wait_for(lambda: tab.shown_stamp() == camera.stamp_ns(1), 'the first picture')
    wait_for(lambda: len(_columns(_curve(tab)[:TOP], ACCENT)) == 0, 'no anchor')


COUNT_BITMAPS = """
window.bitmaps = 0;
const make = window.createImageBitmap;
window.createImageBitmap = async (...given) => { const made = await make(...given); window.bitmaps++; return made; };
const close = ImageBitmap.prototype.close;
ImageBitmap.prototype.close = function () { window.bitmaps--; close.call(this); };
"""


def _draw(robot: PretendedRobot, count: int) -> None:
    """Show images, each as soon as the page has drawn the one before; now and then there is another object."""
    (viewer,) = robot.thread.server.viewers.values()
    camera = robot.cameras[0]
    for _ in range(count):
        if camera.index % 50 == 0:
            camera.objects['other'] = Tracked(9, disc='blue')
        elif camera.index % 50 == 25:
            camera.objects.pop('other', None)
        drawn = viewer.drawn
        robot.step()
        wait_for(lambda drawn=drawn: viewer.drawn > drawn, 'that it is drawn')


def test_the_page_keeps_no_more_than_it_shows(tab: Browser) -> None:
    """Pictures, elements, listeners and memory, while pictures come as fast as they are drawn."""
    with tab.with_script(COUNT_BITMAPS), pretended(moving=False) as robot:
        tab.open(robot.thread.address)
        wait_for(lambda: tab.has('body.has-picture'), 'a picture')
        camera = robot.cameras[0]
        one_object(tab, robot, camera)
        for _ in range(600):  # the curve is full
            robot.step()
        _draw(robot, 50)
        before = tab.figures()
        _draw(robot, 100)
        after = tab.figures()
        assert tab.driver.execute_script('return window.bitmaps') <= 2
        for name in ('Nodes', 'JSEventListeners', 'Documents'):
            assert after[name] <= before[name] + 5, name
        assert after['JSHeapUsedSize'] < before['JSHeapUsedSize'] + 500_000  # a picture has 20 kB, its history 60 kB
        assert tab.complaints() == []


HISTORY = """
const done = arguments[arguments.length - 1];
import('/curve.js').then(({ History }) => {
  const history = new History();
  const stands = new History();
  for (let n = 0; n < 20000; n++) {
    history.add([[n / 100, { cup: [0.5, ''], [`other ${n >> 8}`]: [0.1, ''] }]]);
    stands.add([[0, { cup: [0.5, ''] }]]);
  }
  done([history.of('cup').length, history.of('other 0').length, stands.of('cup').length]);
});
"""


def test_the_curves_are_bounded(tab: Browser, still: tuple) -> None:
    """By time; by number for cameras whose stamps stand still; and objects that are gone are forgotten."""
    kept, gone, standing = tab.driver.execute_async_script(HISTORY)
    assert (kept, gone) == (3001, 0) and standing <= 3600
